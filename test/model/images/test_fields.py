"""Numbers and lines of text headers."""

import io

import numpy as np
import pytest

from model.images.fields import LONGEST_LINE, data_file, from_end, numbers, text_line, whole_numbers
from model.images.stored import Damage


def test_numbers_are_read_in_every_notation():
    assert numbers(" 1 -2.5  3e-2 .5 +4. ", 5, "x") == (1, -2.5, 0.03, 0.5, 4)
    assert whole_numbers("5 4 3.0", 3, "x") == (5, 4, 3)


@pytest.mark.parametrize(
    "text", ["", "1 2", "1 2 3 4", "1 2 x", "1 2 1_0", "1 2 0x10", "1 2 ٣", "1,2,3", "1 2 1e"]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(Damage, match="its x is"):
        numbers(text, 3, "x")


@pytest.mark.parametrize("text", ["1.5", "nan", "inf", "1e400"])
def test_sizes_are_whole(text):
    with pytest.raises(Damage, match="whole"):
        whole_numbers(text, 1, "x")


def test_lines_end_somewhere():
    file = io.BytesIO(b"a = b\r\nc\n" + b"x" * LONGEST_LINE)
    assert (text_line(file), text_line(file)) == ("a = b", "c")
    with pytest.raises(Damage, match="without an end"):
        text_line(file)
    assert text_line(io.BytesIO()) is None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("separator", [" = ", ": "])
def test_names_are_read_in_both_encodings(tmp_path, encoding, separator):
    for name in ("a.mhd", "Müller é.raw"):
        (tmp_path / name).touch()
    line = text_line(io.BytesIO(f"ElementDataFile{separator}Müller é.raw\r\n".encode(encoding)))
    assert line == f"ElementDataFile{separator}Müller é.raw"
    assert data_file(tmp_path / "a.mhd", "Müller é.raw") == tmp_path / "Müller é.raw"


@pytest.mark.parametrize(
    "name", ["", "gone", "a\0b", ".", "a.mhd", "/dev/zero", "LIST", "%d.raw 1 2 1", "x" * 300]
)
def test_a_data_file_is_a_regular_file_of_its_own(tmp_path, name):
    (tmp_path / "a.mhd").touch()
    with pytest.raises((Damage, OSError)):
        data_file(tmp_path / "a.mhd", name)


def test_voxels_at_the_end_are_found(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    assert from_end(tmp_path / "a", (5, 4, 2), np.dtype("i2"), 10) == 20
    assert from_end(tmp_path / "a", (5, 4, 2), np.dtype("i2"), 10, follow=3) == 17
    with pytest.raises(Damage, match="79 of 80"):
        from_end(tmp_path / "a", (5, 4, 2), np.dtype("i2"), 21)
