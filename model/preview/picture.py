"""A case in one picture: what was outlined, where it is largest, in both CTs, and what was said of the case."""

from dataclasses import dataclass

import numpy as np

from model import VERSION
from model.images.grid import position_mm
from model.preview.font import HEIGHT, WIDTH, drawable, wrapped
from model.preview.kept import WINDOW_HU, Kept
from model.preview.panels import AMBER, COLOURS, DIM, TEXT, Box, Slice, panel, write
from model.preview.png import png
from model.structures import LABELS

# Around all masks, so that the surroundings can be recognised; where there are none, around the middle.
MARGIN_MM, LEAST_MM = 40.0, 120.0
# Of the whole picture, without the gaps; and what a pixel may be at least and at most.
PIXELS, PIXEL_MM = 1500, (0.3, 2.0)
MOST_ROW_PIXELS, MOST_WARNINGS = 700, 6
GAP, LINE = 8, 2 * HEIGHT + 2
BAR_MM = 50.0
# Of each row: axis of the slice, and which CT (0 non-contrast).
COLUMNS = ((0, 0), (0, 1), (1, 1), (2, 1))
CTS = ("CT", "CE CT")
# Of the axis perpendicular to a plane: what its position is called, of (x, y, z) which it is.
POSITIONS = (("z", 2), ("y", 1), ("x", 0))


@dataclass(frozen=True)
class Said:
    """name: of the case. of_structures: what is said of each, such as "20.4 cm³". warnings: as they are in the log."""

    name: str
    of_structures: dict[str, str]
    warnings: list[str]


