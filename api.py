"""For notebooks and programs of one's own: load weights, segment a pair of CTs, score masks.

    from api import load, score, segment
    network = load()
    result = segment(network, "ct.nii.gz", "ce.nii.gz")
    result.labels.shape, result.volumes_cm3, result.warnings
    result.save("mask.nii.gz")
    score(result, "reference.nii.gz")["GTVp"].dsc

Python finds it where the repository is the current folder or in PYTHONPATH. What cannot be used is an InputError, whose
text is one line: the file, what is wrong with it, what to do. Scoring needs no torch. Research use, not clinical.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.cases import CaseFiles
from evaluation.metrics import Score
from evaluation.metrics import score as score_masks
from evaluation.reading import Masks, check_same_grid, read_masks
from model.cases import Case
from model.cohort.segmenting import as_input_error
from model.cohort.segmenting import load as read_and_prepare
from model.cohort.segmenting import predict as run_network
from model.errors import InputError
from model.images.grid import Grid, to_input_grid, volume_cm3
from model.images.read import image_suffix
from model.images.write import write_image
from model.installed import usual_weights
from model.network.memory import ask_for_huge_pages
from model.options import device as checked_device
from model.structures import LABELS, STRUCTURES

if TYPE_CHECKING:  # torch takes seconds to import, and scoring does without
    from model.inference.predictor import Predictor

PRECISIONS = ("auto", "fp32")


@dataclass(frozen=True)
class Contours:
    """What was drawn on one pair of CTs.

    labels: uint8 (z, y, x), 0 background, 1 GTVp, 2 GTVnd, along the axes of the non-contrast CT's file, voxel for
    voxel as SimpleITK.GetArrayFromImage gives that. grid: size, spacing (mm), origin (mm) and direction of that CT.
    warnings: what looked odd about the pair.
    """

    labels: np.ndarray
    grid: Grid
    warnings: tuple[str, ...] = ()

    @property
    def volumes_cm3(self) -> dict[str, float]:
        """Of each structure."""
        return {name: volume_cm3(self.labels, label, self.grid) for name, label in LABELS.items()}

    def mask(self, structure: str) -> np.ndarray:
        """Bool (z, y, x). Raises InputError for another name than GTVp or GTVnd."""
        if structure not in LABELS:
            raise InputError(structure, "no such structure", f"known are {', '.join(LABELS)}")
        return self.labels == LABELS[structure]

    def save(self, path: Path | str) -> None:
        """Write a label map, whole or not at all; its folder is made. Raises InputError."""
        path = Path(path)
        if image_suffix(path) in ("", ".mhd"):
            raise InputError(path, "not the name of an image in one file", "give one such as mask.nii.gz")
        write_image(path, self.labels, self.grid)


def load(weights: Path | str | None = None, device: str = "auto", precision: str = "auto") -> "Predictor":
    """A network ready to segment any number of pairs; takes seconds and stays in memory.

    weights: a weights file; the bundled one if not given. device: auto, cpu, cuda or cuda:N. precision: auto, or fp32.
    Raises InputError where the file is no weights file, or there is no such device.
    """
    try:
        checked_device(device)
    except ArgumentTypeError as error:
        fact, _, remedy = str(error).partition("; ")
        raise InputError("device", fact, remedy) from None
    if precision not in PRECISIONS:
        raise InputError("precision", f"{precision!r} makes no sense", f"give {' or '.join(PRECISIONS)}")
    ask_for_huge_pages()
    from model.inference.predictor import Predictor
    from model.network.bundle import load_bundle

    bundle = load_bundle(Path(weights) if weights is not None else usual_weights())
    return Predictor(bundle, device, precision, log=lambda line: None)


def segment(
    network: "Predictor", ct: Path | str, ce: Path | str, log: Callable[[str], None] | None = None
) -> Contours:
    """GTVp and GTVnd on an aligned pair, as process.py draws them.

    network: what `load` gave. ct, ce: the non-contrast and the contrast-enhanced CT, each a file or a folder with one
    DICOM series; the same one twice where there is no contrast CT, for worse results. log: is called with each line
    that process.py would print, such as print; silent if not given. Raises InputError where a CT cannot be used, or
    memory is short.
    """
    warnings: list[str] = []

    def note(line: str) -> None:
        if line.startswith("warning: "):
            warnings.append(line.removeprefix("warning: "))
        if log is not None:
            log(line)

    case = Case(str(ct), Path(ct), Path(ce), Path(), "label_map", single=str(ct) == str(ce))
    try:
        made = run_network(read_and_prepare(case, network, note), network, note)
    except MemoryError as error:
        raise as_input_error(case, error) from None
    labels = np.ascontiguousarray(to_input_grid(made.segmentation.labels, made.grid))
    return Contours(labels, made.grid, tuple(warnings))


def score(
    prediction: Contours | Path | str,
    reference: Contours | Path | str,
    tolerances_mm: Sequence[float] = (1.0,),
) -> dict[str, Score]:
    """DSC, NSD and all else that evaluate.py computes, by structure: {"GTVp": Score, "GTVnd": Score}.

    prediction, reference: what `segment` gave, or files: label maps (1 GTVp, 2 GTVnd) or 4D images (channels GTVp,
    GTVnd). Fractions are from 0 to 1, distances in mm, volumes in cm³; nsd has one value for each tolerance. Raises
    InputError where a file cannot be used, or the two do not lie on one grid.
    """
    predicted, true = (_masks(given) for given in (prediction, reference))
    check_same_grid(predicted.grid, true.grid, predicted.path, true.path)
    if not tolerances_mm or not all(0 <= tolerance < np.inf for tolerance in tolerances_mm):
        raise InputError("tolerances_mm", f"{tolerances_mm!r} makes no sense", "give one or more, in mm")
    spacing_zyx, tolerances = true.grid.spacing_zyx, tuple(map(float, tolerances_mm))
    return {
        name: score_masks(predicted.arrays[name], true.arrays[name], spacing_zyx, tolerances)
        for name in STRUCTURES
    }


def _masks(given: Contours | Path | str) -> Masks:
    if isinstance(given, Contours):
        return Masks(Path("contours"), given.grid, {name: given.mask(name) for name in STRUCTURES})
    return read_masks(CaseFiles(Path(given).name, Path(given), {}), STRUCTURES)
