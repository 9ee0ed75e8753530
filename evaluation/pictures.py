"""Three orthogonal slices of a case with the outlines of reference and prediction.

The axial slice has the patient's right on the left and the face at the top.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from evaluation.cases import MatchedCase, find_ct
from evaluation.metrics import Score
from evaluation.run import CaseResult, Settings
from evaluation.scene import Scene, focus, read_scene, surroundings
from model.errors import InputError

# Of reference and prediction.
COLOURS = {"GTVp": ("#ffd000", "#ff4fd8"), "GTVnd": ("#4dff7c", "#38c6ff")}
WINDOW_HU = (-135.0, 215.0)
ROW_INCHES = (1.5, 12.0)  # height of a row at least and at most, however long and thin the images are
LONGEST_TITLE = 90  # characters of the case's name
PLANES = ("axial", "coronal", "sagittal")


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
                colour = COLOURS[structure][which]
                axes.contour(x, y, mask[index], [0.5], colors=colour, linestyles=style, linewidths=1.4)
    axes.set(xlim=extent[:2], ylim=extent[2:] if axis else extent[3:1:-1], aspect="equal", facecolor="black")
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), extent[1], extent[3], facecolor="black", zorder=-1))


def _title(name: str, scores: dict[str, Score], tolerance_mm: float) -> str:
    name = name if len(name) <= LONGEST_TITLE else f"{name[:LONGEST_TITLE]}…"
    parts = [f"{s}  DSC {100 * v.dsc:.1f} %  NSD {100 * v.nsd[0]:.1f} %" for s, v in scores.items()]
    return f"{name}   (NSD at {tolerance_mm:g} mm)\n" + "      ".join(parts)


def overlay(
    scene: Scene, name: str, scores: dict[str, Score], tolerance_mm: float, kind: str = "png"
) -> bytes:
    """Encoded figure: a row of three slices for each structure that has voxels, legend and scores."""
    centres = {s: at for s in scene.reference if (at := focus(scene, s)) is not None}
    rows = centres or {next(iter(scene.reference)): (0, 0, 0)}
    box = surroundings(scene)
    size_mm = [(s.stop - s.start) * mm for s, mm in zip(box, scene.spacing_zyx, strict=True)]
    widths = [size_mm[2], size_mm[2], size_mm[1]]
    height = float(np.clip(max(size_mm[0], size_mm[1]) / sum(widths) * 12, *ROW_INCHES))
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
    title = _title(name, scores, tolerance_mm)
    figure.suptitle(title, color="white", fontsize=11, parse_math=False)  # a name is no formula
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks become boxes
        figure.savefig(buffer, format=kind, dpi=110 if kind == "png" else 80)
    return buffer.getvalue()


def picture(case: MatchedCase, result: CaseResult, settings: Settings, cts: Path | None, kind: str) -> bytes:
    """Encoded figure of a scored case; a prediction that could not be scored is not drawn. Raises InputError."""
    ct = find_ct(cts, case.name) if cts else None
    try:
        scene = read_scene(ct, case.reference, case.prediction, settings.structures)
    except InputError:
        if not result.problems:
            raise
        scene = read_scene(ct, case.reference, None, settings.structures)
    return overlay(scene, case.name, result.scores, settings.tolerances_mm[0], kind)
