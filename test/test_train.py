"""train.py as a user runs it."""

import json
import os
import shutil
import signal
import socket
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
import training.run.loop
from model.network.bundle import load_bundle
from training import join
from training.data.cache import load_case
from training.run.lock import _began

ROOT = Path(__file__).resolve().parents[1]


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
    for words in ("segrap_0003", '"patch_zyx"', "GTVnd", "average", "wrote"):
        assert words in done.stdout
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


def test_several_folds_are_one_after_the_other_and_one_ensemble(segrap_data, tmp_path, capsys):
    """Splits of one's own, of which one case is in no list; the second time, what is finished is left as it is."""
    # Trained on different cases: on a busy machine both may end after one step.
    entries = [{"train": [f"segrap_000{k}"], "val": [f"segrap_000{n}"]} for k, n in ((0, 1), (1, 3))]
    (tmp_path / "splits.json").write_text(json.dumps(entries))
    options = ("--splits", str(tmp_path / "splits.json"), "--fold", "0-1", "--minutes", "0.01")
    command = train_command(tmp_path, str(segrap_data), *options)[2:]
    assert command_line.main(command) == 0
    out = capsys.readouterr().out
    assert "1 of 4 cases are in no list" in out and "fold 1: 1 cases to train on, 1 held out" in out
    *_, first, second, every = out.splitlines()
    assert [line.split()[:2] for line in (first, second, every)] == [["0", "1"], ["1", "1"], ["all", "2"]]
    files = [tmp_path / f"w-fold{fold}.pt" for fold in (0, 1)]
    before = [path.read_bytes() for path in files]
    assert command_line.main([*command, "--resume"]) == 0
    assert [path.read_bytes() for path in files] == before
    assert capsys.readouterr().out.count("is finished: ") == 2
    entries[1]["val"] = ["segrap_0002"]
    (tmp_path / "splits.json").write_text(json.dumps(entries))
    assert command_line.main([*command, "--resume"]) == 2
    assert "of a run that differs in held-out cases; " in capsys.readouterr().err
    ensemble = tmp_path / "ensemble.pt"
    assert join.main(["--work", str(tmp_path / "work"), "--out", str(ensemble)]) == 0
    assert len(load_bundle(ensemble).states) == 2
    assert load_bundle(ensemble).provenance["metrics"]["data"].startswith("2 held-out cases of 2 folds")


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
    assert done.stderr.count("error: training data: 2 of 4 cases cannot be used") == 1
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
        tmp_path,
        *options,
        "0.02",
        "--start",
        str(tmp_path / "first.pt"),
        "--learning-rate",
        "1e-12",
        "--overwrite",
    )
    assert done.returncode == 0, done.stderr
    again = load_bundle(tmp_path / "w.pt")
    for name, tensor in first.states[0].items():
        torch.testing.assert_close(again.states[0][name], tensor)
    assert again.provenance["start"] == {"file": "first.pt"} | first.provenance
    plan = (tmp_path / "work" / "plan.json").read_bytes()
    start = ("--start", str(ROOT / "weights" / "gtv.pt"), "--spacing", "4,1,1", "--overwrite")
    done = run_train(tmp_path, *options, "0.02", *start)
    assert (tmp_path / "work" / "plan.json").read_bytes() == plan
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: --start")


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
def test_a_stopped_or_killed_run_goes_on(segrap_data, tmp_path, how):
    options = (str(segrap_data), "--fold", "all", "--optimiser", "adamw", "--minutes")
    command = train_command(tmp_path, *options, "5")
    work, checkpoint = tmp_path / "work", tmp_path / "work" / "fold_all" / "checkpoint.pt"
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
        output, _ = process.communicate(timeout=60)
    if how == signal.SIGTERM:
        assert process.returncode == 130 and "go on with --resume" in output and checkpoint.exists()
        before = torch.load(checkpoint, weights_only=True)["iteration"]
        plan = (tmp_path / "work" / "plan.json").read_bytes()
        again = run_train(tmp_path, *options, "0.15", "--spacing", "4,1,1")
        assert (tmp_path / "work" / "plan.json").read_bytes() == plan
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
        assert run_train(tmp_path, *options, "--overwrite").returncode == 0
    finally:
        del CONFIG["normalisation"]
    after = np.load(folder / "segrap_0002" / "label.npy")
    assert (before == 2).any() and not (after == 2).any()
    assert (folder / "segrap_0001" / "label.npy").stat().st_mtime_ns == untouched
    assert len(load_case(folder / "segrap_0002").tumour) == 1


