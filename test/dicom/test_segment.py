"""A study to contours, by a predictor that thresholds; what such files are like is tested with their writers."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from faults.slices import write_slice

import process
from dicom import segment
from dicom.__main__ import main
from dicom.segment import FLAGS, VALUES
from model.errors import InputError
from model.images.tilt import on_slices
from model.inference.predictor import Segmentation
from model.terminal import Loudness, choose_loudness

COUNT, SIZE, MM, STEP = 8, 24, 2.0, 3.0
FIRST = (-20.0, -30.0, 100.0)


class Thresholds:
    """GTVp where the CT is above 1000, GTVnd where the contrast CT is above 2000."""

    def begin_reader(self) -> None:
        pass

    def prepare(self, pair, log) -> np.ndarray:
        return np.where(pair.ce > 2000, 2, pair.ct > 1000).astype(np.uint8)

    def predict_and_restore(self, prepared, shape, log) -> Segmentation:
        assert prepared.shape == shape
        return Segmentation(prepared, 0.1)


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """The options that the predictor was made with, in a list."""
    made: list = []
    monkeypatch.setattr(process, "load_predictor", lambda args: made.append(args) or Thresholds())
    yield made
    choose_loudness(Loudness.USUAL)


def save_series(folder: Path, number: int, marked=None, value=0, **tags) -> None:
    """Files without suffix; a box (slices of z, y, x) is marked."""
    for k in range(COUNT):
        stored = np.full((SIZE, SIZE), 1024, np.uint16)
        if marked and k in range(COUNT)[marked[0]]:
            stored[marked[1:]] = 1024 + value
        place = {"ImagePositionPatient": [FIRST[0], FIRST[1], FIRST[2] + STEP * k], "PixelSpacing": [MM, MM]}
        uids = {"SeriesInstanceUID": f"1.2.3.{number}", "SOPInstanceUID": f"1.2.3.{number}.{k + 1}"}
        write_slice(folder / f"I{number}{k}", stored, **place, **uids, **tags)


PRIMARY = (slice(2, 5), slice(4, 9), slice(10, 18))
NODE = (slice(3, 7), slice(14, 20), slice(3, 8))


def test_one_series_alone_is_outlined_on_request_with_a_warning(study, tmp_path, capsys):
    for path in (study / "a").glob("I2*"):
        path.unlink()
    assert main(["segment", str(study), "--out", str(tmp_path / "r.dcm")]) == 2
    assert "two are needed" in capsys.readouterr().err and not (tmp_path / "r.dcm").exists()
    assert main(["segment", str(study), "--single-ct", "--out", str(tmp_path / "r.dcm")]) == 0
    out = capsys.readouterr().out
    assert 'one CT alone ("Hals nativ"' in out and out.count("stands for both") == 1
    rois = pydicom.dcmread(tmp_path / "r.dcm").StructureSetROISequence
    assert [roi.ROIName for roi in rois] == ["GTVp"]


def test_of_several_series_the_one_that_stands_for_both_is_named(study, tmp_path, capsys):
    out = ["--out", str(tmp_path / "r.dcm")]
    assert main(["segment", str(study), "--ct", "1.2.3.2", *out]) == 2
    assert "--single-ct" in capsys.readouterr().err
    assert main(["segment", str(study), "--ct", "1.2.3.2", "--single-ct", *out]) == 0
    assert 'as --ct says: one CT alone ("Hals",' in capsys.readouterr().out
    # Where both are there, both are taken.
    assert main(["segment", str(study), "--single-ct", "--quiet", *out]) == 0
    said = capsys.readouterr().out.splitlines()
    assert all(line.startswith("warning: ") and "stands for both" not in line for line in said)


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    save_series(folder / "a", 1, PRIMARY, 1500, SeriesDescription="Hals nativ", ConvolutionKernel="B30f")
    save_series(folder / "a", 2, NODE, 2500, SeriesDescription="Hals", ContrastBolusAgent="Omnipaque")
    localizer = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    save_series(folder / "b", 3, ImageType=localizer, SeriesDescription="Topogram")
    save_series(folder / "b", 5, Modality="MR", SeriesDescription="T1")
    return folder


def boxes(path: Path) -> dict[str, np.ndarray]:
    """Lowest and highest x, y, z of each ROI's contours, in mm."""
    dataset = pydicom.dcmread(path)
    names = {int(roi.ROINumber): str(roi.ROIName) for roi in dataset.StructureSetROISequence}
    found = {}
    for roi in dataset.ROIContourSequence:
        points = [np.reshape(c.ContourData, (-1, 3)).astype(float) for c in roi.ContourSequence]
        found[names[int(roi.ReferencedROINumber)]] = np.array(
            [np.concatenate(points).min(0), np.concatenate(points).max(0)]
        )
    return found


