"""Voxels of a CSV lie where they should; whatever else the file holds is refused, and named."""

import numpy as np
import pytest

from model.errors import InputError
from training.openkbp.sparse import SIDE, centred_origin_xyz, read_mask, read_spacing, read_values


def index_of(front: int, right: int, head: int) -> int:
    """In C order; voxels from the front, from the patient's right, from the head."""
    return (front * SIDE + right) * SIDE + head


def test_a_voxel_of_the_head_lies_on_top_and_one_of_the_right_at_low_x(tmp_path):
    path = tmp_path / "ct.csv"
    path.write_text(f",data\n{index_of(3, 5, 0)},7.5\n{index_of(0, 0, 127)},2e0\n")
    volume = read_values(path)
    assert volume.shape == (SIDE,) * 3 and np.count_nonzero(volume) == 2
    assert volume[127, 3, 5] == 7.5 and volume[0, 0, 0] == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mask_has_no_values(tmp_path, end):
    path = tmp_path / "PTV70.csv"
    path.write_bytes((f",data{end}{index_of(1, 2, 126)},{end}{index_of(4, 2, 126)},{end}").encode())
    assert np.argwhere(read_mask(path)).tolist() == [[1, 1, 2], [1, 4, 2]]


def test_an_empty_mask_is_one(tmp_path):
    (tmp_path / "PTV70.csv").write_text(",data\n")
    assert not read_mask(tmp_path / "PTV70.csv").any()


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ("", "first line"),
        ("index,data\n1,2\n", "first line"),
        (f",data\n{SIDE**3},1\n", "2097152"),
        (",data\n-1,1\n", "-1"),
        (",data\n1.5,1\n", "1.5"),
        (",data\nnan,1\n", "nan"),
        (",data\n1,nan\n", "finite"),
        (",data\n1,1e999\n", "finite"),
        (",data\n1,2\n1,3\n", "twice"),
        (",data\n1,two\n", "not understood"),
        (",data\n1\n", "not understood"),
        (",data\n1,\n", "not understood"),
    ],
)
def test_what_is_no_list_of_voxels_is_refused(tmp_path, content, fact):
    path = tmp_path / "ct.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=fact) as error:
        read_values(path)
    assert error.value.where == path


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_mask(tmp_path / "PTV70.csv")
    (tmp_path / "ct.csv").write_bytes(b",data\n\xff\n")
    with pytest.raises(InputError, match="plain text"):
        read_values(tmp_path / "ct.csv")
    with (tmp_path / "PTV63.csv").open("wb") as file:
        file.truncate(100 * SIDE**3)  # takes no room on the disk
    with pytest.raises(InputError, match="larger"):
        read_mask(tmp_path / "PTV63.csv")


def test_spacing_is_in_the_order_of_arrays(tmp_path):
    path = tmp_path / "voxel_dimensions.csv"
    path.write_text("3.906000000000000139e+00\n4.0e+00\n2.5e+00\n")
    assert read_spacing(path) == (2.5, 3.906, 4.0)
    for wrong in ("1\n2\n", "a\n1\n2\n", "nan\n1\n2\n", "0\n1\n2\n", "1000\n1\n2\n"):
        path.write_text(wrong)
        with pytest.raises(InputError):
            read_spacing(path)


def test_the_whole_volume_is_centred():
    assert centred_origin_xyz((2.0, 4.0, 1.0), 3) == (-63.5, -254.0, -121.0)
