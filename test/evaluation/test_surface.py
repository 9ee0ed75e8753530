"""Surface elements: their areas against the reference table and a ball's."""

import numpy as np
import pytest

from evaluation.surface import element_areas, surface_of

pytest.importorskip("surface_distance")


def test_element_areas_equal_the_reference_table():
    from surface_distance import lookup_tables

    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    rng = np.random.default_rng(0)
    for _ in range(10):
        spacing = tuple(rng.uniform(0.3, 5, 3))
        table = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
        ours = element_areas(spacing)
        for code in range(256):
            inside = np.array([code >> k & 1 for k in range(8)]).reshape(2, 2, 2)
            assert ours[code] == pytest.approx(table[(kernel * inside).sum()], abs=1e-9)


def test_area_of_a_ball():
    z, y, x = np.mgrid[:60, :60, :60]
    ball = (z - 30) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 < 25**2
    assert surface_of(ball, (1.0, 1.0, 1.0)).areas.sum() == pytest.approx(4 * np.pi * 25**2, rel=0.1)
