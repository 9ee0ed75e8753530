"""train.py as a user runs it, and a network small enough to learn two phantoms by heart."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from evaluation.metrics import dsc
from model.bundle import Bundle, Normalisation, load_bundle
from model.predict import Predictor
from model.volume import Grid, Pair
from phantom import make_phantom
from training.augment import Augmentation
from training.dataset import CachedCase, cache_case, load_case
from training.loop import TrainPlan, train
from training.planning import DataPlan
from training.processes import Processes

ROOT = Path(__file__).resolve().parents[2]
SCHEME = Normalisation(-200, 300, 30, 70)
PLAIN = Augmentation(
    rotation=0, scaling=0, mirror=0, noise=0, blur=0, brightness=0, contrast=0, gamma=0, low_resolution=0,
    no_contrast=0,
)  # fmt: skip


def around_tumour(case: CachedCase, size: tuple[int, int, int]) -> CachedCase:
    """A field of view of that many voxels (z, y, x) with the tumours in the middle."""
    centre = np.argwhere(case.label).mean(0)
    low = [
        int(np.clip(c - n / 2, 0, whole - n))
        for c, n, whole in zip(centre, size, case.label.shape, strict=True)
    ]
    box = tuple(slice(start, start + n) for start, n in zip(low, size, strict=True))
    label = case.label[box]
    tumour = tuple([np.argwhere(label == value)] for value in (1, 2) if (label == value).any())
    return CachedCase(case.image[(slice(None), *box)], label, tumour)


@pytest.mark.slow
def test_tiny_network_learns_two_phantoms_by_heart(tmp_path):
    """Fields of view around the tumours of two small phantoms, 4 mm voxels: DSC > 0.95 on both in two minutes."""
    spacing, patch = (4.0, 4.0, 4.0), (24, 32, 32)
    data = DataPlan(
        spacing, patch, 1, (12, 24, 48), ((3, 3, 3),) * 3, ((1, 1, 1), (2, 2, 2), (2, 2, 2)), (SCHEME, SCHEME)
    )
    pairs, cases = [], []
    for k in (0, 1):
        phantom = make_phantom(np.random.SeedSequence((9, k)), "small")
        label = np.where(phantom.gtvp, 1, 2 * phantom.gtvnd).astype(np.uint8)
        z, y, x = phantom.ct.shape
        grid = Grid((x, y, z), phantom.spacing_xyz, phantom.origin_xyz, phantom.direction)
        pairs.append(Pair(phantom.ct, phantom.ce, phantom.spacing_xyz[::-1], grid))
        cache_case(tmp_path / f"case{k}", pairs[-1], label, spacing, (SCHEME, SCHEME))
        cases.append(around_tumour(load_case(tmp_path / f"case{k}"), patch))
    plan = TrainPlan(data, 900, optimiser="adamw", learning_rate=3e-3, augmentation=PLAIN)
    state = train(plan, cases, [], tmp_path / "run", Processes(0, 1, torch.device("cpu")), resume=False)
    weights = {name: tensor.float() for name, tensor in state.network.state_dict().items()}
    bundle = Bundle(data.network, patch, spacing, (SCHEME, SCHEME), (), {}, (weights,))
    predictor = Predictor(bundle, "cpu", "fp32", False, False, lambda line: None)
    for case in cases:
        found = predictor.logits(torch.from_numpy(case.image.astype(np.float32))).argmax(0).numpy()
        for value in (1, 2):
            assert not (case.label == value).any() or dsc(found == value, case.label == value) > 0.95


@pytest.fixture(scope="module")
def segrap_data(tmp_path_factory) -> Path:
    """Four small cases in SegRap's raw layout: bright balls in a body."""
    root = tmp_path_factory.mktemp("raw")
    for k in range(4):
        rng = np.random.default_rng(k)
        z, y, x = np.mgrid[:16, :40, :44]
        ct = np.where(((y - 20) / 16) ** 2 + ((x - 22) / 18) ** 2 < 1, 40, -1000)
        masks = {
            "GTVp": ((z - 8) * 3) ** 2 + (y - 16) ** 2 + (x - 16 - k) ** 2 < 36,
            "GTVnd": ((z - 7) * 3) ** 2 + (y - 25) ** 2 + (x - 30) ** 2 < 16,
        }
        ce = ct + 100 * masks["GTVp"] - 60 * masks["GTVnd"]
        folder = root / f"segrap_{k:04d}"
        folder.mkdir()
        files = {"image": ct, "image_contrast": ce} | masks
        for name, array in files.items():
            noise = ndimage.gaussian_filter(rng.normal(0, 20, ct.shape), 0.7) if "image" in name else 0
            kind = np.int16 if "image" in name else np.uint8
            image = sitk.GetImageFromArray((array + noise).astype(kind))
            image.SetSpacing((1.0, 1.0, 3.0))
            sitk.WriteImage(image, folder / f"{name}.nii.gz")
    return root


