"""Compressed voxels, and decoders that break down."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import RLELossless

from model.errors import InputError
from model.images import decompress
from model.images.decompress import Decompressor

SHAPE = (64, 48)
STORED = np.random.default_rng(3).normal(1000, 30, SHAPE).astype(np.uint16)


def compressed(path, compressor):
    """The same voxels as a file of SimpleITK's."""
    image = sitk.GetImageFromArray((STORED.astype(np.int16) - 1024)[None])
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(image)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    return path


def values_of(path):
    with Decompressor() as decompressor:
        return decompressor.values(path, SHAPE)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_jpeg_is_read(tmp_path, compressor):
    np.testing.assert_array_equal(values_of(compressed(tmp_path / "a.dcm", compressor)), STORED - 1024.0)


def test_one_process_reads_all_slices_and_is_gone_at_the_end(tmp_path, dicom_slice):
    with Decompressor() as decompressor:
        for k in range(3):
            path = dicom_slice(tmp_path / f"{k}.dcm", STORED + np.uint16(k), syntax=RLELossless)
            np.testing.assert_array_equal(decompressor.values(path, SHAPE), STORED - 1024.0 + k)
        process = decompressor.process
        assert process.poll() is None
    assert process.poll() is not None


def test_without_compressed_slices_no_process_is_started():
    with Decompressor() as decompressor:
        assert decompressor.process is None


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000", "RLE"])
def test_what_a_decoder_complains_of_is_refused_in_silence(tmp_path, dicom_slice, compressor, capfd):
    path = tmp_path / "a.dcm"
    if compressor == "RLE":
        dicom_slice(path, STORED, syntax=RLELossless)
    else:
        compressed(path, compressor)
    whole = path.read_bytes()
    begin = whole.index(b"\xe0\x7f\x10\x00") + 28
    path.write_bytes(whole[:begin] + b"\xff" * (len(whole) - begin - 8) + whole[-8:])
    with pytest.raises(
        InputError, match="a.dcm: its compressed voxels are damaged or not read here"
    ) as caught:
        values_of(path)
    assert "\n" not in str(caught.value) and capfd.readouterr().err == ""


def test_damaged_jpeg_is_refused_even_where_its_decoder_only_prints(tmp_path, capfd):
    path = compressed(tmp_path / "a.dcm", "JPEG")
    whole, chance = path.read_bytes(), random.Random(0)
    begin, refused = whole.index(b"\xe0\x7f\x10\x00") + 200, 0
    for _ in range(6):
        at = chance.randrange(begin, len(whole) - 60)
        path.write_bytes(whole[:at] + chance.randbytes(20) + whole[at + 20 :])
        try:
            values_of(path)
        except InputError:
            refused += 1
    assert refused >= 2 and capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.abort()", "its decoder broke down"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its decoder broke down"),
        ("import sys; sys.exit('no such code')", "no such code"),
        ("import time; time.sleep(60)", "does not come to an end"),
        ("import sys; sys.stdout.buffer.write(bytes(800))", "of another size"),
        (
            "import sys; sys.stdout.buffer.write((64 * 48).to_bytes(8, 'little') + bytes(80))",
            "its decoder broke down",
        ),
    ],
)
def test_a_decoder_that_breaks_down_is_an_error_of_its_slice(
    tmp_path, dicom_slice, monkeypatch, program, said
):
    path = dicom_slice(tmp_path / "a.dcm", STORED, syntax=RLELossless)
    pipe = subprocess.PIPE
    monkeypatch.setattr(decompress, "PATIENCE", 1)
    monkeypatch.setattr(
        *(decompress, "_start"),
        lambda: subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe),
    )
    with pytest.raises(InputError, match=said):
        values_of(path)


def test_a_decoder_that_cannot_be_started_is_an_error(tmp_path, dicom_slice, monkeypatch):
    path = dicom_slice(tmp_path / "a.dcm", STORED, syntax=RLELossless)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(InputError, match="no decoder can be started: No such file"):
        values_of(path)


@pytest.mark.parametrize("hard", [2 << 30, 8 << 30])
def test_a_limit_of_memory_may_be_there_already(tmp_path, dicom_slice, hard):
    path = dicom_slice(tmp_path / "a.dcm", STORED, syntax=RLELossless)
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({hard}, {hard}));"
        "import pathlib, sys; from model.images.decompress import Decompressor;"
        f"print(Decompressor().values(pathlib.Path(sys.argv[1]), {SHAPE}).sum())"
    )
    command = [sys.executable, "-c", code, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert float(said.stdout) == (STORED - 1024.0).sum()


def test_a_name_that_is_not_utf8_never_reaches_itk(tmp_path, dicom_slice):
    path = dicom_slice(tmp_path / "a\udce4.dcm", STORED, syntax=RLELossless)
    with pytest.raises(InputError, match="a name that is not UTF-8; rename it"):
        values_of(path)
