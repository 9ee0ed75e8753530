"""Three orthogonal slices of a case with the outlines of reference and prediction.

The axial slice has the patient's right on the left and the face at the top. Letters: R right, L left, A front, P back,
S head, I feet. Positions are the patient's (LPS, as DICOM has them) in mm.
"""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from evaluation.cases import MatchedCase, find_ct
from evaluation.metrics import Score
from evaluation.run import CaseResult, Settings
from evaluation.scene import Scene, read_scene
from evaluation.targets import Errors, Voxel, bins, bounds_mm, middle
from model.errors import InputError

# Of reference and prediction.
COLOURS = {"GTVp": ("#ffd000", "#ff4fd8"), "GTVnd": ("#4dff7c", "#38c6ff")}
# Of the prediction's outline by its distance: up to the tolerance, up to each of DISTANCES_MM, and beyond.
DISTANCE_COLOURS = ("#45c8ff", "#7ff08a", "#ffe14d", "#ff9a3c", "#ff3d5a")
REFERENCE_COLOUR = "#ffffff"
WINDOW_HU = (-135.0, 215.0)
ROW_INCHES = (1.5, 12.0)  # height of a row at least and at most, however long and thin the images are
LONGEST_TITLE = 90  # characters of the case's name
# Perpendicular to z, y, x: the name, and the letters on the left, right, top and bottom.
PLANES = (("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI"))
# Of positions towards larger and smaller values, by the array's axis.
LETTERS = ("SI", "PA", "LR")
HALO = withStroke(linewidth=2, foreground="#000000")  # letters are read on bone, too
VIEW_MM = 90.0  # of a slice around a target
SCALE_BARS_MM = (10, 20, 50, 100)


def _draw_plane(
    axes: Axes,
    scene: Scene,
    axis: int,
    at: Voxel,
    span_mm: float | None,
    errors: Errors | None,
    tolerance_mm: float,
) -> None:
    """One slice perpendicular to an axis (0 z, 1 y, 2 x), in mm; so many around the voxel, or all of it."""
    index = tuple(at[axis] if i == axis else slice(None) for i in range(3))
    rest = [i for i in range(3) if i != axis]
    rows_mm, columns_mm = (scene.spacing_zyx[i] for i in rest)
    height, width = scene.shape[rest[0]] * rows_mm, scene.shape[rest[1]] * columns_mm
    ct = next(iter(scene.cts.values()), None)
    if ct is not None:
        low, high = WINDOW_HU
        place: dict[str, Any] = {"extent": (0, width, 0, height), "origin": "lower"}
        axes.imshow(ct[index], "gray", vmin=low, vmax=high, interpolation="bilinear", **place)
    for structure, mask in scene.reference.items():
        colour = COLOURS[structure][0] if errors is None else REFERENCE_COLOUR
        _outline(axes, mask[index], (rows_mm, columns_mm), colour, "solid", 1.4 if errors is None else 1.0)
    for structure, mask in scene.prediction.items():
        if errors is None or structure not in scene.reference:
            _outline(axes, mask[index], (rows_mm, columns_mm), COLOURS[structure][1], "dashed", 1.4)
        else:
            _coloured(axes, mask[index], errors.prediction_mm[index], (rows_mm, columns_mm), tolerance_mm)
    x, y = (0.0, width), (0.0, height)
    if span_mm is not None:
        middle_mm = [(at[i] + 0.5) * scene.spacing_zyx[i] for i in rest]
        y, x = ((mm - span_mm / 2, mm + span_mm / 2) for mm in middle_mm)
    axes.set(xlim=x, ylim=y if axis else y[::-1], aspect="equal", xticks=[], yticks=[], facecolor="black")
    for side in axes.spines.values():
        side.set_visible(False)
    _annotate(axes, scene, axis, at, x, y if axis else y[::-1])


def _outline(
    axes: Axes, mask: np.ndarray, spacing: tuple[float, float], colour: str, style: str, width: float
) -> None:
    lines = _contours(mask, spacing)
    axes.add_collection(LineCollection(lines, colors=colour, linestyles=style, linewidths=width))


def _coloured(
    axes: Axes, mask: np.ndarray, distances_mm: np.ndarray, spacing: tuple[float, float], tolerance_mm: float
) -> None:
    """The outline in the colours of its distances; a vertex lies between two voxels, of which the inner one has it."""
    colours = [colour for colour, _ in legend(tolerance_mm)]
    for line in _contours(mask, spacing):
        columns, rows = (line / (spacing[1], spacing[0]) - 0.5).T
        low, high = (
            distances_mm[rounded(rows).astype(int), rounded(columns).astype(int)]
            for rounded in (np.floor, np.ceil)
        )
        at_vertex = np.maximum(low, high)
        segments = np.stack([line[:-1], line[1:]], axis=1)
        numbers = bins(np.maximum(at_vertex[1:], at_vertex[:-1]), tolerance_mm)
        drawn = [colours[k] for k in numbers]
        axes.add_collection(LineCollection(list(segments), colors=drawn, linewidths=1.8, capstyle="round"))


def legend(tolerance_mm: float) -> list[tuple[str, str]]:
    """Of each bin of distances the colour and what it means; a bound has its colour whatever the tolerance."""
    bounds = bounds_mm(tolerance_mm)
    words = [f"to {mm:g} mm" for mm in bounds] + [f"beyond {bounds[-1]:g} mm"]
    return list(zip((DISTANCE_COLOURS[0], *DISTANCE_COLOURS[-len(bounds) :]), words, strict=True))


