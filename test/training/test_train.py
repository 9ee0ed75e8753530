"""train.py as a user runs it, and a network small enough to learn two phantoms by heart."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

import train as command_line
from evaluation.metrics import dsc
from model.images.grid import Grid
from model.images.pair import Pair
from model.inference.predictor import Predictor
from model.network.bundle import Bundle, Normalisation, load_bundle
from phantom import make_phantom
from phantom.write import write_folder
from training.augment import Augmentation
from training.dataset import CachedCase, cache_case, load_case
from training.loop import TrainPlan, train
from training.planning import DataPlan
from training.processes import Processes
from training.sources import find_training_cases, survey_case

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
        phantom = make_phantom(9, k, "small")
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


def train_command(folder: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> list[str]:
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
    return command


def run_train(
    folder: Path, *arguments: str, launcher: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = train_command(folder, *arguments, launcher=launcher)
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=240, check=False)


def test_from_raw_data_to_scored_weights(segrap_data, tmp_path):
    options = ("--minutes", "0.15", "--folds", "2", "--optimiser", "adamw")
    done = run_train(tmp_path, str(segrap_data), *options)
    assert done.returncode == 0, done.stderr
    for told in ("segrap_0003", '"patch_zyx"', "GTVnd", "average", "wrote"):
        assert told in done.stdout
    bundle = load_bundle(tmp_path / "w.pt")
    assert bundle.patch_zyx == (8, 24, 24) and bundle.spacing_zyx == (3.0, 1.0, 1.0)
    assert bundle.provenance["metrics"]["data"].startswith("2 held-out cases of the same data")
    assert bundle.provenance["iterations"] > 5
    again = run_train(tmp_path, str(segrap_data), *options, "--resume")
    assert again.returncode == 0, again.stderr


def test_two_processes_from_the_command_line(segrap_data, tmp_path):
    done = run_train(tmp_path, str(segrap_data), "--minutes", "0.05", "--fold", "all", launcher=TWO)
    assert done.returncode == 0, done.stderr
    assert load_bundle(tmp_path / "w.pt").provenance["data"] == f"4 cases of {segrap_data.name}"


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.parametrize("launcher", [(), TWO], ids=["one", "two"])
def test_bad_cases_are_all_named_before_training(segrap_data, tmp_path, launcher):
    bad = tmp_path / "raw"
    shutil.copytree(segrap_data, bad)
    (bad / "segrap_0001" / "GTVp.nii.gz").write_bytes(b"no image")
    label = sitk.ReadImage(bad / "segrap_0002" / "GTVnd.nii.gz")
    sitk.WriteImage(label * 7, bad / "segrap_0002" / "GTVnd.nii.gz")
    done = run_train(tmp_path, str(bad), "--minutes", "0.05", launcher=launcher)
    assert done.returncode == (1 if launcher else 2)
    assert done.stderr.count("error: 2 of 4 cases cannot be used") == 1
    assert launcher or "Traceback" not in done.stderr  # torchrun shows its own
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
    assert again.provenance["start"] == {"file": "first.pt"} | first.provenance
    done = run_train(tmp_path, *options, "0.02", "--start", str(ROOT / "weights" / "gtv.pt"))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: --start")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_or_killed_run_goes_on(segrap_data, tmp_path, how):
    options = (str(segrap_data), "--fold", "all", "--optimiser", "adamw", "--minutes")
    command = train_command(tmp_path, *options, "5")
    work, checkpoint = tmp_path / "work", tmp_path / "work" / "checkpoint.pt"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, **streams, cwd=ROOT, start_new_session=True) as process:
        awaited = "plan.json" if how == signal.SIGKILL else "cache-*/segrap_0003/source.json"
        while process.poll() is None and not list(work.glob(awaited)):
            time.sleep(0.05)
        if how == signal.SIGTERM:
            time.sleep(8)  # until it trains
            process.terminate()
        else:  # it may have no checkpoint, nor all cases; those that prepare them are killed too
            os.killpg(process.pid, signal.SIGKILL)
        told, _ = process.communicate(timeout=60)
    if how == signal.SIGTERM:
        assert process.returncode == 130 and "go on with --resume" in told and checkpoint.exists()
        before = torch.load(checkpoint, weights_only=True)["iteration"]
        again = run_train(tmp_path, *options, "0.15")
        assert again.returncode == 2 and "is not finished" in again.stderr
    assert not (tmp_path / "w.pt").exists()
    done = run_train(tmp_path, *options, "0.15", "--resume")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "going on with" in done.stdout
    if how == signal.SIGTERM:
        assert load_bundle(tmp_path / "w.pt").provenance["iterations"] >= before > 0


def test_a_corrected_contour_is_read_again(segrap_data, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(segrap_data, raw)
    options = (str(raw), "--fold", "all", "--minutes", "0.02")
    CONFIG["normalisation"] = [{"lower": -200, "upper": 300, "mean": 30, "std": 70}] * 2  # else another cache
    try:
        assert run_train(tmp_path, *options).returncode == 0
        (folder,) = (tmp_path / "work").glob("cache-*")
        before = np.load(folder / "segrap_0002" / "label.npy")
        untouched = (folder / "segrap_0001" / "label.npy").stat().st_mtime_ns
        label = sitk.ReadImage(raw / "segrap_0002" / "GTVnd.nii.gz")
        sitk.WriteImage(label * 0, raw / "segrap_0002" / "GTVnd.nii.gz")
        assert run_train(tmp_path, *options).returncode == 0
    finally:
        del CONFIG["normalisation"]
    after = np.load(folder / "segrap_0002" / "label.npy")
    assert (before == 2).any() and not (after == 2).any()
    assert (folder / "segrap_0001" / "label.npy").stat().st_mtime_ns == untouched
    assert len(load_case(folder / "segrap_0002").tumour) == 1


def test_what_cannot_work_is_said_before_it_starts(segrap_data, tmp_path, monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", train_command(tmp_path, *arguments)[1:])
        code = command_line.main()
        return code, capsys.readouterr().err.strip().splitlines()[-1]

    one = tmp_path / "one"
    shutil.copytree(segrap_data / "segrap_0000", one / "segrap_0000")
    code, words = run(str(one))
    assert code == 2 and words.startswith("error:") and "--fold all" in words
    free = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    code, words = run(str(segrap_data))
    assert code == 2 and "the preprocessed cases take 0.0 GB, 0.0 GB are free" in words
    with pytest.raises(SystemExit, match="2"):
        run(str(segrap_data), "--epochs", "0")
    assert "invalid count value: '0'" in capsys.readouterr().err


def test_no_git_no_commit(monkeypatch):
    assert len(command_line.commit()) == 40 or not (ROOT / ".git").exists()
    monkeypatch.setenv("PATH", "")
    assert command_line.commit() == "unknown"


def test_the_cached_cases_take_what_was_estimated(tmp_path):
    phantom = make_phantom(9, 0, "small")
    write_folder(phantom, tmp_path / "case")
    (case,) = find_training_cases(tmp_path)
    plan = DataPlan(
        (3.0, 2.0, 2.0), (8, 8, 8), 1, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (SCHEME,) * 2
    )
    command_line.cache(case, plan, tmp_path / "cache")
    size = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*"))
    assert command_line.cache_gb([survey_case(case)], plan) == pytest.approx(size / 1e9, rel=0.1)
