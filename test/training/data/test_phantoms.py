"""Synthetic cases for training."""

import numpy as np

import training.data.phantoms as phantoms
from phantom import Phantom


def test_a_phantom_takes_its_name_when_it_is_whole_and_every_tenth_is_of_full_size(tmp_path, monkeypatch):
    asked = []

    def small(seed, number, geometry) -> Phantom:
        asked.append((seed, number, geometry))
        scan, mask = np.zeros((2, 4, 4), np.int16), np.zeros((2, 4, 4), np.uint8)
        return Phantom(scan, scan, mask, mask, (1.0,) * 3, (0.0,) * 3)

    monkeypatch.setattr(phantoms, "make_phantom", small)
    for number in (0, 1, 10):
        phantoms.make_one(number, 5, tmp_path)
    assert asked == [(5, 0, "segrap"), (5, 1, "small"), (5, 10, "segrap")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "phantom_0000",
        "phantom_0001",
        "phantom_0010",
    ]
    assert len(list((tmp_path / "phantom_0001").iterdir())) == 4


def test_what_is_there_is_not_made_again(tmp_path):
    for number in range(3):
        (tmp_path / f"phantom_{number:04d}").mkdir()
    phantoms.make_phantoms(3, 0, tmp_path, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"phantom_{number:04d}" for number in range(3)
    ]