def box(marked) -> np.ndarray:
    """Lowest and highest places of the centres of the voxels marked."""
    low = [FIRST[i] + (MM, MM, STEP)[i] * marked[2 - i].start for i in range(3)]
    high = [FIRST[i] + (MM, MM, STEP)[i] * (marked[2 - i].stop - 1) for i in range(3)]
    return np.array([low, high])


def call(study: Path, *options: str) -> int:
    return main(["segment", str(study), "--out", str(study.parent / "out.dcm"), *options])


def test_a_study_becomes_contours_on_its_plain_ct(study, tmp_path, capsys):
    preview = tmp_path / "picture.png"
    assert call(study, "--seg", str(tmp_path / "seg.dcm"), "--preview", str(preview)) == 0
    assert preview.read_bytes().startswith(b"\x89PNG")
    found = boxes(tmp_path / "out.dcm")
    assert set(found) == {"GTVp", "GTVnd"}
    for name, marked in (("GTVp", PRIMARY), ("GTVnd", NODE)):
        # Contours run along the voxels' rims, half a voxel or less outside of their centres.
        assert abs(found[name] - box(marked)).max() <= MM / 2 + 1e-6
        assert (found[name][:, 2] == box(marked)[:, 2]).all()
    for name in ("out", "seg"):
        dataset = pydicom.dcmread(tmp_path / f"{name}.dcm")
        assert "1.2.3.1.3" in str(dataset) and "1.2.3.2.3" not in str(dataset)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        'CT series "Hals nativ", 8 slices; 3.00 mm apart, pixels of 2.0 x 2.0 mm; agent none;'
    )
    assert "kernel B30f; UID 1.2.3.1" in said[0] and "agent Omnipaque" in said[1]
    assert said[2].endswith("UID 1.2.3.3; left out: localizer")
    assert 'non-contrast CT ("Hals nativ", 8 slices) by its description' in said[3]


def test_left_is_left_and_front_is_front_however_the_patient_lies(every_axial, write_series, tmp_path):
    """From the voxels in the files to the contours, against places in the patient, seen only by their coordinates."""
    places = {}
    for number, (name, text, value) in enumerate((("GTVp", "nativ", 1500), ("GTVnd", "KM", 2500)), 1):
        tags = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesDescription": text}
        folder = tmp_path / "study" / text
        series = write_series(folder, every_axial, size=36, mm=2.0, step=4.0, backwards=number == 2, **tags)
        marked = on_slices(series.labels == number, series.reference.stack)
        found = []
        for one, mask in zip(series.reference.slices, marked, strict=True):
            dataset = pydicom.dcmread(one.path)
            dataset.PixelData = (1024 + value * mask).astype(np.uint16).tobytes()
            dataset.save_as(one.path)
            axes = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
            rows, columns = np.nonzero(mask)
            found.append(
                np.array(dataset.ImagePositionPatient, float)
                + 2.0 * (columns[:, None] * axes[0] + rows[:, None] * axes[1])
            )
        places[name] = np.concatenate(found)
    assert call(tmp_path / "study") == 0
    for name, box_found in boxes(tmp_path / "out.dcm").items():
        expected = np.array([places[name].min(0), places[name].max(0)])
        # Half a voxel all around; of a tilted series up to one voxel more, since it was interpolated.
        assert abs(box_found - expected).max() < (4.1 if "tilted" in every_axial else 2.1), name
    # Left is +x, back is +y: the primary is left of the nodes and in front of them.
    primary, nodes = (places[name].mean(0) for name in ("GTVp", "GTVnd"))
    assert primary[0] > nodes[0] + 15 and primary[1] < nodes[1] - 10


