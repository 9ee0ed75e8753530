"""Training cases in every raw layout."""

import json
import shutil

import numpy as np
import pytest

from model.errors import InputError
from training.data.sources import IGNORED, find_training_cases, read_training_case
from training.data.survey import survey_case


@pytest.mark.parametrize("layout", ["masks", "map", "nnunet"])
@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1)])
def test_layouts_give_the_same_case(make, truth, tmp_path, layout, direction):
    make(tmp_path, layout, direction=direction)
    (case,) = find_training_cases(tmp_path)
    assert case.name == "case_1"
    pair, label = read_training_case(case)
    expected = truth() if direction is None else truth()[:, ::-1, ::-1]
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(pair.ct, 40 * expected.astype(np.int16) - 100)
    np.testing.assert_array_equal(pair.ce, 80 * expected.astype(np.int16) - 100)


def test_an_empty_mask_says_that_there_is_none(make, write, truth, tmp_path):
    make(tmp_path, "masks")
    write(np.zeros_like(truth()), tmp_path / "cases" / "case_1" / "GTVnd.nii.gz")
    (case,) = find_training_cases(tmp_path)
    _, label = read_training_case(case)
    np.testing.assert_array_equal(label, truth() * (truth() == 1))


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([], ""),
        (["nodes.nii.gz", "note.txt", "ignored.nii.gz"], r" \(not understood: nodes\.nii\.gz\)"),
        (
            ["a.nii", "b.mha", "c.nrrd", "d.nii.gz", "e.nii"],
            r" \(not understood: a.nii, b.mha, c.nrrd and 2 more\)",
        ),
    ],
)
def test_a_mask_that_is_not_there_is_not_taken_for_an_empty_one(make, tmp_path, others, words):
    make(tmp_path, "masks")
    folder = tmp_path / "cases" / "case_1"
    (folder / "GTVnd.nii.gz").unlink()
    for name in others:
        (folder / name).touch()
    (case,) = find_training_cases(tmp_path)
    remedy = "add it: an empty mask where there is none"
    with pytest.raises(InputError, match=f"case case_1 has GTVp but no GTVnd{words}; {remedy}"):
        read_training_case(case)


def test_label_maps_lie_in_a_folder_beside_the_cases(make, truth, tmp_path):
    make(tmp_path / "Set_120cases", "map")
    root, beside = tmp_path / "Set_120cases", tmp_path / "Set_120cases_OneHot_Labels"
    (root / "labels").rename(beside)
    (case,) = find_training_cases(root)
    assert case.labels == {"": beside / "Task002" / "case_1.nii.gz"}
    np.testing.assert_array_equal(read_training_case(case)[1], truth())


def test_masks_may_lie_in_a_folder_beside_too(make, truth, write, tmp_path, capsys):
    make(tmp_path / "Set", "masks")
    own, beside = tmp_path / "Set" / "cases" / "case_1", tmp_path / "Set_labels" / "case_1"
    beside.mkdir(parents=True)
    for structure in ("GTVp", "GTVnd"):
        (own / f"{structure}.nii.gz").rename(beside / f"{structure}.nii.gz")
    write((truth() == 0) * np.uint8(1), beside / "Ignored.nii.gz")
    (case,) = find_training_cases(tmp_path / "Set")
    assert capsys.readouterr().out == f"labels are looked for in {tmp_path / 'Set_labels'}, too\n"
    assert {path.parent for path in case.labels.values()} == {beside}
    assert case.ignored == beside / "Ignored.nii.gz"
    (beside / "GTVnd.nii.gz").unlink()
    (beside / "nodes.nii.gz").touch()
    (case,) = find_training_cases(tmp_path / "Set")
    with pytest.raises(InputError, match=r"Set_labels.*no GTVnd \(not understood: nodes\.nii\.gz\)"):
        read_training_case(case)
    write(truth(), tmp_path / "Set_labels" / "case_1.nii.gz")
    with pytest.raises(InputError, match="labels of case case_1 in two places"):
        find_training_cases(tmp_path / "Set")


