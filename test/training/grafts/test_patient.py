"""Real patients as they are read, and where things are in them."""

import numpy as np
import pytest

from model.errors import InputError
from model.images.grid import Grid
from model.images.write import write_image
from phantom.anatomy.patient import cord_depth
from phantom.drawing.canvas import Kind
from training.grafts.patient import (
    brainstem_centre,
    halved,
    head_frame,
    kinds,
    neck_frame,
    read_patient,
)
from training.openkbp.folders import Converted


@pytest.fixture
def folder(patient, tmp_path):
    masks = {"PTV70": patient.high_dose, "PTV63": np.roll(patient.high_dose, 5, 0), "organs": patient.organs}
    write_image(tmp_path / "pt_1" / "image.nii.gz", patient.hu.astype(np.int16), patient.grid)
    for name, mask in masks.items():
        write_image(tmp_path / "pt_1" / f"{name}.nii.gz", mask.astype(np.uint8), patient.grid)
    return tmp_path / "pt_1"


def test_coarse_images_are_halved_and_stay_where_they_were(folder, patient):
    read = read_patient(Converted("pt_1", "train", folder, {"nasopharynx_level": "1"}))
    assert read.grid.spacing_xyz == (2.0, 2.0, 5.0)
    moment = [
        np.mean(np.argwhere(hu > 500)[:, ::-1] * grid.spacing_xyz + grid.origin_xyz, axis=0)
        for hu, grid in ((patient.hu, patient.grid), (read.hu, read.grid))
    ]
    assert moment[1] == pytest.approx(moment[0], abs=1.0)
    volumes = [
        m.sum() * np.prod(p.grid.spacing_xyz)
        for p, m in ((patient, patient.high_dose), (read, read.high_dose))
    ]
    assert volumes[0] == pytest.approx(volumes[1])
    assert read.nasopharynx_level
    there = np.array(read.brainstem_zyx)[::-1] * read.grid.spacing_xyz + read.grid.origin_xyz
    assert there == pytest.approx(np.array(patient.brainstem_zyx)[::-1] * patient.grid.spacing_xyz, abs=2.1)


def test_halving_keeps_a_ramp():
    ramp = np.broadcast_to(np.arange(6, dtype=np.float32), (2, 4, 6))
    fine = halved(np.array(ramp))
    assert fine.shape == (2, 8, 12)
    np.testing.assert_allclose(fine[0, 0, 1:-1], np.arange(10) / 2 + 0.25)


def test_what_is_no_patient_is_refused(folder):
    (folder / "PTV70.nii.gz").unlink()
    with pytest.raises(InputError, match="PTV70"):
        read_patient(Converted("pt_1", "train", folder, {"nasopharynx_level": "1"}))


def test_turned_images_are_refused(folder, patient):
    grid = Grid(
        patient.grid.size_xyz, patient.grid.spacing_xyz, (0, 0, 0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)
    )
    write_image(folder / "image.nii.gz", patient.hu.astype(np.int16), grid)
    with pytest.raises(InputError, match="turned"):
        read_patient(Converted("pt_1", "train", folder, {"nasopharynx_level": "1"}))


def test_the_brainstem_is_guessed_from_the_parotids(patient):
    organs = np.zeros_like(patient.organs)
    assert brainstem_centre(organs, patient.spacing_zyx) is None
    organs[10, 20, 10], organs[10, 20, 40] = 3, 4
    z, y, x = brainstem_centre(organs, (3.0, 2.5, 2.5))
    assert (z, y, x) == pytest.approx((21.0, 30.0, 25.0))


def test_kinds_are_told_by_hu_and_organs(patient):
    kind = kinds(patient)
    assert kind[0, 0, 0] == Kind.OUTSIDE and kind[40, 10, 24] == Kind.AIRWAY
    assert kind[36, 26, 24] == Kind.NERVOUS and kind[10, 25, 35] == Kind.SOFT
    assert kind[20, 29, 24] == Kind.BONE and Kind.FAT in kind


def test_frames_have_their_origin_at_the_brainstem_and_follow_the_cord(patient):
    x, y, z = head_frame(patient)
    assert [float(axis[36, 26, 24]) for axis in (x, y, z)] == [-2.0, 0.0, 0.0]
    _, y, z = neck_frame(patient)
    cord = np.argwhere(patient.organs == 2)
    for k, j, i in cord[:: len(cord) // 20]:
        assert y[k, j, i] == pytest.approx(cord_depth(float(z[k, j, i])), abs=9)
