"""Distances against closed forms."""

import numpy as np
import pytest

from phantom.drawing.shapes import Box, Chain, Column, Ellipsoid, Mirrored, Offset, Shape, Union, Without

SPHERE = Ellipsoid((1, 2, 3), (5, 5, 5))


def _at(shape: Shape, *point: float) -> float:
    x, y, z = (np.full((1, 1, 1), value, np.float32) for value in point)
    return float(shape.distance(x, y, z)[0, 0, 0])


def test_sphere_distance_is_exact() -> None:
    assert _at(SPHERE, 1, 2, 11) == pytest.approx(3, abs=1e-4)
    assert _at(SPHERE, 1, 4, 3) == pytest.approx(-3, abs=1e-4)


def test_ellipsoid_is_deepest_at_its_centre() -> None:
    assert _at(SPHERE, 1, 2, 3) == pytest.approx(-5, abs=1e-3)


def test_ellipsoid_surface_is_where_its_equation_is_one() -> None:
    shape = Ellipsoid((0, 0, 0), (2, 6, 3), tilt_deg=90)
    assert _at(shape, 0, 0, 6) == pytest.approx(0, abs=1e-4)
    assert _at(shape, 0, 3, 0) == pytest.approx(0, abs=1e-4)


def test_box_distance_to_face_and_rounded_corner() -> None:
    box = Box((0, 0, 0), (4, 4, 4), rounding=1)
    assert _at(box, 6, 0, 0) == pytest.approx(2)
    assert _at(box, 4, 4, 4) == pytest.approx(np.sqrt(3) - 1, abs=1e-5)


def test_chain_tapers_between_its_ends() -> None:
    chain = Chain(((0, 0, 0), (0, 0, 10)), (2, 4))
    assert _at(chain, 5, 0, 5) == pytest.approx(2)
    assert _at(chain, 0, 0, 15) == pytest.approx(1)


def test_column_follows_its_rows_and_ends_flat() -> None:
    column = Column(((0, 0, 0, 3, 3), (10, 5, 0, 3, 3)))
    assert _at(column, 8, 0, 9.99) == pytest.approx(0, abs=0.1)
    assert _at(column, 5, 0, 13) == pytest.approx(3, abs=0.3)


def test_combinations() -> None:
    assert _at(Offset(SPHERE, 2), 1, 2, 11) == pytest.approx(1, abs=1e-4)
    assert _at(Mirrored(SPHERE), -1, 2, 11) == pytest.approx(3, abs=1e-4)
    assert _at(Without(SPHERE, Ellipsoid((1, 2, 3), (3, 3, 3))), 1, 2, 5) == pytest.approx(1, abs=1e-4)
    far = Ellipsoid((100, 0, 0), (5, 5, 5))
    assert _at(Union((SPHERE, far), 3), 1, 2, 11) == pytest.approx(3, abs=1e-4)


def test_bounds_enclose_each_shape() -> None:
    axis = np.arange(-30, 31, dtype=np.float32)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    shapes: tuple[Shape, ...] = (
        Ellipsoid((2, -3, 4), (5, 9, 3), tilt_deg=30, turn_deg=20),
        Box((0, 5, 0), (3, 8, 2), 1, tilt_deg=40),
        Chain(((-5, 0, 0), (8, 4, 9)), (2, 3), (1, 2, 1)),
        Column(((-9, 0, 0, 3, 8), (9, 4, -3, 6, 2)), turn_deg=25),
        Mirrored(Ellipsoid((9, 0, 0), (4, 3, 2))),
    )
    for shape in shapes:
        inside = shape.distance(x, y, z) < 0
        assert inside.any()
        for axis_values, low, high in zip((x, y, z), *shape.bounds, strict=True):
            assert low <= axis_values[inside].min() and axis_values[inside].max() <= high
