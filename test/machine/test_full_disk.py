"""Disks that are full, folders that cannot be written to: one line, exit code 2, nothing half written."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from faults.materials import patient, process, save, save_pair, weights
from faults.running import run


def noise(folder, suffix):
    """A pair whose random mask needs more than a few bytes."""
    save_pair(folder / "in" / "a", suffix, compress=False)


def left(folder) -> list[str]:
    """All but the manifest, whose lines may fit where a mask does not."""
    files = (path for path in (folder / "out").rglob("*") if path.is_file() and path.name != "manifest.jsonl")
    return sorted(str(path.relative_to(folder / "out")) for path in files)


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("most", [0, 1, 300, 400])
def test_a_mask_that_does_not_fit_is_one_line_and_no_file(tmp_path, suffix, most):
    folder = tmp_path / "case"
    noise(folder, suffix)
    code, stdout, stderr = run(process(folder), folder, {}, {resource.RLIMIT_FSIZE: most})
    assert code == 2, (stdout, stderr)
    assert len(stderr.splitlines()) == 1 and "cannot be written" in stderr
    assert left(folder) == []


@pytest.mark.parametrize("layout", ["exec", "folder", "nnunet"])
@pytest.mark.parametrize("most", [1000, 100_000, 2_000_000])
def test_phantoms_are_whole_or_not_there(tmp_path, layout, most):
    folder = tmp_path / "case"
    folder.mkdir()
    command = ["phantom", str(folder / "out"), "--cases", "1", "--geometry", "small", "--layout", layout]
    code, _, stderr = run(command, folder, {}, {resource.RLIMIT_FSIZE: most})
    assert code == 2 and len(stderr.splitlines()) == 1, stderr
    assert left(folder) == []


@pytest.mark.parametrize("option", ["--csv", "--json", "--report"])
def test_scores_that_do_not_fit_are_one_line_and_no_file(tmp_path, option):
    folder = tmp_path / "case"
    mask = np.zeros((24, 40, 40), np.uint8)
    mask[5:10, 10:20, 10:20] = 1
    for side in "pr":
        save(mask, folder / side / "a.nii.gz")
    (folder / "out").mkdir()
    command = ["evaluate", str(folder / "p"), str(folder / "r"), option, str(folder / "out" / "scores.html")]
    code, _, stderr = run(command, folder, {}, {resource.RLIMIT_FSIZE: 30})
    assert code == 2
    assert left(folder) == []


def test_weights_that_do_not_fit_are_one_line_and_no_file(tmp_path):
    folder = tmp_path / "case"
    (folder / "out").mkdir(parents=True)
    code = (
        "import sys; sys.path[:0] = ['test']\n"
        "import resource; from pathlib import Path\n"
        "from faults.materials import bundle; from model.network.bundle import save_bundle\n"
        "from model.errors import InputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: save_bundle(bundle(), Path(sys.argv[1]))\n"
        "except InputError as error: print(error); sys.exit(2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "out/w.pt")], capture_output=True, text=True
    )
    assert done.returncode == 2 and "cannot be written" in done.stdout, done.stderr
    assert left(folder) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a small disk")
@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz", ".nrrd"])
def test_a_disk_that_is_really_full(tmp_path, suffix):
    folder = tmp_path / "case"
    noise(folder, suffix)
    (folder / "out").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder / "out")]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        (folder / "out" / "filler").write_bytes(bytes(8192))
        code, _, stderr = run(process(folder), folder, {})
        assert code == 2 and len(stderr.splitlines()) == 1, stderr
        assert left(folder) == ["filler"]
    finally:
        subprocess.run(["umount", str(folder / "out")], check=True)


def test_without_home_and_without_room_for_temporary_files(tmp_path):
    folder = tmp_path / "case"
    noise(folder, ".mha")
    nowhere = {name: "/nonexistent" for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR")}
    code, _, stderr = run(process(folder), folder, nowhere)
    assert (code, stderr) == (0, "")
    assert left(folder) == ["a.mha"]


def test_an_output_that_cannot_be_written_to_is_told_before_any_work(tmp_path):
    folder = tmp_path / "case"
    noise(folder, ".mha")
    command = process(folder)
    command[command.index("--output") + 1] = "/proc/self/out"
    code, stdout, stderr = run(command, folder, {})
    assert (code, stdout) == (2, "") and len(stderr.splitlines()) == 1
    assert weights()  # not loaded: nothing was logged


def test_the_mask_is_what_the_network_made(tmp_path):
    """The limits above would prove nothing if no mask were written without them."""
    folder = tmp_path / "case"
    noise(folder, ".mha")
    assert run(process(folder), folder, {})[0] == 0
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "out" / "a.mha"))).any() and patient().any()