def test_options_say_which_two_where_tags_do_not(study, tmp_path, capsys):
    save_series(study / "c", 4, NODE, 2500, SeriesDescription="Hals KM", FrameOfReferenceUID="1.2.4")
    assert call(study) == 2
    error = capsys.readouterr().err
    assert "DICOM of 3 series, but 2 may be the contrast CT" in error and error.count("\n") == 1
    assert not (tmp_path / "out.dcm").exists()
    assert call(study, "--ct", "1.2.3.1", "--ce", "1.2.3.4") == 0
    assert 'as --ct and --ce say: non-contrast CT ("Hals nativ", 8 slices)' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ct", "1.2.3.1"), "only one of them"),
        (("--ct", "1.2.3.1", "--ce", "1.2.3.1"), "the same series"),
        (("--ct", "1.2.3.1", "--ce", "1.2.3.9"), "no series 1.2.3.9"),
        (("--ct", "1.2.3.1", "--ce", "1.2.3.3"), "no series 1.2.3.3"),
        (("--ct", "1.2.3.1", "--ce", "1.2.3.5"), "MR, not CT"),
        (("--seg", "{0}/out.dcm"), "would replace another"),
        (("--seg", "{0}/study/a/I10"), "would replace another"),
        (("--seg", "{0}/none/seg.dcm"), "its folder does not exist"),
        (("--preview", "{0}/study/a/I10"), "would replace another"),
        (("--seg", "{0}"), "a folder"),
        (("--seg", "{0}/mask.nii.gz"), "mask.nii.gz: the name of an image, but DICOM is written"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_the_work(study, tmp_path, capsys, settings, options, said):
    assert call(study, *(word.format(tmp_path) for word in options)) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not settings
    assert (study / "a" / "I10").exists() and not (tmp_path / "out.dcm").exists()


def test_a_folder_that_is_not_there_or_without_dicom_is_refused(tmp_path, capsys):
    assert call(tmp_path / "none") == 2 and "no such folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty") == 2 and "no DICOM file" in capsys.readouterr().err


def test_nothing_outlined_is_told_and_no_file_written(tmp_path, capsys):
    for number, text in ((1, "nativ"), (2, "KM")):
        save_series(tmp_path / "study", number, SeriesDescription=text)
    assert call(tmp_path / "study") == 2
    assert "nothing was outlined" in capsys.readouterr().err and not (tmp_path / "out.dcm").exists()


def test_the_other_options_are_process_py_s(study, settings):
    values = [
        word for name, value in zip(VALUES, ("x.pt", "cpu", "fp32"), strict=True) for word in (name, value)
    ]
    flags = [name for name in FLAGS if name not in ("--no-tta", "--verbose")]
    assert call(study) == 0 and call(study, *values, *flags) == 0
    usual, given = settings
    assert usual == process.parse_arguments([])
    assert given == process.parse_arguments([*values, *flags])
    assert (str(given.weights), given.search) == ("x.pt", False)


def test_a_rule_of_process_py_holds(study, capsys):
    with pytest.raises(SystemExit) as ended:
        call(study, "--no-tta", "--all-mirrors")
    assert ended.value.code == 2 and "--all-mirrors" in capsys.readouterr().err


def test_no_file_of_an_earlier_run_stays_where_nothing_is_outlined(study, tmp_path, capsys):
    for name in ("out.dcm", "seg.dcm"):
        (tmp_path / name).write_text("earlier")
    save_series(study / "a", 1, SeriesDescription="Hals nativ")
    save_series(study / "a", 2, SeriesDescription="Hals", ContrastBolusAgent="Omnipaque")
    assert call(study, "--seg", str(tmp_path / "seg.dcm")) == 2
    said = capsys.readouterr()
    assert (
        "nothing was outlined" in said.err and f"removed {tmp_path / 'out.dcm'} of an earlier run" in said.out
    )
    assert not list(tmp_path.glob("*.dcm"))


@pytest.mark.parametrize("fails", ["seg_bytes", "store"])
def test_no_file_stays_where_a_later_one_fails(study, tmp_path, monkeypatch, capsys, fails):
    real = getattr(segment, fails)

    def full(path, *rest):
        if path.name == "seg.dcm":
            raise InputError(path, "cannot be written (no space)", "free space")
        return real(path, *rest)

    monkeypatch.setattr(segment, fails, full)
    assert call(study, "--seg", str(tmp_path / "seg.dcm")) == 2
    assert "no space" in capsys.readouterr().err and not list(tmp_path.glob("*.dcm"))
