"""Layouts on disk, and the command line that makes them."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import phantom.__main__ as phantom_main
from model.errors import InputError
from phantom.__main__ import main
from phantom.scene import Phantom
from phantom.write import whole_case, write_exec, write_folder, write_nnunet


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


@pytest.fixture
def full_at(phantom, monkeypatch):
    """ITK says nothing when it could not write all: here it leaves out the end of the n-th file."""

    def fill(number: int) -> None:
        written = []
        original = sitk.WriteImage

        def cut(image, path, **options):
            original(image, path, **options)
            written.append(path)
            if len(written) == number:
                Path(path).write_bytes(Path(path).read_bytes()[:-20])

        monkeypatch.setattr(sitk, "WriteImage", cut)

    monkeypatch.setattr(phantom_main, "make_phantom", lambda seed, number, geometry: phantom)
    return fill


@pytest.mark.parametrize("layout", ["folder", "exec", "nnunet"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("cases", ["1", "2"])
def test_on_a_full_disk_a_case_is_not_there_at_all(full_at, tmp_path, capsys, layout, number, cases):
    full_at(number)
    assert main([str(tmp_path), "--layout", layout, "--cases", cases]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and f"{tmp_path / 'phantom_0000'}: cannot be written" in lines[0]
    assert not list(tmp_path.iterdir())


def test_the_cases_before_a_full_disk_stay(full_at, tmp_path):
    full_at(5)
    assert main([str(tmp_path), "--layout", "nnunet", "--cases", "2"]) == 2
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert names == [
        "imagesTr/phantom_0000_0000.nii.gz",
        "imagesTr/phantom_0000_0001.nii.gz",
        "labelsTr/phantom_0000.nii.gz",
    ]


def test_where_one_file_cannot_take_its_name_none_does(phantom, tmp_path):
    (tmp_path / "labelsTr" / "case.nii.gz" / "x").mkdir(parents=True)
    with (
        pytest.raises(InputError, match="phantom_0003: cannot be written"),
        whole_case(tmp_path, 3) as folder,
    ):
        write_nnunet(phantom, folder, "case")
    assert [path.name for path in tmp_path.rglob("*.nii.gz")] == ["case.nii.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelsTr"]


def test_what_a_killed_attempt_left_is_removed(phantom, tmp_path):
    (tmp_path / ".phantom_0003" / "phantom_0003").mkdir(parents=True)
    (tmp_path / ".phantom_0003" / "phantom_0003" / "GTVp.nii.gz").touch()
    with whole_case(tmp_path, 3) as folder:
        (folder / "a").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_leaves_whole_cases(phantom, tmp_path, monkeypatch, capsys, number):
    def ask(folder: Path) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(phantom_main, "make_phantom", lambda seed, number, geometry: phantom)
    monkeypatch.setattr(phantom_main, "write_nnunet", lambda *given: ask(tmp_path))
    assert main([str(tmp_path), "--layout", "nnunet"]) == 130
    assert not list(tmp_path.iterdir()) and "stopped" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    ["--seed=-1", "--seed=1.5", "--seed=4294967296", "--cases=0", "--cases=nan", "--cases=100001", "--first=-1",
     "--geometry=huge", "--layout=dicom"],
)  # fmt: skip
def test_options_that_make_no_sense_are_one_line_before_anything_is_made(tmp_path, capsys, words):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "out"), words])
    assert not (tmp_path / "out").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {words.partition('=')[0]}: ")
