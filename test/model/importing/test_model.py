"""How a model's values are read."""

import pytest

from model.importing.model import ct_normalisation, per_stage, spacing_of, triple_of


def test_one_number_stands_for_all():
    assert triple_of(3) == (3, 3, 3) and triple_of([1, 2.0, 3]) == (1, 2, 3)
    assert per_stage(2, 4) == (2, 2, 2, 2) and per_stage([1, 2], 2) == (1, 2)
    assert spacing_of([3, 1, 0.5]) == (3.0, 1.0, 0.5)


@pytest.mark.parametrize(
    "read", [lambda: triple_of([1, 2]), lambda: per_stage([1, 2], 3), lambda: spacing_of([1])]
)
def test_another_number_of_values_is_refused(read):
    with pytest.raises(ValueError):
        read()


def test_a_constant_channel_is_not_divided_by_zero():
    figures = {"percentile_00_5": -5.0, "percentile_99_5": 5.0, "mean": 1.0, "sd": 0.0}
    scheme = ct_normalisation(figures, "sd")
    assert (scheme.lower, scheme.upper, scheme.mean) == (-5.0, 5.0, 1.0) and scheme.std > 0
