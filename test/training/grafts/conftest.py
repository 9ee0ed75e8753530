"""A small made-up patient: a neck with a head on it, a cord, glands, an airway, a vessel and a PTV70."""

import numpy as np
import pytest

from model.images.grid import Grid
from training.grafts.patient import RealPatient

SPACING_ZYX = (5.0, 4.0, 4.0)


@pytest.fixture
def patient():
    shape, centre = (50, 50, 50), (36.0, 26.0, 24.5)
    z, y, x = (
        (np.arange(n) - c)[tuple(slice(None) if k == axis else None for k in range(3))] * mm
        for axis, (n, c, mm) in enumerate(zip(shape, centre, SPACING_ZYX, strict=True))
    )
    hu = np.full(shape, -1000, np.float32)
    radius = np.where(z < -100, 75, 90)
    body = (x / radius) ** 2 + ((y + 5) / radius) ** 2 < 1
    hu[body & np.ones(shape, bool)] = 50
    hu[np.broadcast_to(body & ((x / radius) ** 2 + ((y + 5) / radius) ** 2 > 0.85), shape)] = -100
    hu[np.broadcast_to((np.abs(x) < 14) & (np.abs(y + 65) < 10), shape)] = -950  # an airway
    hu[np.broadcast_to((np.abs(x) < 20) & (np.abs(y - 20) < 14) & (z < -20), shape)] = 600  # a spine
    hu[np.broadcast_to((np.abs(x - 26) < 5) & (np.abs(y + 15) < 5), shape)] = 180  # a vessel
    organs = np.zeros(shape, np.uint8)
    organs[np.broadcast_to((x**2 + y**2 + z**2 < 18**2), shape)] = 1
    organs[np.broadcast_to((np.abs(x) < 6) & (np.abs(y - 25) < 6) & (z < -30), shape)] = 2
    hu[organs > 0] = 35
    high = np.broadcast_to(x**2 + (y + 35) ** 2 + (z + 25) ** 2 < 30**2, shape)
    grid = Grid(shape[::-1], SPACING_ZYX[::-1], (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return RealPatient("pt_1", hu, organs, high, grid, centre, True)
