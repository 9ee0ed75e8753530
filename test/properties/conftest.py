"""What hypothesis makes here: grids of any size, spacing, origin and direction. The same examples in every run."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from model.images.grid import Grid

settings.register_profile("same", deadline=None, derandomize=True, database=None, max_examples=25)
settings.load_profile("same")

SUFFIXES = (".mha", ".nii", ".nii.gz", ".nrrd")


def rotation(quaternion) -> np.ndarray:
    """(3, 3), from four numbers that are not all zero."""
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@st.composite
def _directions(draw) -> tuple[float, ...]:
    """Axes in any order and sense, as they are or rotated by any angle: right- and left-handed."""
    matrix = np.eye(3)[:, draw(st.permutations(range(3)))] * draw(st.tuples(*[st.sampled_from((1, -1))] * 3))
    if draw(st.booleans()):
        parts = draw(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1))
        matrix = rotation(parts) @ matrix
    return tuple(float(cosine) for cosine in matrix.ravel())


@st.composite
def _grids(draw, least: int = 2, most: int = 9, finest_mm: float = 0.2, coarsest_mm: float = 8.0) -> Grid:
    size = draw(st.tuples(*[st.integers(least, most)] * 3))
    spacing = draw(st.tuples(*[st.floats(finest_mm, coarsest_mm)] * 3))
    origin = draw(st.tuples(*[st.floats(-1500, 1500)] * 3))
    return Grid(size, spacing, origin, draw(_directions()))


@pytest.fixture(scope="session")
def grids():
    """A strategy of grids: sizes from least to most voxels, spacing from finest to coarsest mm."""
    return _grids


@pytest.fixture(params=SUFFIXES)
def suffix(request) -> str:
    """Each format that is written."""
    return request.param


@pytest.fixture(scope="module")
def folder():
    """A folder for each module: pytest's own would be made anew for every test, not for every example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
