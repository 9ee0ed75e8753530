"""The labels that SegRap fixed, and the names that others give them."""

import pytest

from model.structures import LABELS, STRUCTURES, named_labels, structure_of


def test_labels_are_those_of_the_challenge():
    assert LABELS == {"GTVp": 1, "GTVnd": 2} and STRUCTURES == ("GTVp", "GTVnd")


@pytest.mark.parametrize("name", ["GTVnd", "gtvnd", "GTV_nd", "GTV-ND", "gtv nd"])
def test_a_structure_is_known_however_it_is_spelled(name):
    assert structure_of(name) == "GTVnd"


@pytest.mark.parametrize("name", ["nodes", "GTVn", "GTVp2", "GTV", "", "primary"])
def test_other_names_are_no_structure(name):
    assert structure_of(name) is None


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "GTVp": 1, "GTVnd": 2},
        {"GTVnd": 2, "GTVp": 1},
        {"Background": "0", "gtvp": "1", "GTV_nd": "2"},
        {"0": "background", "1": "gtvp", "2": "gtv_nd"},
        {"background": 0, "GTVp": 1, "GTVnd": 2, "ignore": 3},
        {"empty": 0, "GTVp": 1, "GTVnd": 2},
    ],
)
def test_either_spelling_of_labels_is_understood(labels):
    assert named_labels(labels) == {"GTVp": 1, "GTVnd": 2}


def test_other_labels_keep_their_names():
    assert named_labels({"1": "nodes", "2": "primary"}) == {"nodes": 1, "primary": 2}


@pytest.mark.parametrize(
    "labels",
    [
        None, [], {}, 3, ["background", "GTVp", "GTVnd"],
        {"background": 0, "GTVp": [1, 2], "GTVnd": 2}, {"GTVp": [1], "GTVnd": [2]},
        {"GTVp": 1.5, "GTVnd": 2}, {"GTVp": True, "GTVnd": 2}, {"GTVp": -1, "GTVnd": 2},
        {"GTVp": None, "GTVnd": 2}, {"GTVp": 1, "GTVnd": 1}, {"GTVp": 1, "gtv_p": 2}, {"GTVp": 0, "GTVnd": 1},
        {"background": 1, "GTVp": 0, "GTVnd": 2}, {"1": "2", "2": "1"}, {"GTVp": float("inf"), "GTVnd": 2},
        {"GTVp": "9" * 5000, "GTVnd": 2}, {"GTVp": "\u0661", "GTVnd": 2}, {"0": "GTVp", "1": "GTVnd"},
    ],
)  # fmt: skip
def test_labels_that_are_not_clear_are_refused(labels):
    with pytest.raises(ValueError, match=r".") as caught:
        named_labels(labels)
    assert "\n" not in str(caught.value)
