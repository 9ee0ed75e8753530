"""The options and the split; nothing is trained here."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from bench.nnunet.training import write_raw
from bench.train_vs_nnunet import main, parse_arguments, print_rate
from training.data.sources import find_training_cases

NEEDED = ["data", "--splits", "s.json", "--nnunet-python", "python"]


def test_a_length_is_needed_and_others_go_to_our_training():
    args, further = parse_arguments([*NEEDED, "--iterations", "500", "--features", "16"])
    assert (args.iterations, args.minutes, further) == (500, None, ["--features", "16"])
    for wrong in ([], ["--iterations", "300"], ["--iterations", "250", "--minutes", "1"]):
        with pytest.raises(SystemExit) as end:
            main([*NEEDED, *wrong])
        assert end.value.code == 2


def test_no_data_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none"), *NEEDED[1:], "--minutes", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_rates_are_of_all_that_was_seen(capsys):
    print_rate("gtvseg", 100, 2, 50.0, [10, 100, 100])
    assert "4.00 patches/s, 20 million voxels seen, 0.40 a second" in capsys.readouterr().out


def test_nnunet_gets_both_cts_on_one_grid_and_what_is_not_counted_as_its_ignore_label(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "p1"
    folder.mkdir(parents=True)
    ct = sitk.GetImageFromArray(rng.integers(-1000, 1000, (6, 8, 10)).astype(np.int16))
    ce = sitk.GetImageFromArray(rng.integers(-1000, 1000, (12, 16, 20)).astype(np.int16))
    ce.SetSpacing((0.5, 0.5, 0.5))
    sitk.WriteImage(ct, str(folder / "image.nii.gz"))
    sitk.WriteImage(ce, str(folder / "image_contrast.nii.gz"))
    for name, value in (("GTVp", 1), ("GTVnd", 2), ("ignored", 3)):
        mask = np.zeros((6, 8, 10), np.uint8)
        mask[value] = 1
        image = sitk.GetImageFromArray(mask)
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    (case,) = find_training_cases(tmp_path / "data")
    write_raw(tmp_path / "raw", {"p1": case}, "CT")
    images = [sitk.ReadImage(str(tmp_path / f"raw/imagesTr/p1_000{k}.nii.gz")) for k in (0, 1)]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(images[0]), sitk.GetArrayFromImage(ct))
    expected = sitk.Resample(ce, ct, sitk.Transform(), sitk.sitkLinear, -1000)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(images[1]), sitk.GetArrayFromImage(expected))
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "raw/labelsTr/p1.nii.gz")))
    assert [int(label[k].max()) for k in range(5)] == [0, 1, 2, 3, 0]
    description = json.loads((tmp_path / "raw/dataset.json").read_text())
    assert description["labels"] == {"background": 0, "GTVp": 1, "GTVnd": 2, "ignore": 3}
