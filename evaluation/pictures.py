"""Three orthogonal slices of a case with the outlines of reference and prediction.

Arrays are (z, y, x) and, once turned, z grows towards the head, y towards the back, x towards the patient's left; so
the axial slice has the patient's right on the left and the face at the top.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy.ndimage import label

from evaluation.cases import CaseFiles, Pair, find_ct
from evaluation.metrics import Score, bounding_box
from evaluation.reading import check_same_grid, grid_of, read_masks
from evaluation.run import CaseResult, Settings
from model.errors import InputError

COLOURS = {"GTVp": ("#ffd000", "#ff4fd8"), "GTVnd": ("#4dff7c", "#38c6ff")}
WINDOW_HU = (-135.0, 215.0)
MARGIN_MM = 45.0
PLANES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Scene:
    """What is drawn: CT in HU (None: a dark background), masks by structure, spacing (z, y, x) in mm."""

    ct: np.ndarray | None
    reference: dict[str, np.ndarray]
    prediction: dict[str, np.ndarray]
    spacing_zyx: tuple[float, float, float]


def _upright(array: np.ndarray, direction: tuple[float, ...]) -> np.ndarray:
    """View of an array (z, y, x), its axes in the order head, back, left; oblique grids to the nearest."""
    image_axis_of = np.abs(np.array(direction).reshape(3, 3)).argmax(axis=1)
    order = [2 - image_axis_of[world] for world in (2, 1, 0)]
    signs = [np.array(direction).reshape(3, 3)[world, image_axis_of[world]] for world in (2, 1, 0)]
    return array.transpose(order)[tuple(slice(None, None, 1 if sign > 0 else -1) for sign in signs)]


def read_scene(
    ct: Path | None, reference: CaseFiles, prediction: CaseFiles | None, structures: tuple[str, ...]
) -> Scene:
    """Reads and turns what is to be drawn. Raises InputError as reading does, and for a CT on another grid."""
    masks = read_masks(reference, structures)
    direction = masks.grid.direction
    hounsfield = None
    if ct is not None:
        try:
            image = sitk.ReadImage(str(ct))
        except RuntimeError as error:
            raise InputError(ct, "not a readable image", "give the case's CT") from error
        check_same_grid(grid_of(image), masks.grid, ct, masks.path)
        hounsfield = _upright(sitk.GetArrayFromImage(image), direction)
    predicted = {}
    if prediction:
        other = read_masks(prediction, structures)
        check_same_grid(other.grid, masks.grid, other.path, masks.path)
        predicted = other.arrays
    zyx = _upright(np.arange(3 * 3 * 3).reshape(3, 3, 3), direction)
    strides = [abs(int(zyx[tuple(step)] - zyx[0, 0, 0])) for step in np.eye(3, dtype=int)]
    spacing = {9: masks.grid.spacing_zyx[0], 3: masks.grid.spacing_zyx[1], 1: masks.grid.spacing_zyx[2]}
    z, y, x = (spacing[stride] for stride in strides)
    return Scene(
        hounsfield,
        {s: _upright(a, direction) for s, a in masks.arrays.items()},
        {s: _upright(a, direction) for s, a in predicted.items()},
        (z, y, x),
    )


def _largest_lesion(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask that has voxels."""
    box = bounding_box(mask)
    labels, _ = label(mask[box], np.ones((3, 3, 3)))
    largest = np.zeros_like(mask)
    largest[box] = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    return largest


