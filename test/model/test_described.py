"""What a data set's description says of its channels."""

import json

import pytest

from model.described import check_channels
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