def _contours(mask: np.ndarray, spacing: tuple[float, float]) -> list[np.ndarray]:
    """Lines (n, 2) of x, y in mm around a slice's mask (rows, columns)."""
    if min(mask.shape) < 2 or not mask.any():
        return []
    y, x = ((np.arange(n) + 0.5) * mm for n, mm in zip(mask.shape, spacing, strict=True))
    return [np.asarray(line) for line in contour_generator(x, y, mask.astype(np.uint8)).lines(0.5)]


def _annotate(
    axes: Axes, scene: Scene, axis: int, at: Voxel, x: tuple[float, float], y: tuple[float, float]
) -> None:
    """Letters at the edges, the position, a scale bar."""
    places = ((0.015, 0.5, "left"), (0.985, 0.5, "right"), (0.5, 0.98, "center"), (0.5, 0.02, "center"))
    text: dict[str, Any] = {"color": "#f5f5f5", "fontsize": 10, "path_effects": [HALO]}
    style = text | {"transform": axes.transAxes}
    for letter, (across, up, align) in zip(PLANES[axis][1], places, strict=True):
        vertical = {0.98: "top", 0.02: "bottom"}.get(up, "center")
        axes.text(across, up, letter, ha=align, va=vertical, fontweight="bold", **style)
    axes.text(0.015, 0.02, position(scene, at, axis), ha="left", va="bottom", **style)
    width = abs(x[1] - x[0])
    bar = max((mm for mm in SCALE_BARS_MM if mm <= width / 3), default=SCALE_BARS_MM[0])
    right, up = x[1] - 0.03 * width, y[0] + 0.03 * (y[1] - y[0])
    axes.plot([right - bar, right], [up, up], color="#f5f5f5", linewidth=2, solid_capstyle="butt")
    axes.text(right, y[0] + 0.05 * (y[1] - y[0]), f"{bar} mm", ha="right", va="bottom", **text)


def position(scene: Scene, at: Voxel, axis: int) -> str:
    """Of a voxel along one axis of the array (0 z, 1 y, 2 x), as "S 40.2 mm"."""
    mm = round(float(scene.position_xyz(at)[2 - axis]), 1)
    return f"{LETTERS[axis][0 if mm >= 0 else 1]} {abs(mm):.1f} mm"


def strip(scene: Scene, errors: Errors, at: Voxel, tolerance_mm: float) -> bytes:
    """Encoded (WebP) slices around a voxel, the prediction's outline coloured by its distance from the reference."""
    figure = Figure((9.06, 3.0), facecolor="#111111")
    for axis in range(3):
        axes = figure.add_axes((axis * 3.03 / 9.06, 0, 3.0 / 9.06, 1))
        _draw_plane(axes, scene, axis, at, VIEW_MM, errors if scene.reference else None, tolerance_mm)
    return _encoded(figure, "webp", 96)


def _encoded(figure: Figure, kind: str, dpi: int) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks become boxes
        figure.savefig(buffer, format=kind, dpi=dpi, pil_kwargs={"quality": 62} if kind == "webp" else {})
    return buffer.getvalue()


def _title(name: str, scores: dict[str, Score], tolerance_mm: float) -> str:
    name = name if len(name) <= LONGEST_TITLE else f"{name[:LONGEST_TITLE]}…"
    parts = [f"{s}  DSC {100 * v.dsc:.1f} %  NSD {100 * v.nsd[0]:.1f} %" for s, v in scores.items()]
    return f"{name}   (NSD at {tolerance_mm:g} mm)\n" + "      ".join(parts)


def overlay(scene: Scene, name: str, scores: dict[str, Score], tolerance_mm: float) -> bytes:
    """Encoded figure (PNG): a row of slices for each structure that has voxels, through the middle of its part."""
    centres = {s: at for s in scene.reference if (at := middle(scene, s)) is not None}
    rows = centres or {next(iter(scene.reference)): (0, 0, 0)}
    size_mm = [n * mm for n, mm in zip(scene.shape, scene.spacing_zyx, strict=True)]
    widths = [size_mm[2], size_mm[2], size_mm[1]]
    height = float(np.clip(max(size_mm[0], size_mm[1]) / sum(widths) * 12, *ROW_INCHES))
    figure = Figure((12, height * len(rows) + 1.1), facecolor="#111111", layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=widths)
    for line, (structure, at) in zip(grid, rows.items(), strict=True):
        for axis, axes in enumerate(line):
            _draw_plane(axes, scene, axis, at, None, None, tolerance_mm)
            axes.set_title(f"{structure}: {PLANES[axis][0]}", color="white", fontsize=10)
    handles = [
        Line2D([], [], color=COLOURS[s][i], linestyle=("solid", "dashed")[i], label=f"{s} {what}")
        for s in scene.reference
        for i, what in enumerate(("reference", "prediction"))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, labelcolor="white", frameon=False)
    title = _title(name, scores, tolerance_mm)
    figure.suptitle(title, color="white", fontsize=11, parse_math=False)  # a name is no formula
    return _encoded(figure, "png", 110)


def scene_of(case: MatchedCase, result: CaseResult, settings: Settings, cts: Path | None) -> Scene:
    """Of a scored case; a prediction that could not be scored is left out. Raises InputError.

    cts: where its CT is, else the one that its reference was drawn on, if any.
    """
    ct = find_ct(cts, case.name) if cts else case.ct
    try:
        return read_scene(ct, case.reference, case.prediction, settings.structures)
    except InputError:
        if not result.problems:
            raise
        return read_scene(ct, case.reference, None, settings.structures)


def picture(case: MatchedCase, result: CaseResult, settings: Settings, cts: Path | None) -> bytes:
    """Encoded figure (PNG) of a scored case. Raises InputError."""
    scene = scene_of(case, result, settings, cts)
    return overlay(scene, case.name, result.scores, settings.tolerances_mm[0])
