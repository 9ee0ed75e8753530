"""What a data set's description says of its channels."""

import json

import pytest

from model.described import channel_kinds, check_channels
from model.errors import InputError

FOLDERS = ("imagests",)


def described(folder, content: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(content))


@pytest.mark.parametrize("key", ["channel_names", "modality"])
@pytest.mark.parametrize(
    "names", [{"0": "contrast-enhanced CT", "1": "CT"}, {"0": "CT", "1": "non-contrast CT"}]
)
def test_channels_the_other_way_round_are_refused_from_either_folder(tmp_path, key, names):
    described(tmp_path, {key: names})
    (tmp_path / "imagesTs").mkdir()
    for root in (tmp_path, tmp_path / "imagesTs"):
        with pytest.raises(InputError, match=r"dataset\.json: channels are not first the CT without"):
            check_channels(root, FOLDERS)


@pytest.mark.parametrize(
    "names",
    [
        None,
        {"0": "CT", "1": "CT with contrast"},
        {"0": "CT", "1": "CT"},
        {"0": "a", "1": "b"},
        {"0": 7},
        [],
        "CT",
    ],
)
def test_what_says_nothing_of_the_order_is_none_of_it(tmp_path, names):
    described(tmp_path, {"channel_names": names})
    check_channels(tmp_path, FOLDERS)


def test_a_description_beside_another_folder_is_not_its_own(tmp_path):
    described(tmp_path, {"channel_names": {"0": "CE", "1": "CT"}})
    (tmp_path / "patients").mkdir()
    check_channels(tmp_path / "patients", FOLDERS)


@pytest.mark.parametrize("content", ["", "{", "[]", "7"])
def test_a_description_that_is_none_says_nothing(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    check_channels(tmp_path, FOLDERS)


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (("CT", "CT with contrast"), ["", "ce"]),
        (("CT", "CT"), ["", ""]),
        (("non-contrast CT", "CE"), ["ct", "ce"]),
        (("CECT", "NCCT"), ["ce", "ct"]),
        (("contrast-enhanced", "CT without contrast"), ["ce", "ct"]),
        (("image_contrast", "image"), ["ce", ""]),
        (("CT", "MR", "PET"), ["", None, None]),
        (("CT without IV contrast", "CT with IV contrast"), ["ct", "ce"]),
        (("not contrast-enhanced CT", "contrast-enhanced CT"), ["ct", "ce"]),
        (("w/o IV contrast", "w IV contrast"), ["ct", "ce"]),
        (("no-IV-contrast", "CTCE"), ["ct", "ce"]),
        (("nonCE", "noncect", "contrastFree", "sans injection"), ["ct"] * 4),
        (("with and without contrast", "CT, no agent"), [None, None]),
    ],
)
def test_channels_are_told_by_their_names(names, kinds):
    assert channel_kinds({str(number): name for number, name in enumerate(names)}) == kinds


@pytest.mark.parametrize(
    "channels", [None, ["CT", "CE"], {"1": "CT", "2": "CE"}, {"0": "CT", "x": "CE"}, {"0": 3}]
)
def test_channels_that_are_not_clear_are_refused(channels):
    with pytest.raises(ValueError, match=r"channels"):
        channel_kinds(channels)