def picture(kept: Kept, labels: np.ndarray, said: Said) -> bytes:
    """PNG: a row of slices for each structure, through its largest extent along each axis.

    labels: uint8 (z, y, x) in canonical orientation, on the input's grid.
    """
    found = box_of(labels > 0)
    shown = around(found, labels.shape, kept.spacing_zyx)
    inner = {name: labels[found] == label for name, label in LABELS.items()} if found else {}
    rows = {name: largest_at(mask, found) for name, mask in inner.items() if found and mask.any()}
    middle = tuple((s.start + s.stop) // 2 for s in shown)
    pixel_mm = pixel_size(shown, kept.spacing_zyx)
    lines = [_row(kept, labels, name, at, shown, pixel_mm) for name, at in (rows or {"": middle}).items()]
    width = lines[0].shape[1]
    content = [_heading(said, width), *lines, _footing(said, width, pixel_mm)]
    return png(np.concatenate(content))


def box_of(mask: np.ndarray) -> Box | None:
    """Around what is true, (z, y, x); None where nothing is."""
    box: tuple[slice, ...] = ()
    for axes in ((1, 2), (0, 2), (0, 1)):
        hits = np.flatnonzero(mask[box].any(axes))
        if not len(hits):
            return None
        box += (slice(int(hits[0]), int(hits[-1]) + 1),)
    z, y, x = box
    return z, y, x


def largest_at(inside: np.ndarray, box: Box) -> tuple[int, int, int]:
    """Where along each axis (z, y, x) a slice shows most of a mask, given within a box; in the middle of equals."""
    at = []
    for axis, axes in enumerate(((1, 2), (0, 2), (0, 1))):
        area = np.count_nonzero(inside, axis=axes)
        best = np.flatnonzero(area == area.max())
        at.append(box[axis].start + int(best[len(best) // 2]))
    z, y, x = at
    return z, y, x


def around(box: Box | None, shape: tuple[int, ...], spacing_zyx: tuple[float, float, float]) -> Box:
    """A box with a margin, at least LEAST_MM wide, within the volume; the whole volume where there is none."""
    if box is None:
        z, y, x = (slice(0, n) for n in shape)
        return z, y, x
    slices = []
    for axis, n, mm in zip(box, shape, spacing_zyx, strict=True):
        start, stop = axis.start, axis.stop
        margin = max(MARGIN_MM / mm, (LEAST_MM / mm - (stop - start)) / 2)
        slices.append(slice(max(0, round(start - margin)), min(n, round(stop + margin))))
    z, y, x = slices
    return z, y, x


def pixel_size(box: Box, spacing_zyx: tuple[float, float, float]) -> float:
    """In mm, one for all slices, so that they fill the picture's width."""
    z, y, x = ((s.stop - s.start) * mm for s, mm in zip(box, spacing_zyx, strict=True))
    fitting = max((3 * x + y) / PIXELS, max(y, z) / MOST_ROW_PIXELS)
    return float(np.clip(fitting, *PIXEL_MM))


def _row(
    kept: Kept, labels: np.ndarray, name: str, at: tuple[int, int, int], box: Box, pixel_mm: float
) -> np.ndarray:
    """The slices beside each other, a title above each."""
    views = [(Slice(axis, at[axis], box, kept.spacing_zyx, pixel_mm), ct) for axis, ct in COLUMNS]
    height = max(view.shape[0] for view, _ in views)
    width = sum(view.shape[1] for view, _ in views) + GAP * (len(views) + 1)
    canvas, left = _canvas(2 * LINE + height + GAP, width), GAP
    for view, ct in views:
        pixels = panel(view, kept.greys[ct], kept.step, labels)
        rows, columns = pixels.shape[:2]
        titles = canvas[:, left : left + columns]
        write(titles, f"{name} {view.plane}, {CTS[ct]}".strip(), 2, 0, COLOURS.get(name, TEXT))
        write(titles, position(kept, view, at), 2 + LINE, 0, DIM)
        canvas[2 * LINE : 2 * LINE + rows, left : left + columns] = pixels
        left += columns + GAP
    return canvas


def position(kept: Kept, view: Slice, at: tuple[int, int, int]) -> str:
    """Of a slice: where it lies, and of an axial one its number, counted from the feet."""
    letter, coordinate = POSITIONS[view.axis]
    mm = position_mm(kept.grid, at)[coordinate]
    number = f"slice {view.at + 1} of {len(kept.greys[0])}, " if view.axis == 0 else ""
    return f"{number}{letter} {mm:+.1f} mm"


def _heading(said: Said, width: int) -> np.ndarray:
    canvas = _canvas(2 * LINE + 3 * GAP, width)
    note = f"gtvseg {VERSION}, research use only"
    fits = max(0, (width - 2 * GAP) // (2 * WIDTH) - len(note) - 2)
    name = drawable(said.name)
    write(canvas, name if len(name) <= fits else name[: max(0, fits - 3)] + "...", GAP, GAP, TEXT)
    write(canvas, note, GAP, width - GAP - len(note) * 2 * WIDTH, DIM)
    left = GAP
    for structure, words in said.of_structures.items():
        text = f"{structure} {words}"
        write(canvas, text, GAP + LINE, left, COLOURS[structure])
        left += (len(text) + 3) * 2 * WIDTH
    return canvas


def _footing(said: Said, width: int, pixel_mm: float) -> np.ndarray:
    """Scale, what is shown how, and the warnings."""
    shown = []
    for text in said.warnings[:MOST_WARNINGS]:
        shown += wrapped(f"warning: {drawable(text)}", width - 2 * GAP)
    if len(said.warnings) > MOST_WARNINGS:
        shown.append(f"and {len(said.warnings) - MOST_WARNINGS} more warnings, see the log")
    low, high = WINDOW_HU
    words = (
        f"{BAR_MM:g} mm   {low:g} to {high:g} HU   CE: contrast-enhanced   x to left, y to back, z to head"
    )
    canvas = _canvas(LINE * (len(shown) + 1) + GAP, width)
    length = round(BAR_MM / pixel_mm)
    canvas[2 + HEIGHT - 2 : 2 + HEIGHT + 2, GAP : GAP + length] = TEXT
    write(canvas, words, 2, 2 * GAP + length, DIM)
    for number, line in enumerate(shown, 1):
        write(canvas, line, 2 + number * LINE, GAP, AMBER)
    return canvas


def _canvas(rows: int, columns: int) -> np.ndarray:
    return np.full((rows, columns, 3), 17, np.uint8)