def test_masks_of_a_cases_own_count_and_others_get_a_warning(make, truth, write, tmp_path, capsys):
    """As in the challenge's archive, which has both."""
    make(tmp_path / "Set", "masks")
    write(0 * truth(), tmp_path / "Set_OneHot_Labels" / "case_1.nii.gz")
    (case,) = find_training_cases(tmp_path / "Set")
    np.testing.assert_array_equal(read_training_case(case)[1], truth())
    warning = "warning: 1 cases have masks of their own and labels elsewhere, such as case_1: their own count"
    assert capsys.readouterr().out.splitlines()[1] == warning


@pytest.mark.parametrize("name", ["Set2_labels", "Setlabels", "labels", "Set_images"])
@pytest.mark.parametrize("root", ["Set", "S[e]t"])
def test_folders_of_other_names_are_not_beside(make, tmp_path, name, root):
    make(tmp_path / root, "map")
    (tmp_path / root / "labels").rename(tmp_path / name)
    (case,) = find_training_cases(tmp_path / root)
    assert not case.labels


def test_a_linked_case_is_a_case(make, truth, tmp_path):
    make(tmp_path / "store", "masks")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "case_1").symlink_to(tmp_path / "store" / "cases" / "case_1")
    (case,) = find_training_cases(tmp_path / "data")
    np.testing.assert_array_equal(read_training_case(case)[1], truth())


@pytest.mark.parametrize("name", ["Ignored", "IGNORED", "ignore"])
def test_what_is_ignored_may_be_spelled_otherwise(make, truth, write, tmp_path, name):
    make(tmp_path, "masks")
    write((truth() == 0) * np.uint8(1), tmp_path / "cases" / "case_1" / f"{name}.nii.gz")
    (case,) = find_training_cases(tmp_path)
    assert (read_training_case(case)[1] == IGNORED).any()
    (tmp_path / "cases" / "case_1" / "ignored_region.nii.gz").touch()
    with pytest.raises(InputError, match=r"ignored_region\.nii\.gz: its name does not say"):
        find_training_cases(tmp_path)


@pytest.mark.parametrize("layout", ["masks", "nnunet"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_case_of_one_image_is_told_and_not_passed_over(make, tmp_path, layout, which):
    make(tmp_path, layout)
    make(tmp_path, layout, "case_2")
    gone = {
        "masks": tmp_path / "cases" / "case_1" / ("image.nii.gz", "image_contrast.nii.gz")[which],
        "nnunet": tmp_path / "imagesTr" / f"case_1_000{which}.nii.gz",
    }[layout]
    gone.unlink()
    surveys = [survey_case(case) for case in find_training_cases(tmp_path)]
    assert [survey.name for survey in surveys] == ["case_1", "case_2"]
    assert str(gone) in surveys[0].problem and not surveys[1].problem


def test_unclear_folders_are_refused(make, write, truth, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_training_cases(tmp_path / "absent")
    with pytest.raises(InputError, match="no training case"):
        find_training_cases(tmp_path)
    make(tmp_path, "map")
    write(truth(), tmp_path / "copy" / "Task002" / "case_1.nii.gz")
    with pytest.raises(InputError, match="labels of case case_1 in two places"):
        find_training_cases(tmp_path)


def test_a_name_used_twice_is_refused(make, tmp_path):
    make(tmp_path / "a", "masks")
    make(tmp_path / "b", "masks")
    with pytest.raises(InputError, match="two cases of one name"):
        find_training_cases(tmp_path)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"background": 0, "GTVnd": 1, "GTVp": 2}, "GTVp has label 2"),
        ({"0": "background", "1": "GTVnd"}, "GTVnd has label 1"),
        ({"gtvnd": 1, "gtvp": 2}, "GTVp has label 2"),
        ({"background": 0, "GTV_nd": 1, "GTV_p": 2}, "GTVp has label 2"),
        ({"1": "gtv_nd", "2": "gtv_p"}, "GTVp has label 2"),
        ({"background": 0, "nodes": 1, "primary": 2}, "is called (nodes|primary)"),
        ({"background": 0, "GTVp": 1, "GTVnd": 2, "larynx": 3}, "label 3 is called larynx"),
        ({"background": 0, "GTVp": "2", "GTVnd": "1"}, "GTVp has label 2"),
        ({"background": 0, "GTVp": 1, "GTVnd": 2, "ignore": 4}, "ignore has label 4"),
        ({"background": 0, "GTVp": [1, 2], "GTVnd": [2]}, "region-based"),
        ({"background": 0, "GTVp": 1.5, "GTVnd": 2}, "whole numbers"),
        (["GTVp", "GTVnd"], "no names with numbers"),
        (None, "no names with numbers"),
    ],
)
def test_other_label_values_of_an_nnunet_data_set_are_refused(make, tmp_path, labels, words):
    make(tmp_path, "nnunet")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(InputError, match=words):
        find_training_cases(tmp_path)


