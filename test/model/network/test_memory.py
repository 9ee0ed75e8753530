"""Memory that is freed while a network works stays with the process, and goes back at the end."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.network.memory import peak_bytes

PROGRAM = """
import ctypes, resource
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: with huge pages the count depends on the machine
from contextlib import nullcontext
import numpy as np
from model.network.memory import kept_memory

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6

with kept_memory() if {kept} else nullcontext():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(5_000_000)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    inside = resident_mb()
print(faults, inside - resident_mb())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_blocks_are_used_again_and_given_back(root):
    """Twenty arrays of 40 MB one after the other: without it each is fetched from the kernel anew."""

    def run(kept: bool) -> tuple[float, float]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(kept=kept)],
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
        faults, returned_mb = map(float, done.stdout.split())
        return faults, returned_mb

    (few, returned_mb), (many, _) = run(True), run(False)
    assert few < many / 3
    assert returned_mb > 30


def test_the_peak_is_of_the_whole_process_in_bytes(root):
    """In a process of its own; what its parent took counts as its own from the beginning."""
    code = (
        "import numpy as np; from model.network.memory import peak_bytes; before = peak_bytes();"
        "np.ones(before // 8 + 25_000_000); print(before, peak_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before + 200e6 < after < before + 400e6


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_each_system_has_its_unit(monkeypatch, system, unit):
    usage = SimpleNamespace(ru_maxrss=7)
    monkeypatch.setitem(sys.modules, "resource", SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: usage))
    monkeypatch.setattr(sys, "platform", system)
    assert peak_bytes() == 7 * unit
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_bytes() == 0


def test_torch_is_whole_without_what_its_compiler_needs_and_that_can_still_be_had(root):
    """In a process of its own, as after every start: a network is checked, built and run; then the rest is loaded."""
    code = """
import sys
from model.network.memory import import_torch
import_torch()
import torch
assert "torch._meta_registrations" not in sys.modules and "torch._decomp.decompositions" not in sys.modules
from model.network.bundle import check_bundle, load_bundle
from pathlib import Path
(network,) = load_bundle(Path("weights/gtv.pt")).build_networks()
with torch.no_grad():
    assert torch.isfinite(network(torch.zeros(1, 2, 16, 32, 32))).all()
import torch._meta_registrations
assert torch._meta_registrations.register_meta and torch.empty(2, device="meta").cumsum(0).shape == (2,)
import_torch()
"""
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
