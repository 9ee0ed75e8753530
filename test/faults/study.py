"""Studies of odd series, from which python -m dicom segment has to take the right two, or none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from faults.fault import Expected, Fault, fine, refused, warned
from faults.materials import patient, weights
from faults.slices import write_slice
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

Make = Callable[[Path], object]
OUT = "rtss.dcm"
LEANING = [1, 0, 0, 0, 0.9848078, 0.1736482]  # by 10 degrees
ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"


def _series(study: Path, number: int, *, without=(), syntax=ExplicitVRLittleEndian, **tags) -> None:
    """Series 1 is plain and 2 has contrast; values that are functions are called with a slice's number."""
    axes = np.reshape(tags.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]), (2, 3))
    normal = np.cross(*axes)
    for k, plane in enumerate(patient(number == 2)):
        place = np.array([0, 0, 100]) + axes.sum(0) * -80 + normal * 6 * k
        usual = {
            **{"SeriesInstanceUID": f"1.2.3.{number}", "SOPInstanceUID": f"1.2.3.{number}.{k + 1}"},
            **{
                "SeriesDescription": {1: "Neck plain", 2: "Neck contrast"}.get(number, ""),
                "InstanceNumber": k + 1,
            },
            **{"ImagePositionPatient": [f"{v:.6f}" for v in place], "PixelSpacing": [4, 4]},
        }
        given = {name: value(k) if callable(value) else value for name, value in tags.items()}
        stored = (plane + 1024).astype(np.uint16)
        write_slice(
            study / str(number) / f"{k:02}", stored, syntax=syntax, without=without, **{**usual, **given}
        )


def _both(**tags) -> Make:
    """The same tags in both."""
    return lambda study: [_series(study, number, **tags) for number in (1, 2)]


def _second(number: int = 2, **tags) -> Make:
    """A good plain CT, and another series."""
    return lambda study: [_series(study, 1), _series(study, number, **tags)]


def _then(make: Make, change: Make) -> Make:
    return lambda study: [make(study), change(study)]


def _edit(name: str, **tags) -> Make:
    def edit(study: Path) -> None:
        dataset = pydicom.dcmread(study / name)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(study / name)

    return edit


def _on_the_plain_ct(folder: Path) -> str:
    """Whether each contour lies on the slice of the plain CT that it names, and within it."""
    slices = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, (folder / "in" / "1").iterdir())}
    for roi in pydicom.dcmread(folder / "out" / OUT).ROIContourSequence:
        for contour in roi.ContourSequence:
            one = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            axes = np.reshape(one.ImageOrientationPatient, (2, 3)).astype(float)
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float) - np.array(
                one.ImagePositionPatient, float
            )
            if abs(points @ np.cross(*axes)).max() > 0.01:
                return "a contour is not on its slice"
            if (points @ axes.T).min() < -2.1 or (points @ axes.T).max() > 39 * 4 + 2.1:
                return "a contour lies beside its slice"
    return ""


def _fault(name: str, make: Make, expected: Expected, *options: str) -> Fault:
    def prepared(folder: Path) -> list[str]:
        study = folder / "in"
        study.mkdir()
        make(study)
        network = ["--weights", weights(), "--device", "cpu", "--no-tta"]
        return ["dicom", "segment", str(study), "--out", str(folder / "out" / OUT), *network, *options]

    return Fault("study", name, prepared, expected)


def _refused(what: str) -> Expected:
    return refused(f"^error: .*{what}")


_written = fine(results=(OUT,), check=_on_the_plain_ct, may_warn=True)

FAULTS = [
    _fault(f"good, {name}", make, _written)
    for name, make in {
        "axial": _both(),
        "feet first": _both(ImageOrientationPatient=[-1, 0, 0, 0, 1, 0], PatientPosition="FFS"),
        "prone": _both(ImageOrientationPatient=[-1, 0, 0, 0, -1, 0], PatientPosition="HFP"),
        "oblique": _both(ImageOrientationPatient=LEANING),
        "run lengths": _both(syntax=RLELossless),
    }.items()
]
FAULTS += [
    _fault(
        "two frames of reference",
        _second(FrameOfReferenceUID="1.9"),
        warned("different frames of reference", results=(OUT,), check=_on_the_plain_ct),
    ),
    _fault(
        "two patients", _second(PatientID="P2"), _refused("they are of several patients: .*give each patient")
    ),
    _fault(
        "two patients, by UIDs",
        _second(PatientID="P2"),
        _refused("CTs of two patients"),
        *("--ct", "1.2.3.1", "--ce", "1.2.3.2"),
    ),
    _fault(
        "localizers alone",
        _both(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        _refused("DICOM of 2 series, but none is a CT that can be of a pair: .*, localizer"),
    ),
    _fault(
        "two phases without a word",
        _both(SeriesDescription="Neck"),
        _refused("no non-contrast CT and no contrast CT by description or ContrastBolusAgent"),
    ),
    _fault(
        "two contrast CTs", _both(SeriesDescription="Neck KM"), _refused("no non-contrast CT by description")
    ),
    _fault("one CT and an MR", _second(Modality="MR"), _refused("two are needed")),
    _fault(
        "an MR by its UID",
        _second(Modality="MR"),
        _refused("--ce: .*MR, not CT"),
        "--ct",
        "1.2.3.1",
        "--ce",
        "1.2.3.2",
    ),
    _fault(
        "missing slices",
        _then(_both(), lambda study: [(study / "1" / f"{k:02}").unlink() for k in (7, 8)]),
        _refused("2 slices seem to be missing between 06 .* and 09"),
    ),
    _fault(
        "one slice of another orientation",
        _then(_both(), _edit("1/09", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])),
        _refused("1 of 24 slices have another orientation than the rest: 09"),
    ),
    _fault(
        "a slice cut short",
        _then(
            _both(), lambda study: (study / "2" / "09").write_bytes((study / "2" / "09").read_bytes()[:-99])
        ),
        _refused("2/09: cut short"),
    ),
    _fault(
        "many frames in one file",
        _both(NumberOfFrames=24, SOPClassUID=ENHANCED),
        _refused("none is a CT that can be of a pair: .*many frames in one file"),
    ),
    _fault(
        "no frame of reference",
        _both(without=("FrameOfReferenceUID",)),
        _refused("no FrameOfReferenceUID, which"),
    ),
    _fault(
        "one UID for two slices", _both(SOPInstanceUID="1.2.3.4.5"), _refused("has the SOPInstanceUID of 00")
    ),
    _fault("no files", lambda study: shutil.copy(__file__, study / "notes.txt"), _refused("no DICOM file; ")),
]
