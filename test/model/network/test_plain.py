"""Plain values from anybody's files."""

from collections import OrderedDict

import numpy as np
import pytest

from model.network.plain import check_number, check_whole, plain, quoted


def laughs(levels: int) -> list:
    """Small in memory, since shared, and 10 ** levels values to whoever walks through it."""
    value: list = [0]
    for _ in range(levels):
        value = [value] * 10
    return value


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def within_itself() -> dict:
    value: dict = {}
    value["self"] = value
    return value


def test_numpys_values_become_pythons():
    value = OrderedDict(a=np.float64(1.5), b=np.arange(4).reshape(2, 2), c=(np.int32(7), None, True, "x"))
    assert repr(plain(value)) == "{'a': 1.5, 'b': [[0, 1], [2, 3]], 'c': (7, None, True, 'x')}"


@pytest.mark.parametrize(
    "value",
    [laughs(12), nested(1000), nested(100_000), within_itself(), "x" * 1_000_000, {"x" * 200_000: 1}, 10**1000,
     {1, 2}, b"x", 1j, np.zeros(2**21), np.array([object()]), object()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_too_much_or_not_plain_is_refused(value):
    with pytest.raises(ValueError) as refused:
        plain(value)
    assert len(str(refused.value)) < 200


def test_a_quotation_is_short():
    for value in (
        "x" * 1_000_000,
        laughs(12),
        nested(10_000),
        within_itself(),
        10**3000,
        10**5000,
        [10**5000],
        list(range(10**6)),
    ):
        assert len(quoted(value)) < 150
    assert quoted("nnUNetTrainerV2_noDataAugmentation") == "'nnUNetTrainerV2_noDataAugmentation'"


@pytest.mark.parametrize("value", [True, "2", 2.0, None, 0, 9, [2], np.int64(2)])
def test_what_is_no_whole_number_in_range_is_refused(value):
    check_whole("side", 2, 1, 8)
    with pytest.raises(ValueError, match="side is .*whole number from 1 to 8"):
        check_whole("side", value, 1, 8)


@pytest.mark.parametrize("value", [True, "2", None, -1, float("nan"), float("inf"), 10**400, 8.5], ids=type)
def test_what_is_no_finite_number_in_range_is_refused(value):
    check_number("spacing", 2, 0, 8)
    with pytest.raises(ValueError, match="spacing is .*number from 0 to 8"):
        check_number("spacing", value, 0, 8)