CONFIG = {
    "patch_zyx": [8, 24, 24], "features": [4, 8, 8], "kernels": [[3, 3, 3]] * 3, "batch": 1,
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
}  # fmt: skip


def run_train(
    folder: Path, *arguments: str, launcher: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    (folder / "config.json").write_text(json.dumps(CONFIG))
    command = [
        sys.executable,
        *launcher,
        str(ROOT / "train.py"),
        *arguments,
        "--config",
        str(folder / "config.json"),
    ]
    command += [
        "--work",
        str(folder / "work"),
        "--out",
        str(folder / "w.pt"),
        "--device",
        "cpu",
        "--jobs",
        "1",
    ]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=240, check=False)


def test_from_raw_data_to_scored_weights(segrap_data, tmp_path, monkeypatch):
    done = run_train(tmp_path, str(segrap_data), "--minutes", "0.15", "--folds", "2", "--optimiser", "adamw")
    assert done.returncode == 0, done.stderr
    for told in ("segrap_0003", '"patch_zyx"', "GTVnd", "average", "wrote"):
        assert told in done.stdout
    bundle = load_bundle(tmp_path / "w.pt")
    assert bundle.patch_zyx == (8, 24, 24) and bundle.spacing_zyx == (3.0, 1.0, 1.0)
    assert bundle.provenance["metrics"]["data"].startswith("2 held-out cases of the same data")
    assert bundle.provenance["iterations"] > 5
    again = run_train(tmp_path, str(segrap_data), "--minutes", "0.15", "--folds", "2", "--resume")
    assert again.returncode == 0, again.stderr


def test_two_processes_from_the_command_line(segrap_data, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = run_train(tmp_path, str(segrap_data), "--minutes", "0.05", "--fold", "all", launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert load_bundle(tmp_path / "w.pt").provenance["data"] == f"4 cases of {segrap_data.name}"


def test_bad_cases_are_all_named_before_training(segrap_data, tmp_path):
    bad = tmp_path / "raw"
    bad.mkdir()
    for case in sorted(segrap_data.iterdir()):
        (bad / case.name).mkdir()
        for file in case.iterdir():
            (bad / case.name / file.name).write_bytes(file.read_bytes())
    (bad / "segrap_0001" / "GTVp.nii.gz").write_bytes(b"no image")
    label = sitk.ReadImage(bad / "segrap_0002" / "GTVnd.nii.gz")
    sitk.WriteImage(label * 7, bad / "segrap_0002" / "GTVnd.nii.gz")
    done = run_train(tmp_path, str(bad), "--minutes", "0.05")
    assert done.returncode == 2 and "2 of 4 cases cannot be used" in done.stderr
    assert len(done.stderr.strip().splitlines()[-1:]) == 1 and "Traceback" not in done.stderr
    assert "segrap_0001" in done.stdout and "segrap_0002" in done.stdout
    assert not (tmp_path / "w.pt").exists()


def test_a_run_starts_from_given_weights_of_the_same_plan(segrap_data, tmp_path):
    """An epoch of no length keeps them; weights of another network are refused in one line."""
    options = (str(segrap_data), "--fold", "all", "--minutes")
    assert run_train(tmp_path, *options, "0.05").returncode == 0
    first = load_bundle(tmp_path / "w.pt")
    (tmp_path / "w.pt").rename(tmp_path / "first.pt")
    done = run_train(
        tmp_path, *options, "0.02", "--start", str(tmp_path / "first.pt"), "--learning-rate", "1e-12"
    )
    assert done.returncode == 0, done.stderr
    again = load_bundle(tmp_path / "w.pt")
    for name, tensor in first.states[0].items():
        torch.testing.assert_close(again.states[0][name], tensor)
    assert "first.pt" in again.provenance["start"]
    done = run_train(tmp_path, *options, "0.02", "--start", str(ROOT / "weights" / "gtv.pt"))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: --start")