@pytest.mark.parametrize(
    "description",
    [
        {"labels": {"gtvp": 1, "gtv_nd": 2}},
        {"labels": {"0": "background", "1": "GTVp", "2": "GTVnd"}, "modality": {"0": "CT", "1": "CT"}},
        {"labels": {"background": 0, "GTVp": "1"}, "channel_names": {"0": "NCCT", "1": "CECT"}},
        {"labels": {"background": 0, "GTVnd": 2, "GTVp": 1}, "channel_names": {"1": "CE", "0": "CT"}},
    ],
)
def test_other_spellings_of_the_same_are_understood(make, truth, tmp_path, description):
    make(tmp_path, "nnunet")
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    (case,) = find_training_cases(tmp_path)
    np.testing.assert_array_equal(read_training_case(case)[1], truth())


@pytest.mark.parametrize("key", ["channel_names", "modality"])
@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ({"0": "CT with contrast", "1": "CT"}, "first the CT without"),
        ({"0": "CE", "1": "CT"}, "first the CT without"),
        ({"0": "CT", "1": "non-contrast CT"}, "first the CT without"),
        ({"0": "CT", "1": "PET"}, "first the CT without"),
        ({"0": "CT", "1": "CE", "2": "PET"}, r"3 channel"),
        ({"0": "CT"}, r"1 channel"),
        ({"1": "CT", "2": "CE"}, r"numbers \[1, 2\]"),
        (["CT", "CE"], "no names with numbers"),
    ],
)
def test_channels_in_another_order_or_number_are_refused(make, tmp_path, key, channels, words):
    make(tmp_path, "nnunet")
    description = {"labels": {"background": 0, "GTVp": 1, "GTVnd": 2}, key: channels}
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=words):
        find_training_cases(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", "3", "[" * 100_000, '{"labels": 1e999}'])
def test_a_description_that_is_none_is_refused(make, tmp_path, content):
    make(tmp_path, "nnunet")
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=r"dataset\.json: "):
        find_training_cases(tmp_path)


@pytest.mark.parametrize("layout", ["masks", "map", "nnunet"])
@pytest.mark.parametrize("spoilt", ["fractions", "rim", "negative", "too high", "nan"])
def test_what_is_no_label_is_refused_in_every_layout(make, write, truth, tmp_path, layout, spoilt):
    """As a label map resampled linearly has it: between node and background lie values about 1."""
    make(tmp_path, layout)
    (case,) = find_training_cases(tmp_path)
    values = {"fractions": 0.5, "rim": 1.25, "negative": -1.0, "too high": 3.0, "nan": np.nan}
    array = (truth() > 0 if layout == "masks" else truth()).astype(np.float32)
    array[0, 0, 0] = values[spoilt]
    write(array, list(case.labels.values())[-1])
    with pytest.raises(InputError, match="its labels are 0 to"):
        read_training_case(case)


@pytest.mark.parametrize("name", ["gtvnd", "GTV_nd", "GTV-ND"])
def test_masks_of_other_spelling_are_understood(make, truth, tmp_path, name):
    make(tmp_path, "masks")
    folder = tmp_path / "cases" / "case_1"
    (folder / "GTVnd.nii.gz").rename(folder / f"{name}.nii.gz")
    (case,) = find_training_cases(tmp_path)
    np.testing.assert_array_equal(read_training_case(case)[1], truth())


@pytest.mark.parametrize(
    ("layout", "copied", "to", "words"),
    [
        ("masks", "cases/case_1/GTVnd.nii.gz", "cases/case_1/GTVn.nii.gz", "does not say which structure"),
        ("masks", "cases/case_1/GTVnd.nii.gz", "cases/case_1/gtvnd.nii.gz", "two masks of GTVnd"),
        ("masks", "cases/case_1/GTVp.nii.gz", "cases/case_1/GTVp.mha", "two masks of GTVp"),
        ("masks", "cases/case_1/image.nii.gz", "cases/case_1/image.mha", "two files for one thing"),
        ("masks", "cases/case_1/image.nii.gz", "cases/case_1/Image.NII.GZ", "two files for one thing"),
        ("nnunet", "labelsTr/case_1.nii.gz", "labelsTr/case_1.nrrd", "two files for one thing"),
        ("nnunet", "imagesTr/case_1_0000.nii.gz", "imagesTr/case_1_0002.nii.gz", "does not end in"),
        ("nnunet", "imagesTr/case_1_0000.nii.gz", "imagesTr/case_2.nii.gz", "does not end in"),
        ("nnunet", "imagesTr/case_1_0000.nii.gz", "imagesTr/case_1_0000.mha", "two files for one thing"),
    ],
)  # fmt: skip
def test_nothing_that_looks_like_a_file_of_a_case_is_passed_over(make, tmp_path, layout, copied, to, words):
    make(tmp_path, layout)
    (tmp_path / to).parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / copied, tmp_path / to)
    with pytest.raises(InputError, match=words):
        find_training_cases(tmp_path)


