"""The labels that SegRap fixed."""

from model.structures import LABELS, STRUCTURES


def test_labels_are_those_of_the_challenge():
    assert LABELS == {"GTVp": 1, "GTVnd": 2} and STRUCTURES == ("GTVp", "GTVnd")
