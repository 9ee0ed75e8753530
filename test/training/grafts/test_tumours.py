"""Synthetic tumours lie where they can."""

from dataclasses import replace

import numpy as np
import pytest

from phantom.drawing.canvas import Kind
from training.grafts.patient import NASOPHARYNX_MM, head_frame, kinds
from training.grafts.tumours import (
    FREE_NODE_CM3,
    free_nodes,
    free_primary,
    near,
    node_fields,
    primary_field,
    voxel_cm3,
)


@pytest.mark.parametrize("seed", range(3))
def test_a_primary_is_one_piece_around_the_nasopharynx(patient, seed):
    kind = kinds(patient)
    field = primary_field(patient, kind, np.random.default_rng(seed))
    inside = field.distance < 0
    centre = [float(axis[inside].mean()) for axis in head_frame(patient)]
    assert np.linalg.norm(np.subtract(centre, NASOPHARYNX_MM)) < 45
    assert 1 < inside.sum() * voxel_cm3(patient) < 130
    assert not (inside & (kind == Kind.OUTSIDE)).any() and not (inside & (kind == Kind.NERVOUS)).any()


def test_no_primary_where_the_nasopharynx_is_not_in_the_image(patient):
    lower = replace(patient, brainstem_zyx=(60.0, 26.0, 24.5))
    assert primary_field(lower, kinds(lower), np.random.default_rng(0)) is None


def test_nodes_are_under_the_skin_and_in_no_bone_airway_or_primary(patient):
    kind, found = kinds(patient), 0
    primary = primary_field(patient, kind, np.random.default_rng(1))
    for seed in range(4):
        for field in node_fields(patient, kind, primary, np.random.default_rng(seed)):
            inside = field.distance < 0
            found += 1
            assert set(np.unique(kind[inside])) <= {Kind.SOFT, Kind.FAT}
            assert not (inside & (primary.distance < 0)).any()
    assert found > 3


def test_free_primaries_lie_on_both_sides_and_are_about_as_large_as_drawn():
    axes = (np.arange(-70, 70, 2.0), np.arange(-110, 40, 2.0), np.arange(-100, 50, 2.0))
    x, y, z = (axis.astype(np.float32) for axis in np.meshgrid(*axes, indexing="ij"))
    sides = []
    for seed in range(12):
        inside = free_primary(np.random.default_rng(seed), 20.0).distance(x, y, z) < 0
        assert 8 < inside.sum() * 0.008 < 130  # one to four balls of 20 cm³, stretched
        sides.append(x[inside].mean())
    assert min(sides) < -5 and max(sides) > 5


def test_free_nodes_are_of_all_sizes_on_both_sides():
    nodes = [node for seed in range(60) for node in free_nodes(np.random.default_rng(seed))]
    volumes = [4 / 3 * np.pi * node.radius_mm**3 / 1000 for node in nodes]
    least, most = FREE_NODE_CM3
    assert least <= min(volumes) < 2 * least and most / 2 < max(volumes) <= most
    assert np.median(volumes) == pytest.approx(np.sqrt(least * most), rel=0.5)
    assert {np.sign(node.centre[0]) for node in nodes} == {-1, 1}


def test_near_is_by_millimetres(patient):
    mask = np.zeros(patient.hu.shape, bool)
    assert not near(mask, patient, 9.0).any()
    mask[20, 20, 20] = True
    assert near(mask, patient, 5.0).sum() == 1 + 2 + 4
