"""Gantry tilt, against functions of the place in the patient, which are known everywhere."""

import numpy as np
import pytest

from model.images.tilt import AIR_HU, on_slices, stack_of, straightened

SHAPE, SPACING_YX = (24, 20), (1.5, 2.0)


def axes_of(turns: tuple[float, float, float]) -> np.ndarray:
    """Of a slice turned about x, y and z, in degrees: (2, 3)."""
    result = np.eye(3)
    for axis, angle in enumerate(np.radians(turns)):
        a, b = ((1, 2), (2, 0), (0, 1))[axis]
        turn = np.eye(3)
        turn[[a, b], [a, b]] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result.T[:2]


def places_of_slices(positions, axes) -> np.ndarray:
    """Where every voxel of every slice lies: (n, rows, columns, 3) in mm."""
    rows, columns = np.indices(SHAPE)
    plane = rows[..., None] * SPACING_YX[0] * axes[1] + columns[..., None] * SPACING_YX[1] * axes[0]
    return positions[:, None, None] + plane


def places_of_grid(grid) -> np.ndarray:
    """The same of a grid: (z, y, x, 3)."""
    z, y, x = np.indices(grid.size_xyz[::-1])
    steps = np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz
    return np.stack([x, y, z], -1) @ steps.T + grid.origin_xyz


def linear(places) -> np.ndarray:
    """A function that linear interpolation gives back exactly, up to rounding to whole HU."""
    return places @ (7.0, -5.0, 11.0) + 100


def covered(grid, positions, axes) -> np.ndarray:
    """Which voxels of the grid lie between voxel centres of the slice in their plane (z, y, x)."""
    inside = np.ones(grid.size_xyz[::-1], bool)
    for k, plane in enumerate(places_of_grid(grid)):
        for axis, n, mm in zip(axes[::-1], SHAPE, SPACING_YX, strict=True):
            along = (plane - positions[k]) @ axis / mm
            inside[k] &= (along >= -1e-6) & (along <= n - 1 + 1e-6)
    return inside


AXES = [(0, 0, 0), (18.5, 0, 0), (-30, 0, 0), (0, 12, 0), (10, -5, 4), (0, 0, 180), (90, 0, 0)]
# mm per slice.
MOVES = [(0, 0, 2.5), (0, 0.7, 2), (0.3, -0.4, 3), (-0.9, 0, 1)]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("turns", AXES)
def test_every_voxel_lies_where_its_slice_says(turns, move):
    axes = axes_of(turns)
    if turns == (90, 0, 0):  # coronal slices: a move along their own plane is no series
        move = (move[0], -move[2], move[1])
    positions = np.array([3.0, -8.0, 40.0]) + np.outer(np.arange(7), move)
    if np.cross(*axes) @ move < 0:
        positions = positions[::-1]
    stack = stack_of(positions, axes, SPACING_YX, SHAPE)
    planes = np.rint(linear(places_of_slices(positions, axes))).astype(np.int16)
    array = np.array([straightened(plane, stack, k) for k, plane in enumerate(planes)])
    assert array.dtype == np.int16 and array.shape == stack.grid.size_xyz[::-1]
    inside = covered(stack.grid, positions, axes)
    assert inside.sum() >= 7 * (SHAPE[0] - 1) * (SHAPE[1] - 1)
    expected = linear(places_of_grid(stack.grid))
    assert np.abs(array - expected)[inside].max() <= 1.01  # rounded twice
    matrix = np.reshape(stack.grid.direction, (3, 3))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(("degrees", "sense"), [(18.5, 1), (-30, 1), (7, -1)])
def test_the_angle_is_between_the_stack_and_the_normal(degrees, sense):
    positions = np.outer(np.arange(5), (0, 0, 2.5 * sense))[::sense]
    stack = stack_of(positions, axes_of((degrees, 0, 0)), SPACING_YX, SHAPE)
    assert stack.tilted and stack.angle == pytest.approx(abs(degrees))
    assert stack.grid.spacing_xyz[2] == pytest.approx(2.5 * np.cos(np.radians(degrees)))


def test_a_straight_stack_stays_as_it_is():
    positions = np.outer(np.arange(5), (0, 0, 2.5)) + (1, 2, 3)
    positions[2, :2] += 0.02  # rounded somewhere
    stack = stack_of(positions, axes_of((0, 0, 0)), SPACING_YX, SHAPE)
    assert not stack.tilted and stack.grid.size_xyz == (*SHAPE[::-1], 5)
    assert stack.grid.origin_xyz == (1, 2, 3) and stack.grid.spacing_xyz == (2, 1.5, 2.5)
    plane = np.arange(480, dtype=np.int16).reshape(SHAPE)
    np.testing.assert_array_equal(straightened(plane, stack, 2), plane)


def test_outside_of_a_slice_is_air_and_no_voxel_is_lost():
    positions = np.array([[0, 0, 0], [0, 3.0, 2]])  # two whole rows
    stack = stack_of(positions, axes_of((0, 0, 0)), SPACING_YX, SHAPE)
    plane = np.arange(480, dtype=np.int16).reshape(SHAPE)
    for k, first in enumerate((0, 2)):
        array = straightened(plane, stack, k)
        assert array.shape == (26, 20)
        np.testing.assert_array_equal(array[first : first + 24], plane)
        assert (np.delete(array, np.s_[first : first + 24], 0) == AIR_HU).all()


@pytest.mark.parametrize(("turns", "move"), [(AXES[1], MOVES[0]), (AXES[2], MOVES[2]), (AXES[4], MOVES[1])])
def test_masks_return_to_the_original_slices(turns, move):
    axes, positions = axes_of(turns), np.array([3.0, -8.0, 40.0]) + np.outer(np.arange(7), move)
    stack = stack_of(positions, axes, SPACING_YX, SHAPE)
    own = places_of_slices(positions, axes)
    centre, radius = own.mean((0, 1, 2)), 9.0

    def distance(places):
        return np.linalg.norm(places - centre, axis=-1)

    returned = on_slices((distance(places_of_grid(stack.grid)) < radius).astype(np.uint8), stack)
    assert returned.shape == (7, *SHAPE) and returned.dtype == np.uint8
    clear = abs(distance(own) - radius) > np.hypot(*SPACING_YX) / 2 + 1e-6
    assert clear.mean() > 0.6 and 0.05 < returned.mean() < 0.9
    np.testing.assert_array_equal(returned[clear], (distance(own) < radius)[clear])


def test_labels_go_to_the_straight_grid_and_back_unchanged():
    positions = np.outer(np.arange(5), (0, 0, 2.5))
    stack = stack_of(positions, axes_of((25, 0, 0)), SPACING_YX, SHAPE)
    labels = np.random.default_rng(0).integers(0, 3, (5, *SHAPE)).astype(np.uint8)
    straight = np.zeros(stack.grid.size_xyz[::-1], np.uint8)
    for plane, slice_labels, shift in zip(straight, labels, stack.shifts_yx, strict=True):
        y, x = np.rint(shift).astype(int)
        plane[y : y + SHAPE[0], x : x + SHAPE[1]] = slice_labels
    np.testing.assert_array_equal(on_slices(straight, stack), labels)
