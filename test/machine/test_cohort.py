"""Many cases: memory that does not grow, bytes that do not depend on threads or processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.materials import process, save_pair

SOAK = """
import sys
sys.path[:0] = [ROOT, ROOT + "/test"]
import process
from model.cohort import segmenting

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

sizes = []
finish = segmenting.finish
def measured(*arguments):
    outcome = finish(*arguments)
    sizes.append(resident())
    return outcome
segmenting.finish = measured
code = process.main(sys.argv[1:])
print("sizes", len(sizes), sizes[9], sizes[-1], max(sizes[9:]))
sys.exit(code)
"""


def command(folder: Path, out: Path, *options: str) -> list[str]:
    _, *arguments = process(folder, *options)
    arguments[arguments.index("--output") + 1] = str(out)
    return arguments


@pytest.mark.slow
def test_a_hundred_cases_take_no_more_memory_than_ten(tmp_path, root):
    first = tmp_path / "in" / "p000"
    save_pair(first)
    for number in range(1, 100):
        (tmp_path / "in" / f"p{number:03}").symlink_to(first)
    done = subprocess.run(
        [sys.executable, "-c", SOAK.replace("ROOT", repr(str(root))), *command(tmp_path, tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    count, tenth, last, most = map(int, done.stdout.splitlines()[-1].split()[1:])
    assert count == 100 and len(list((tmp_path / "out").glob("*.nii.gz"))) == 100
    assert last < 1.05 * tenth, (
        f"{tenth / 1e6:.0f} MB after case 10, {last / 1e6:.0f} after case 100, {most / 1e6:.0f} at most"
    )


def run(root: Path, arguments: list[str], *before: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *before, str(root / "process.py"), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def masks(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.nii.gz")}


@pytest.mark.slow
def test_bytes_are_the_same_run_to_run_whatever_the_threads(tmp_path, root):
    for name in "ab":
        save_pair(tmp_path / "in" / name)
    results = []
    for number, threads in enumerate("121"):
        out = tmp_path / f"out{number}"
        run(root, command(tmp_path, out, "--precision", "fp32"), OMP_NUM_THREADS=threads)
        results.append(masks(out))
    assert len(results[0]) == 2 and results[0] == results[1] == results[2]


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_one(tmp_path, root):
    for name in "abcde":
        save_pair(tmp_path / "in" / name)
    run(root, command(tmp_path, tmp_path / "one"), OMP_NUM_THREADS="1")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run(root, command(tmp_path, tmp_path / "two"), *torchrun, OMP_NUM_THREADS="1")
    assert len(masks(tmp_path / "one")) == 5
    assert masks(tmp_path / "one") == masks(tmp_path / "two")
    lines = (tmp_path / "two" / "manifest.jsonl").read_text().splitlines()
    assert len(lines) == 5


@pytest.mark.slow
def test_one_bad_case_under_torchrun_does_not_end_the_others(tmp_path, root):
    for name in "abcd":
        save_pair(tmp_path / "in" / name)
    (tmp_path / "in" / "a" / "image.nii.gz").write_bytes(b"")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(root / "process.py"), *command(tmp_path, tmp_path / "out")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0 and "a/image.nii.gz" in done.stderr
    assert sorted(masks(tmp_path / "out")) == ["b.nii.gz", "c.nii.gz", "d.nii.gz"]


KILLED = """
import os, signal, sys
sys.path.insert(0, ROOT)
import process
from model.cohort import segmenting

finish = segmenting.finish
def killed(*arguments):
    outcome = finish(*arguments)
    if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return outcome
segmenting.finish = killed
sys.exit(process.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_what_a_killed_process_left_is_done_by_the_restart(tmp_path, root):
    for name in "abcdef":
        save_pair(tmp_path / "in" / name)
    (tmp_path / "killed.py").write_text(KILLED.replace("ROOT", repr(str(root))))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    done = subprocess.run(
        [sys.executable, *torchrun, str(tmp_path / "killed.py"), *command(tmp_path, tmp_path / "out")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(masks(tmp_path / "out")) == [f"{name}.nii.gz" for name in "abcdef"]
    assert len(set(masks(tmp_path / "out").values())) == 1
    assert "resume: " in done.stdout