def test_what_cannot_work_is_said_before_it_starts(segrap_data, tmp_path, monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str]:
        code = command_line.main(train_command(tmp_path, *arguments)[2:])
        return code, capsys.readouterr().err.strip().splitlines()[-1]

    one = tmp_path / "one"
    shutil.copytree(segrap_data / "segrap_0000", one / "segrap_0000")
    code, words = run(str(one))
    assert code == 2 and words.startswith("error:") and "--fold all" in words
    free = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    code, words = run(str(segrap_data))
    assert code == 2 and "the preprocessed cases take 0.0 GB, 0.0 GB are free" in words
    for words, where in (
        (("--epochs", "0"), "--epochs"),
        (("--fold", "7"), "--fold"),
        (("--nonsense",), "--nonsense"),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(str(segrap_data), *words)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {where}: ")


def test_a_device_that_is_not_there_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command_line.main([str(tmp_path), "--out", str(tmp_path / "w.pt"), "--device", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("error: --device cuda: ")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has\na total of 11 GiB."
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
    ids=["GPU", "CPU"],
)
def test_too_little_memory_is_one_line_that_names_the_option(
    segrap_data, tmp_path, monkeypatch, capsys, error
):
    def without_memory(*_):
        raise error

    monkeypatch.setattr(training.run.loop, "step", without_memory)
    command = train_command(tmp_path, str(segrap_data), "--minutes", "1", "--fold", "all")[2:]
    assert command_line.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --memory-gb: more memory is needed than there is (")
    assert line.endswith("; give less, or a coarser --spacing")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("--folds", "50"), "error: --folds: 50 of 4 cases; "),
        (("--folds", "5", "--fold", "4"), "error: --folds: 5 of 4 cases; "),
        (("--fold", "4"), "error: --fold: 4 of 4, as there are cases; "),
        (("--fold", "0-4"), "error: --fold: 4 of 4, as there are cases; "),
        (("--splits", "none.json"), "error: none.json: no such file; "),
        (("--splits", "{folder}/config.json"), "error: {folder}/config.json: is "),
        (("--start", "none.pt"), "error: none.pt: no such weights file; "),
        (("--out", "{folder}"), "error: {folder}: cannot be written (Is a directory); "),
        (("--out", "{folder}/config.json/w.pt"), "error: {folder}/config.json/w.pt: cannot be written"),
        (("--work", "{folder}/config.json"), "error: {folder}/config.json: "),
    ],
)
def test_what_makes_no_sense_of_the_data_is_said_before_any_work(segrap_data, tmp_path, capsys, words, where):
    words = tuple(word.replace("{folder}", str(tmp_path)) for word in words)
    command = [*train_command(tmp_path, str(segrap_data))[2:], *words]
    assert command_line.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(where.replace("{folder}", str(tmp_path)))
    assert not (tmp_path / "work").exists() or not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    "content", ["3", "[]", '{"patches": 1}', '{"batch": "2"}', "[" * 100_000, '{"features": [1e999]}']
)
def test_a_config_that_makes_no_sense_is_one_line(segrap_data, tmp_path, capsys, content):
    command = train_command(tmp_path, str(segrap_data))[2:]
    (tmp_path / "config.json").write_text(content)
    assert command_line.main(command) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: {tmp_path / 'config.json'}: ") and not (tmp_path / "w.pt").exists()


def test_another_run_in_the_same_folder_is_refused(segrap_data, tmp_path, capsys):
    (tmp_path / "work").mkdir()
    held = {"process": os.getppid(), "host": socket.gethostname(), "began": _began(os.getppid())}
    (tmp_path / "work" / "lock").write_text(json.dumps(held))
    command = train_command(tmp_path, str(segrap_data), "--minutes", "0.02", "--fold", "all")[2:]
    assert command_line.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"in use by process {os.getppid()} on {socket.gethostname()}; " in line
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["lock"]
    (tmp_path / "work" / "lock").write_text(json.dumps(held | {"process": 2**22 + 1}))
    assert command_line.main(command) == 0
    assert not (tmp_path / "work" / "lock").exists()


PHASES = {
    "phantoms": "training.data.phantoms.make_phantom",
    "survey": "training.data.survey.read_training_case",
    "prepare": "training.data.cache.read_training_case",
    "train": "training.run.loop.step",
    "validate": "training.validate.read_training_case",
}
# A full test takes seconds: each phase is ended in one of both ways, work shared out over processes in both.
ENDS = [
    ("phantoms", signal.SIGINT),
    pytest.param("survey", signal.SIGINT, marks=pytest.mark.long),
    pytest.param("prepare", signal.SIGINT, marks=pytest.mark.long),
    ("prepare", signal.SIGTERM),
    pytest.param("train", signal.SIGINT, marks=pytest.mark.long),
    ("validate", signal.SIGTERM),
]


@pytest.mark.parametrize(("phase", "number"), ENDS)
def test_asked_to_end_in_any_phase_it_says_so_and_leaves_nobody(segrap_data, tmp_path, phase, number):
    """Each phase is made to last, and says when it has begun."""
    module, _, name = PHASES[phase].rpartition(".")
    wait = f"lambda *a, **k: (pathlib.Path({str(tmp_path / 'begun')!r}).touch(), time.sleep(1), real(*a, **k))[2]"
    script = (
        f"import pathlib, sys, time; sys.path.insert(0, {str(ROOT)!r}); import train, {module} as module;"
        f"real = module.{name}; module.{name} = {wait}; sys.exit(train.main(sys.argv[1:]))"
    )
    data = ("--phantoms", "2", "--folds", "2") if phase == "phantoms" else (str(segrap_data), "--folds", "2")
    minutes = "0.01" if phase == "validate" else "5"
    command = [
        sys.executable,
        "-c",
        script,
        *train_command(tmp_path, *data, "--minutes", minutes)[2:],
        "--jobs",
        "2",
    ]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, **streams, start_new_session=True) as process:
        while process.poll() is None and not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.terminate()  # as Ctrl-C does
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert (
        "Traceback" not in errors
        and "error" not in errors
        and "go on with --resume" in output.splitlines()[-1]
    )
    assert not (tmp_path / "work" / "lock").exists() and not list(tmp_path.rglob(".writing-*"))
    assert (tmp_path / "w.pt").exists() == (phase == "validate")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
