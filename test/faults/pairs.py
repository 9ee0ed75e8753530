"""Pairs whose files are whole but which are odd as a pair, or as images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from faults.fault import Expected, Fault, fine, refused, warned
from faults.materials import image, patient, process, save

A = ("a.nii.gz",)


def _pair(change: Callable[[np.ndarray, np.ndarray], tuple[object, object]]) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        ct, ce = change(patient(), patient(contrast=True))
        save(ct, folder / "in/a/image.nii.gz")  # type: ignore[arg-type]
        save(ce, folder / "in/a/image_contrast.nii.gz")  # type: ignore[arg-type]
        return process(folder)

    return make


def _without(array: np.ndarray, slices: list[int], value: int = -1024) -> np.ndarray:
    array = array.copy()
    array[slices] = value
    return array


def _drawn(least: int) -> Callable[[Path], str]:
    """That the mask reaches so many slices: a gap in the scan must not take half of it away."""

    def check(folder: Path) -> str:
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "out/a.nii.gz")))
        count = int((mask > 0).any((1, 2)).sum())
        return "" if count >= least else f"drawn in {count} slices, expected {least}"

    return check


def _gap(*slices: int, value: int = -1024, both: bool = True) -> Callable[[Path], list[str]]:
    chosen = list(slices)
    return _pair(lambda ct, ce: (_without(ct, chosen, value), _without(ce, chosen, value) if both else ce))


def _turned(array: np.ndarray) -> sitk.Image:
    turned = image(array)
    turned.SetDirection((1, 0, 0, 0, 0.9, -0.4359, 0, 0.4359, 0.9))
    return turned


CASES: dict[str, tuple[Callable[[Path], list[str]], Expected]] = {
    "nothing odd": (_pair(lambda ct, ce: (ct, ce)), fine(results=A, check=_drawn(20))),
    **{
        f"slice {z} without data ({value})": (
            _gap(z, value=value),
            warned(rf"slices {z} of 24 hold no data", results=A, check=_drawn(20)),
        )
        for z in (5, 12, 18)
        for value in (-1024, 0, -3024)
    },
    "two slices without data": (_gap(11, 12), warned("slices 11-12 of 24", results=A, check=_drawn(20))),
    "four slices without data": (_gap(9, 10, 11, 12), warned("wider ones stay empty", results=A, check=_drawn(16))),
    "two gaps": (_gap(6, 17), warned("slices 6, 17 of 24", results=A, check=_drawn(20))),
    "a gap in the contrast CT": (
        _pair(lambda ct, ce: (ct, _without(ce, [12]))),
        warned("image_contrast.nii.gz: slices 12", results=A, check=_drawn(20)),
    ),
    "padded slices at the ends": (_gap(0, 1, 23), fine(results=A)),
    "the same image twice": (_pair(lambda ct, ce: (ct, ct)), warned("the same image", results=A)),
    "swapped CTs": (_pair(lambda ct, ce: (ce, ct)), warned("swapped", results=A)),
    "no contrast": (_pair(lambda ct, ce: (ct, ct[:, ::-1][:, ::-1] + np.int16(1))), warned("hardly any contrast", results=A)),
    "a contrast CT that lost its origin": (
        _pair(lambda ct, ce: (ct, image(ce, origin=(0, 0, 0)))),
        refused("overlap"),
    ),
    "a contrast CT far away": (_pair(lambda ct, ce: (ct, image(ce, origin=(900, 0, 0)))), refused("overlap")),
    "a contrast CT beside the body": (_pair(lambda ct, ce: (ct, image(ce, origin=(60, -80, -72)))), refused("overlap")),
    "a contrast CT of air": (_pair(lambda ct, ce: (ct, np.minimum(ce, -900))), refused("nothing of the")),
    "a contrast CT that covers half": (_pair(lambda ct, ce: (ct, ce[:12])), warned("shows only .* of the body", results=A)),
    "a shifted contrast CT": (_pair(lambda ct, ce: (ct, np.roll(ce, 5, 1))), warned("mm .left, back, head. off", results=A)),
    "values without an offset": (_pair(lambda ct, ce: (ct + np.int16(1024), ce + np.int16(1024))), warned("unlike HU", results=A)),
    "a PET for the contrast CT": (
        _pair(lambda ct, ce: (ct, np.where(ct > -400, ct % 4000, 0).astype(np.int16))),
        warned("unlike HU", results=A),
    ),
    "much metal": (
        _pair(lambda ct, ce: (np.where(np.abs(np.indices(ct.shape) - [[[[12]]], [[[12]]], [[[20]]]]).max(0) < 4, 3071, ct).astype("i2"), ce)),
        warned("metal", results=A),
    ),
    "both CTs of one value": (
        _pair(lambda ct, ce: (np.zeros_like(ct), np.zeros_like(ce))),
        warned("all voxels are 0", results=A),
    ),
    "NaN in the plain CT": (
        _pair(lambda ct, ce: (np.where(ct > 600, np.nan, ct).astype(np.float32), ce)),
        refused("NaN"),
    ),
    "infinity in the contrast CT": (
        _pair(lambda ct, ce: (ct, np.where(ce > 600, np.inf, ce).astype(np.float32))),
        refused("NaN or infinite"),
    ),
    "one slice": (_pair(lambda ct, ce: (ct[:1], ce[:1])), refused("give one 3D volume")),
    "two slices": (_pair(lambda ct, ce: (ct[:2], ce[:2])), fine(results=A)),
    "an oblique pair": (_pair(lambda ct, ce: (_turned(ct), _turned(ce))), fine(results=A)),
    "four dimensions": (_pair(lambda ct, ce: (sitk.JoinSeries([image(ct)] * 2), ce)), refused("3D")),
    "vectors": (_pair(lambda ct, ce: (sitk.Compose([image(ct)] * 2), ce)), refused("; ")),
}  # fmt: skip
FAULTS = [Fault("pairs", name, make, expected) for name, (make, expected) in CASES.items()]
