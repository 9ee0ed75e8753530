"""Layouts on disk, and the command line that makes them."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import model.images.write as write
import phantom.__main__ as phantom_main
from phantom.__main__ import main
from phantom.scene import Phantom
from phantom.write import write_exec, write_folder, write_nnunet


@pytest.fixture
def phantom() -> Phantom:
    rng = np.random.default_rng(0)
    ct, ce = (rng.integers(-1000, 1000, (4, 5, 6)).astype(np.int16) for _ in range(2))
    gtvp, gtvnd = np.zeros((4, 5, 6), np.uint8), np.zeros((4, 5, 6), np.uint8)
    gtvp[1, 2, 3] = gtvnd[2, 2, 3] = 1
    return Phantom(ct, ce, gtvp, gtvnd, (0.5, 0.6, 3.0), (-10.0, 20.5, 300.25))


def test_folder_layout_round_trips_arrays_and_geometry(phantom: Phantom, tmp_path: Path) -> None:
    write_folder(phantom, tmp_path)
    for name, array in (
        ("image", phantom.ct),
        ("image_contrast", phantom.ce),
        ("GTVp", phantom.gtvp),
        ("GTVnd", phantom.gtvnd),
    ):
        image = sitk.ReadImage(str(tmp_path / f"{name}.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
        assert image.GetSpacing() == pytest.approx(phantom.spacing_xyz)
        assert image.GetOrigin() == pytest.approx(phantom.origin_xyz)


def test_nnunet_layout_has_two_channels_and_a_label_map(phantom: Phantom, tmp_path: Path) -> None:
    write_nnunet(phantom, tmp_path, "case")
    contrast = sitk.ReadImage(str(tmp_path / "imagesTr" / "case_0001.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(contrast), phantom.ce)
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "labelsTr" / "case.nii.gz")))
    assert labels[1, 2, 3] == 1 and labels[2, 2, 3] == 2 and labels.sum() == 3


def test_exec_layout_has_unrelated_names_and_a_4d_truth(phantom: Phantom, tmp_path: Path) -> None:
    write_exec(phantom, tmp_path, np.random.default_rng(1))
    (plain,) = (tmp_path / "images" / "head-neck-ct").iterdir()
    (contrast,) = (tmp_path / "images" / "head-neck-contrast-enhanced-ct").iterdir()
    assert plain.name != contrast.name and plain.suffix == contrast.suffix == ".mha"
    truth = sitk.ReadImage(str(tmp_path / "reference" / plain.name))
    assert truth.GetSize() == (6, 5, 4, 2) and truth.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(truth), [phantom.gtvp, phantom.gtvnd])


def test_command_line_numbers_cases_and_repeats_any_one_of_them(tmp_path: Path) -> None:
    shared = ["--seed", "4", "--geometry", "small", "--layout", "nnunet"]
    main([str(tmp_path / "both"), "--cases", "2", *shared])
    main([str(tmp_path / "one"), "--first", "1", *shared])
    name = Path("imagesTr") / "phantom_0001_0000.nii.gz"
    both, one = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / run / name))) for run in ("both", "one")
    )
    np.testing.assert_array_equal(both, one)
    description = json.loads((tmp_path / "both" / "dataset.json").read_text())
    assert description["numTraining"] == 2 and description["labels"] == {
        "background": 0,
        "GTVp": 1,
        "GTVnd": 2,
    }


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'file' / 'out'}: ") and "; " in line


def test_a_full_disk_is_one_line_and_leaves_no_cut_file(tmp_path, capsys, monkeypatch):
    """ITK says nothing when it could not write all: here it leaves out the end of every third file."""
    written = []
    original = write.sitk.WriteImage

    def cut(image, path, **options):
        original(image, path, **options)
        written.append(path)
        if len(written) == 3:
            Path(path).write_bytes(Path(path).read_bytes()[:-100])

    scan, mask = np.zeros((4, 8, 8), np.int16), np.zeros((4, 8, 8), np.uint8)
    phantom = Phantom(scan, scan, mask, mask, (1.0,) * 3, (0.0,) * 3)
    monkeypatch.setattr(phantom_main, "make_phantom", lambda seed, number, geometry: phantom)
    monkeypatch.setattr(write.sitk, "WriteImage", cut)
    assert phantom_main.main([str(tmp_path), "--layout", "folder"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and "GTVp.nii.gz: cannot be written" in lines[0]
    assert sorted(path.name for path in (tmp_path / "phantom_0000").iterdir()) == [
        "image.nii.gz",
        "image_contrast.nii.gz",
    ]
