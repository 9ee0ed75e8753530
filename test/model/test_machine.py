"""What the machine has to give."""

import os

import pytest

import model.machine as machine


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("", 8), ("1 0", 8)]
)
def test_cores_are_those_of_the_process_or_the_containers_share(monkeypatch, tmp_path, limit, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "CORES_LIMIT", tmp_path / "cpu.max")
    assert machine.usable_cores() == 8
    machine.CORES_LIMIT.write_text(limit)
    assert machine.usable_cores() == cores


def test_memory_is_what_is_available_or_the_containers_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "MEMORY_LIMITS", (tmp_path / "none", tmp_path / "limit"))
    whole = machine.available_bytes()
    assert whole == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    machine.MEMINFO.write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    assert machine.available_bytes() == 4_096_000
    (tmp_path / "limit").write_text("2000000")
    assert machine.available_bytes() == 2_000_000
