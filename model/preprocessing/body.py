"""Where the body lies in a CT. All arrays are (z, y, x) in canonical orientation."""

import numpy as np
from scipy import ndimage

from model.images.gaps import inner_gaps
from model.network.plan import Spacing
from model.preprocessing.region import Box, box_from

# Between fat (-100) and air (-1000).
BODY_HU = -400.0
BODY_MARGIN_MM = 6.0
# The body is searched on about this grid: thin couch and mask shells vanish in an opening.
SEARCH_MM = 3.0
# Of the usual slice's body: with less, a slice between others parts the body in two.
LEAST_AREA = 0.02


def outside_circle(array: np.ndarray) -> np.ndarray:
    """Columns (y, x), bool, that hold one and the same value in every slice, the corner's: no data was reconstructed.

    Scanners fill them with 0, -1000, -1024, -2000 or -3024; a 0 would otherwise pass for tissue. Slices that hold one
    value only may have another.
    """
    corners = array[:, 0, 0]
    values, counts = np.unique(corners, return_counts=True)
    corner = values[counts.argmax()]
    outside = np.ones(array.shape[1:], bool)
    for plane in array:
        if plane[0, 0] == corner or plane.min() != plane.max():
            outside &= plane == corner
    return outside


def body_box(array: np.ndarray, outside: np.ndarray, spacing_zyx: Spacing) -> Box | None:
    """Bounding box (z, y, x) of the largest connected piece above air, without couch or mask shells; None if none.

    Slices of one value only hold no data: where a scan was padded with 0 that would pass for tissue. These, and slices
    of air, do not part the body in two.
    """
    steps = [max(1, round(SEARCH_MM / spacing)) for spacing in spacing_zyx]
    steps_zyx = tuple(slice(None, None, step) for step in steps)
    coarse = array[steps_zyx]
    empty = coarse.min((1, 2), keepdims=True) == coarse.max((1, 2), keepdims=True)
    body = (coarse > BODY_HU) & ~outside[steps_zyx[1:]] & ~empty
    area = body.sum((1, 2))
    # Noise around air, or a few marks, are no body either.
    missing = area < LEAST_AREA * np.median(area[area > 0]) if area.any() else empty.ravel()
    for gap in inner_gaps(missing):
        body[gap] = body[gap.start - 1] | body[gap.stop]
    opened = ndimage.binary_opening(body, np.ones((1, 3, 3), bool))
    labels, count = ndimage.label(opened if opened.any() else body)
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    largest = ndimage.find_objects(labels)[int(sizes.argmax())]
    margins = [BODY_MARGIN_MM / spacing for spacing in spacing_zyx]
    return box_from(
        slice(
            max(0, int(axis.start * step - margin)),
            min(n, int(np.ceil((axis.stop - 1) * step + 1 + margin))),
        )
        for axis, step, margin, n in zip(largest, steps, margins, array.shape, strict=True)
    )
