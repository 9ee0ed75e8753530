"""Which two series are the pair: natural arrangements on disk, and what is left unclear."""

import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from model.errors import InputError
from model.images.choice import SINGLE, choose_pair
from model.images.pair import read_pair, read_study
from model.images.series_files import DICOMDIR

COUNT = 6
CORONAL = [1, 0, 0, 0, 0, -1]
Change = dict[str, object]


@pytest.fixture
def write(dicom_series):
    """Write a series: folder, number, and tags; HU of slice k are 10 k + number."""

    def write(folder: Path, number: int, slices=range(COUNT), **tags) -> Path:
        return dicom_series(folder, slices, series=str(number), intercept=-1024, **tags)

    return write


def times(minute: int) -> Change:
    return {"AcquisitionDate": "20240301", "AcquisitionTime": f"10{minute:02}00"}


PLAIN: Change = {"SeriesDescription": "Hals nativ 3mm", **times(1)}
CE: Change = {"SeriesDescription": "Hals 3mm", "ContrastBolusAgent": "Omnipaque", **times(5)}


def numbers(folder: Path) -> tuple[str, str]:
    """The last figures of the UIDs of the chosen two."""
    choice = choose_pair(folder)
    assert "\n" not in choice.why and "1.2.3" not in choice.why and len(choice.why) < 600
    ct, ce = (one.text("SeriesInstanceUID").rpartition(".")[2] for one in (choice.ct, choice.ce))
    return ct, ce


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        choose_pair(folder)
    message = str(caught.value)
    assert "DICOM" in message and "\n" not in message and not re.search(r"1\.2\.3", message)
    assert len(message) - len(str(folder)) < 600
    return message


def beside(write, folder: Path) -> None:
    """What else lies in a study: localizers, MR, coronal reformats, a dose report, a plain text."""
    write(folder / "loc", 7, range(2), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write(folder / "mr", 8, modality="MR")
    write(folder / "cor", 9, ImageOrientationPatient=CORONAL, ImageType=["DERIVED", "SECONDARY", "MPR"])
    report = pydicom.dcmread(next((folder / "mr").iterdir()))
    del report.PixelData
    report.Modality, report.SeriesInstanceUID = "SR", "1.2.3.10"
    report.save_as(folder / "report")
    (folder / "README.txt").write_text("hello")


def one_folder_each(write, root):
    write(root / "one", 1, **PLAIN)
    write(root / "two", 2, **CE)


def all_in_one_folder(write, root):
    write(root, 1, **PLAIN)
    write(root, 2, **CE)


def without_extension(write, root):
    one_folder_each(write, root)
    for k, path in enumerate(sorted(root.rglob("*.dcm"))):
        path.rename(path.with_name(f"IM{k:05}"))


def uids_for_names(write, root):
    all_in_one_folder(write, root)
    for path in sorted(root.rglob("*.dcm")):
        path.rename(path.with_name(f"CT.1.3.12.{path.stem.replace('_', '.')}"))


def deep_tree(write, root):
    write(root / "study" / "series a" / "DICOM", 1, **PLAIN)
    write(root / "study" / "series b" / "DICOM", 2, **CE)


def disc(write, root):
    """A DICOMDIR beside, and slices of each series spread over folders by number."""
    write(root / "DICOM" / "S0", 1, range(3), **PLAIN)
    write(root / "DICOM" / "S1", 1, range(3, COUNT), **PLAIN)
    write(root / "DICOM" / "S1", 2, range(2), **CE)
    write(root / "DICOM" / "S2", 2, range(2, COUNT), **CE)
    listing = pydicom.dcmread(root / "DICOM" / "S0" / "1_99.dcm")
    del listing.PixelData
    listing.file_meta.MediaStorageSOPClassUID = DICOMDIR
    listing.save_as(root / "DICOMDIR")


def with_others_beside(write, root):
    one_folder_each(write, root)
    beside(write, root)


def with_others_among(write, root):
    all_in_one_folder(write, root)
    beside(write, root / "x")
    for path in sorted((root / "x").rglob("*")):
        if path.is_file():
            shutil.move(path, root / path.name)


def localizer_in_the_series(write, root):
    one_folder_each(write, root)
    write(
        root / "one", 1, [40], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=CORONAL
    )


ARRANGEMENTS = [
    *(one_folder_each, all_in_one_folder, without_extension, uids_for_names, deep_tree, disc),
    *(with_others_beside, with_others_among, localizer_in_the_series),
]


@pytest.mark.parametrize("arrange", ARRANGEMENTS, ids=lambda function: function.__name__)
def test_arrangements_give_what_two_clean_folders_give(write, tmp_path, arrange):
    arrange(write, tmp_path / "study")
    clean = [
        write(tmp_path / "clean" / str(number), number, **tags) for number, tags in ((1, PLAIN), (2, CE))
    ]
    lines: list[str] = []
    pair, expected = read_study(tmp_path / "study", lines.append), read_pair(*clean, lambda line: None)
    for name in ("ct", "ce"):
        np.testing.assert_array_equal(getattr(pair, name), getattr(expected, name))
    assert pair.grid == expected.grid
    assert numbers(tmp_path / "study") == ("1", "2")
    (said,) = [line for line in lines if line.startswith("DICOM in ")]
    assert 'non-contrast CT ("Hals nativ 3mm", 2024-03-01 10:01, 6 slices) by its description' in said
    assert 'contrast CT ("Hals 3mm", 2024-03-01 10:05, 6 slices) by ContrastBolusAgent' in said


def test_one_series_alone_stands_for_both_where_that_is_asked_for(write, tmp_path):
    write(tmp_path / "study", 1, **PLAIN)
    beside(write, tmp_path / "study")
    message = refusal(tmp_path / "study")
    assert (
        "two are needed, a plain and a contrast CT" in message
        and "; give the other CT, too, or --single-ct" in message
    )
    lines: list[str] = []
    pair = read_study(tmp_path / "study", lines.append, alone=True)
    np.testing.assert_array_equal(pair.ct, pair.ce)
    assert f"warning: {tmp_path / 'study'}: {SINGLE}" in lines
    write(tmp_path / "study" / "other", 2, **CE)
    choice = choose_pair(tmp_path / "study", alone=True)
    assert choice.ct is not choice.ce and not choice.oddities


def test_a_contrast_ct_that_cannot_be_read_is_not_missing(write, tmp_path):
    write(tmp_path / "one", 1, **PLAIN)
    write(tmp_path / "two", 2, **CE, NumberOfFrames="6")
    with pytest.raises(InputError, match="one that is not read here may be the contrast CT: .*many frames"):
        choose_pair(tmp_path, alone=True)
    (tmp_path / "two").rename(tmp_path / "kept")
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="kept"):
        choose_pair(tmp_path, alone=True)


