"""Cases shared out over processes."""

import os
import subprocess
import sys

import pytest

from model.cohort.ranks import Rank, this_rank, wait_for_all
from model.errors import InputError


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_case_is_in_one_share(count):
    cases = list(range(5))
    shares = [Rank(number, count).share(cases) for number in range(count)]
    assert sorted(case for share in shares for case in share) == cases
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_environment_says_who_we_are(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert this_rank() == Rank(0, 1, 0, restarted=False)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    assert this_rank() == Rank(3, 8, 1, restarted=True)


@pytest.mark.parametrize(
    ("rank", "count"),
    [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "0"), ("0", "1.5"), ("٣", "9"), ("", "4"), ("0", "9" * 5000)],
)
def test_nonsense_is_refused(monkeypatch, rank, count):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    with pytest.raises(InputError):
        this_rank()


def test_alone_nothing_is_waited_for():
    wait_for_all(Rank())
    wait_for_all(Rank(0, 2))  # not under torchrun


CODE = """
import sys, time
from model.cohort.ranks import this_rank, wait_for_all
rank = this_rank()
time.sleep(2 * rank.number)
wait_for_all(rank)
open(sys.argv[1] + str(rank.number), "w").close()
sys.exit(3 if rank.number == 0 else 0)
"""


def test_one_that_ends_with_an_error_does_not_end_the_others(root, tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(tmp_path / "code.py"), str(tmp_path / "end")],
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=100,
    )
    assert done.returncode != 0
    assert sorted(path.name for path in tmp_path.glob("end*")) == ["end0", "end1"]