def focus(scene: Scene, structure: str) -> tuple[int, int, int] | None:
    """Voxel (z, y, x) nearest to the centroid of a structure's largest part; None if neither side has voxels."""
    for masks in (scene.reference, scene.prediction):
        if structure in masks and masks[structure].any():
            voxels = np.argwhere(_largest_lesion(masks[structure]))
            z, y, x = voxels[((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()]
            return int(z), int(y), int(x)
    return None


def _crop(scene: Scene) -> tuple[slice, slice, slice]:
    """Box around all masks with a margin, so that the surroundings can be recognised."""
    together = np.logical_or.reduce([*scene.reference.values(), *scene.prediction.values()])
    box = bounding_box(together) or tuple(slice(0, n) for n in together.shape)
    z, y, x = (
        slice(max(0, s.start - round(MARGIN_MM / mm)), min(n, s.stop + round(MARGIN_MM / mm)))
        for s, mm, n in zip(box, scene.spacing_zyx, together.shape, strict=True)
    )
    return z, y, x


def _draw_plane(
    axes: Axes, scene: Scene, axis: int, at: tuple[int, int, int], box: tuple[slice, ...]
) -> None:
    """One slice perpendicular to an axis (0 z, 1 y, 2 x), in mm."""
    index = tuple(at[axis] if i == axis else box[i] for i in range(3))
    rows_mm, columns_mm = (mm for i, mm in enumerate(scene.spacing_zyx) if i != axis)
    shape = next(iter(scene.reference.values()))[index].shape
    extent = (0.0, shape[1] * columns_mm, 0.0, shape[0] * rows_mm)
    if scene.ct is not None:
        low, high = WINDOW_HU
        axes.imshow(
            scene.ct[index], "gray", vmin=low, vmax=high, extent=extent, origin="lower", aspect="equal"
        )
    x, y = (np.arange(shape[1]) + 0.5) * columns_mm, (np.arange(shape[0]) + 0.5) * rows_mm
    for masks, style, which in ((scene.reference, "solid", 0), (scene.prediction, "dashed", 1)):
        for structure, mask in masks.items():
            if mask[index].any() and min(shape) > 1:
                axes.contour(
                    x,
                    y,
                    mask[index],
                    [0.5],
                    colors=COLOURS[structure][which],
                    linestyles=style,
                    linewidths=1.4,
                )
    axes.set(xlim=extent[:2], ylim=extent[2:] if axis else extent[3:1:-1], aspect="equal", facecolor="black")
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), extent[1], extent[3], facecolor="black", zorder=-1))


def _title(name: str, scores: dict[str, Score], tolerance_mm: float) -> str:
    parts = [f"{s}  DSC {100 * v.dsc:.1f} %  NSD {100 * v.nsd[0]:.1f} %" for s, v in scores.items()]
    return f"{name}   (NSD at {tolerance_mm:g} mm)\n" + "      ".join(parts)


def overlay(
    scene: Scene, name: str, scores: dict[str, Score], tolerance_mm: float, kind: str = "png"
) -> bytes:
    """Encoded figure: a row of three slices for each structure that has voxels, legend and scores."""
    places = {s: at for s in scene.reference if (at := focus(scene, s)) is not None}
    rows = places or {next(iter(scene.reference)): (0, 0, 0)}
    box = _crop(scene)
    size_mm = [(s.stop - s.start) * mm for s, mm in zip(box, scene.spacing_zyx, strict=True)]
    widths = [size_mm[2], size_mm[2], size_mm[1]]
    height = max(size_mm[0], size_mm[1]) / sum(widths) * 12
    figure = Figure((12, height * len(rows) + 1.1), facecolor="#111111", layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=widths)
    for line, (structure, at) in zip(grid, rows.items(), strict=True):
        for axis, axes in enumerate(line):
            _draw_plane(axes, scene, axis, at, box)
            axes.set_title(f"{structure}: {PLANES[axis]}", color="white", fontsize=10)
    handles = [
        Line2D([], [], color=COLOURS[s][i], linestyle=("solid", "dashed")[i], label=f"{s} {what}")
        for s in scene.reference
        for i, what in enumerate(("reference", "prediction"))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, labelcolor="white", frameon=False)
    figure.suptitle(_title(name, scores, tolerance_mm), color="white", fontsize=11)
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=110 if kind == "png" else 80)
    return buffer.getvalue()


def picture(pair: Pair, result: CaseResult, settings: Settings, place: Path | None, kind: str) -> bytes:
    """Encoded figure of a scored case; a prediction that could not be scored is not drawn. Raises InputError."""
    ct = find_ct(place, pair.name) if place else None
    try:
        scene = read_scene(ct, pair.reference, pair.prediction, settings.structures)
    except InputError:
        if not result.problems:
            raise
        scene = read_scene(ct, pair.reference, None, settings.structures)
    return overlay(scene, pair.name, result.scores, settings.tolerances_mm[0], kind)
