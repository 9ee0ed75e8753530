"""What is said of headers that contradict themselves, whatever the format; the formats have tests of their own."""

import numpy as np
import pytest
import SimpleITK as sitk

from model.images.pair import read_pair
from model.images.read import open_header


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nii", ".nii.gz", ".nrrd"])
def test_an_ordinary_header_has_nothing_odd(ct_image, save, tmp_path, suffix):
    header = open_header(save(ct_image(), tmp_path / f"ct{suffix}"))
    assert header.oddities == ()
    assert header.size_xyz == (6, 5, 4) and header.voxels.dtype == np.dtype("<i2")


def test_what_is_odd_is_logged_with_the_file(ct_image, save, tmp_path):
    path = save(ct_image(), tmp_path / "ct.nrrd", compress=False)
    content = path.read_bytes().replace(b"space: left-posterior-superior", b"space dimension: 3")
    path.write_bytes(content)
    lines = []
    read_pair(path, save(ct_image(), tmp_path / "ce.nrrd"), lines.append)
    (line,) = [line for line in lines if "how the patient lies" in line]
    assert line.startswith(f"warning: {path}: its header does not say how")


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_four_dimensions_keep_the_geometry_of_the_first_three(ct_image, save, tmp_path, suffix):
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()
    image = sitk.JoinSeries([ct_image(direction=turn)] * 2)
    header = open_header(save(image, tmp_path / f"ct{suffix}"))
    assert header.size_xyz == (6, 5, 4, 2)
    np.testing.assert_allclose(header.spacing_xyz, (0.5, 0.75, 3), rtol=1e-6)
    np.testing.assert_allclose(header.origin_xyz, (-10, 20, -300), rtol=1e-6)
    np.testing.assert_allclose(header.direction, turn, atol=1e-6)