def test_what_was_left_out_is_said(write, tmp_path):
    with_others_beside(write, tmp_path)
    why = choose_pair(tmp_path).why
    assert "left out: " in why and all(f"1 {kind}" in why for kind in ("localizer", "MR", "SR", "not axial"))


SIGNS: list[tuple[list[Change], tuple[str, str]]] = [
    # Descriptions alone; an agent that both have says nothing.
    ([{"SeriesDescription": "C-"}, {"SeriesDescription": "C+"}], ("1", "2")),
    ([{"SeriesDescription": "avec injection"}, {"SeriesDescription": "sans injection"}], ("2", "1")),
    ([{"ContrastBolusAgent": "X", **PLAIN}, CE], ("1", "2")),
    # The agent alone; of the other nothing is said.
    ([{"ContrastBolusAgent": "Ultravist"}, {"ContrastBolusAgent": "NONE"}], ("2", "1")),
    ([{"SeriesDescription": "Neck"}, {"SeriesDescription": "Neck +C"}], ("1", "2")),
    # A soft kernel before a sharp one, the finer of one acquisition's reconstructions, on the other's grid.
    (
        [
            {**PLAIN, "ConvolutionKernel": "B70f"},
            {**PLAIN, "ConvolutionKernel": "B30f"},
            {**CE, "ConvolutionKernel": "BONE"},
            CE,
        ],
        ("2", "4"),
    ),
    ([PLAIN, CE, {**CE, "PixelSpacing": [0.25, 0.25]}], ("1", "2")),
    ([PLAIN, {**PLAIN, "PixelSpacing": [0.25, 0.25]}, CE], ("2", "3")),
    ([{**PLAIN, "SeriesDescription": "3mm"}, PLAIN | {"PixelSpacing": [1, 1]}, CE], ("1", "3")),
    ([PLAIN, CE, {**CE, "ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}], ("1", "2")),
    ([PLAIN, CE, {**CE, "ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}], ("1", "2")),
    # Another frame of reference, another study, a series of which nothing is said.
    ([PLAIN, CE, {**CE, **times(30), "FrameOfReferenceUID": "1.2.5"}], ("1", "2")),
    ([PLAIN, CE, {**CE, **times(30), "StudyInstanceUID": "1.2.9"}], ("1", "2")),
    ([PLAIN, CE, {"SeriesDescription": "Thorax", **times(30)}], ("1", "2")),
]


@pytest.mark.parametrize(("series", "chosen"), SIGNS, ids=range(len(SIGNS)))
def test_signs(write, tmp_path, series, chosen):
    for number, tags in enumerate(series, 1):
        write(tmp_path, number, **tags)
    assert numbers(tmp_path) == chosen


def test_folder_names_tell_where_descriptions_do_not(write, tmp_path):
    write(tmp_path / "mit KM", 1)
    write(tmp_path / "nativ", 2)
    assert numbers(tmp_path) == ("2", "1")
    assert "by its folder's name" in choose_pair(tmp_path).why


UNCLEAR: list[tuple[list[Change], str]] = [
    ([PLAIN], "two are needed"),
    ([{"SeriesDescription": "A"}, {"SeriesDescription": "B"}], "no non-contrast CT and no contrast CT"),
    ([PLAIN, {**PLAIN, **times(9)}], "no contrast CT"),
    ([PLAIN, CE, {**CE, **times(9)}], "2 may be the contrast CT"),
    ([PLAIN, CE, CE], "2 may be the contrast CT"),
    ([PLAIN, {**PLAIN, **times(9)}, CE], "2 may be the non-contrast CT"),
    ([{**PLAIN, "ContrastBolusAgent": "X"}, {"SeriesDescription": "KM"}], "has a ContrastBolusAgent but is without"),
    ([{**PLAIN, "ConvolutionKernel": "B70f"}, {**PLAIN, **times(9)}, CE], "2 may be the non-contrast CT"),
    ([{"ContrastBolusAgent": "X", **tags} for tags in (CE, {"SeriesDescription": "NECK 1.0 B60s", **times(9)})],
     "no non-contrast CT"),
    ([PLAIN, {**CE, "StudyInstanceUID": "1.2.9"}], "none of its studies"),
    ([PLAIN, CE, *({**tags, "StudyInstanceUID": "1.2.9"} for tags in (PLAIN, CE))], "2 studies have a pair"),
    ([PLAIN, {**CE, "PatientID": "S3cret"}], "several patients"),
    ([{"SeriesDescription": "KM", **times(1)}, {"SeriesDescription": "3mm", **times(1)}], "no non-contrast CT"),
    ([{**PLAIN, "ImagePositionPatient": [0, 0, 0]}, CE], "two are needed"),
    ([{**PLAIN, "ImageOrientationPatient": CORONAL}, CE], "two are needed"),
    ([{**PLAIN, "ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, CE], "two are needed"),
    ([{**PLAIN, "ImagePositionPatient": ["1e300", "1e300", "1e300"]}, CE], "two are needed"),
    ([{**PLAIN, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, CE], "two are needed"),
    ([{**PLAIN, "Modality": "MR"}, {**CE, "Modality": "MR"}], "none is a CT"),
]  # fmt: skip


@pytest.mark.parametrize(("series", "why"), UNCLEAR, ids=range(len(UNCLEAR)))
def test_what_is_unclear_is_refused_with_the_series(write, tmp_path, series, why):
    for number, tags in enumerate(series, 1):
        modality = tags.get("Modality", "CT")
        write(
            tmp_path, number, **{"modality": modality, **{k: v for k, v in tags.items() if k != "Modality"}}
        )
    message = refusal(tmp_path)
    assert why in message and "6 slices" in message and "S3cret" not in message


def test_many_series_make_a_line_of_bearable_length(write, tmp_path):
    for number in range(1, 10):
        write(tmp_path, number, SeriesDescription=f"Neck {number} " + "x" * 50, **times(number))
    assert "DICOM of 9 series" in refusal(tmp_path) and "and 4 more" in refusal(tmp_path)


def test_damage_in_a_chosen_series_is_refused_and_elsewhere_passed_over(write, tmp_path):
    with_others_beside(write, tmp_path)
    other = next((tmp_path / "mr").iterdir())
    other.write_bytes(other.read_bytes()[:300])
    assert numbers(tmp_path) == ("1", "2")
    one = next((tmp_path / "two").iterdir())
    one.write_bytes(one.read_bytes()[:300])
    with pytest.raises(InputError, match=re.escape(str(one))):
        choose_pair(tmp_path)


def test_without_dicom(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(InputError, match="no DICOM file"):
        choose_pair(tmp_path)


def test_a_contrast_ct_before_the_plain_one_is_told(write, tmp_path):
    write(tmp_path, 1, **{**PLAIN, **times(9)})
    write(tmp_path, 2, **CE)
    assert choose_pair(tmp_path).oddities == ("the contrast CT was taken before the non-contrast CT",)