@pytest.mark.parametrize("layout", ["masks", "map", "nnunet"])
def test_the_case_of_letters_does_not_matter(make, truth, tmp_path, layout):
    make(tmp_path, layout)
    for path in [path for path in tmp_path.rglob("*.nii.gz") if "image" in str(path.relative_to(tmp_path))]:
        name = path.name.capitalize() if layout != "nnunet" else path.name
        path.rename(path.with_name(name.replace(".nii.gz", ".NII.GZ")))
    (case,) = find_training_cases(tmp_path)
    pair, label = read_training_case(case)
    np.testing.assert_array_equal(label, truth())
    np.testing.assert_array_equal(pair.ce, 80 * truth().astype(np.int16) - 100)


def test_a_label_map_without_images_is_told(make, tmp_path):
    make(tmp_path, "nnunet")
    shutil.copy(tmp_path / "labelsTr" / "case_1.nii.gz", tmp_path / "labelsTr" / "case_2.nii.gz")
    problems = [survey_case(case).problem for case in find_training_cases(tmp_path)]
    assert not problems[0] and "case_2_0000.nii.gz: no such file" in problems[1]


@pytest.mark.parametrize("layout", ["masks", "map", "nnunet"])
def test_what_is_marked_as_ignored_is_not_counted_but_tumour_is(make, write, truth, tmp_path, layout):
    make(tmp_path, layout)
    unknown = np.zeros(truth().shape, np.uint8)
    unknown[1:] = 1
    expected = np.where((unknown == 1) & (truth() == 0), IGNORED, truth())
    if layout == "nnunet":
        labels = {"background": 0, "GTVp": 1, "GTVnd": 2, "ignore": 3}
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
        (path,) = (tmp_path / "labelsTr").iterdir()
        write(np.where(expected == IGNORED, 3, expected).astype(np.uint8), path)
    else:
        folder = next(tmp_path.rglob("image_contrast.nii.gz")).parent
        write(unknown, folder / "ignored.nii.gz")
    (case,) = find_training_cases(tmp_path)
    assert (expected == IGNORED).any() and np.array_equal(read_training_case(case)[1], expected)
    survey = survey_case(case)
    assert "not counted" in survey.warnings[-1] and not survey.problem


def test_a_case_without_tumour_serves_where_something_is_marked_as_ignored(make, write, truth, tmp_path):
    make(tmp_path, "masks")
    folder = next(tmp_path.rglob("image_contrast.nii.gz")).parent
    write(np.zeros_like(truth()), folder / "GTVp.nii.gz")
    write(np.zeros_like(truth()), folder / "GTVnd.nii.gz")
    write((truth() > 0).astype(np.uint8), folder / "ignored.nii.gz")
    survey = survey_case(find_training_cases(tmp_path)[0])
    assert survey.problem == "" and survey.cm3 == (0, 0) and survey.hu.shape == (2, 0)
