"""Cases on the network's grid, on disk."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training.data.cache
from model.errors import InputError
from model.network.bundle import Normalisation
from phantom import make_phantom
from phantom.write import write_folder
from training.data.cache import (
    _tumours,
    cache_folder,
    cache_from_files,
    cache_gb,
    check_space,
    is_cached,
    load_case,
)
from training.data.plans import DataPlan
from training.data.sources import find_training_cases
from training.data.survey import survey_case

SCHEME = Normalisation(-200, 300, 30, 70)
PLAN = DataPlan(
    (3.0, 2.0, 2.0), (8, 8, 8), 1, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (SCHEME,) * 2
)


def test_the_cached_cases_take_what_was_estimated(tmp_path):
    phantom = make_phantom(9, 0, "small")
    write_folder(phantom, tmp_path / "case")
    (case,) = find_training_cases(tmp_path)
    cache_from_files(case, PLAN, tmp_path / "cache")
    size = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*"))
    assert cache_gb([survey_case(case)], PLAN) == pytest.approx(size / 1e9, rel=0.1)


def test_a_case_is_kept_until_a_file_of_it_changes(make, write, truth, tmp_path):
    make(tmp_path / "raw", "masks")
    (case,) = find_training_cases(tmp_path / "raw")
    assert not is_cached(case, tmp_path)
    cache_from_files(case, PLAN, tmp_path)
    assert is_cached(case, tmp_path)
    assert len(load_case(tmp_path / "case_1").tumour) == 2
    write(np.zeros_like(truth()), case.labels["GTVnd"])
    assert not is_cached(case, tmp_path)
    cache_from_files(case, PLAN, tmp_path)
    assert len(load_case(tmp_path / "case_1").tumour) == 1


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "tumours.npz", "source.json"])
@pytest.mark.parametrize("how", ["gone", "empty", "cut", "garbage", "another's"])
def test_a_kept_case_that_is_not_whole_counts_as_not_there(make, tmp_path, name, how):
    make(tmp_path / "raw", "masks")
    (case,) = find_training_cases(tmp_path / "raw")
    cache_from_files(case, PLAN, tmp_path)
    path = tmp_path / "case_1" / name
    whole = path.read_bytes()
    path.unlink()
    if how == "another's":
        np.save(path.open("wb"), np.zeros((3, 3, 3), np.uint8))
    elif how != "gone":
        path.write_bytes({"empty": b"", "cut": whole[:-1], "garbage": b"x" * len(whole)}[how])
    assert not is_cached(case, tmp_path)
    if name != "source.json":
        with pytest.raises(InputError, match="not a whole preprocessed case"):
            load_case(tmp_path / "case_1")
    cache_from_files(case, PLAN, tmp_path)
    assert is_cached(case, tmp_path) and path.read_bytes()[:10] == whole[:10]


@pytest.mark.parametrize("saved", ["before", "after"])
def test_what_is_saved_while_it_is_prepared_counts_as_not_prepared(
    make, write, truth, tmp_path, monkeypatch, saved
):
    make(tmp_path / "raw", "masks")
    (case,) = find_training_cases(tmp_path / "raw")
    read = training.data.cache.read_training_case

    def read_while_it_is_saved(case):
        if saved == "before":
            write(np.zeros_like(truth()), case.labels["GTVnd"])
        content = read(case)
        if saved == "after":
            write(np.zeros_like(truth()), case.labels["GTVnd"])
        return content

    monkeypatch.setattr(training.data.cache, "read_training_case", read_while_it_is_saved)
    cache_from_files(case, PLAN, tmp_path)
    assert not is_cached(case, tmp_path)


def test_a_case_that_is_gone_is_not_there(make, tmp_path):
    make(tmp_path / "raw", "masks")
    (case,) = find_training_cases(tmp_path / "raw")
    cache_from_files(case, PLAN, tmp_path)
    case.ce.unlink()
    assert not is_cached(case, tmp_path)


def test_a_ct_without_a_body_is_one_line(make, write, truth, tmp_path):
    make(tmp_path / "raw", "masks")
    (case,) = find_training_cases(tmp_path / "raw")
    write(np.full(truth().shape, -1000, np.int16), case.ct)
    with pytest.raises(InputError, match="case case_1: nothing denser than air"):
        cache_from_files(case, PLAN, tmp_path)


def test_a_disk_that_is_full_when_a_case_is_kept_leaves_it_not_there(make, tmp_path, monkeypatch):
    make(tmp_path / "raw", "masks")
    (case,) = find_training_cases(tmp_path / "raw")

    def full(path, array):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training.data.cache.np, "save", full)
    with pytest.raises(InputError, match="No space left on device"):
        cache_from_files(case, PLAN, tmp_path)
    assert not is_cached(case, tmp_path) and not list((tmp_path / "case_1").iterdir())


def test_a_grid_that_no_memory_holds_is_refused(make, tmp_path):
    make(tmp_path / "raw", "masks")
    surveys = [
        replace(survey_case(case), body_zyx=(5000, 5000, 5000))
        for case in find_training_cases(tmp_path / "raw")
    ]
    with pytest.raises(InputError, match="case case_1 would take"):
        check_space(tmp_path, surveys, PLAN)


def test_another_data_set_seed_or_preprocessing_has_another_folder(tmp_path):
    one = cache_folder(tmp_path, tmp_path / "a", 0, PLAN)
    assert one == cache_folder(tmp_path, tmp_path / "a", 0, replace(PLAN, batch=7))
    assert one == cache_folder(tmp_path, tmp_path / "a", 1, PLAN)  # a seed is of phantoms
    others = [(tmp_path / "b", 0, PLAN), (None, 0, PLAN), (None, 1, PLAN)]
    others.append((tmp_path / "a", 0, replace(PLAN, spacing_zyx=(3.0, 2.0, 1.0))))
    folders = {one, *(cache_folder(tmp_path, *other) for other in others)}
    assert len(folders) == 5


def test_what_another_version_prepared_is_not_met(tmp_path, monkeypatch):
    before = cache_folder(tmp_path, tmp_path / "a", 0, PLAN)
    monkeypatch.setattr(training.data.cache, "FORMAT", training.data.cache.FORMAT + 1)
    assert cache_folder(tmp_path, tmp_path / "a", 0, PLAN) != before


def test_a_disk_that_is_too_small_is_refused_before(make, tmp_path, monkeypatch):
    make(tmp_path / "raw", "masks")
    surveys = [survey_case(case) for case in find_training_cases(tmp_path / "raw")]
    check_space(tmp_path, surveys, PLAN)
    free = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(InputError, match="0.0 GB are free; "):
        check_space(tmp_path, surveys, PLAN)


def test_too_many_open_files_are_told_as_what_they_are(tmp_path, monkeypatch):
    def refused(path, **options):
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(np, "load", refused)
    with pytest.raises(InputError, match=r"more files are open at a time .*Too many open files\); raise the"):
        load_case(tmp_path)


def test_specks_beside_tumours_are_none_and_pieces_that_meet_at_a_corner_are_one():
    mask = np.zeros((20, 20, 20), bool)
    mask[2:6, 2:6, 2:6] = mask[6:8, 6:8, 6:8] = True  # 0.5 cm³, with a corner
    mask[15, 15, 15] = mask[18, 2, 2] = True
    (tumour,) = _tumours(mask, 0.007)
    assert len(tumour) == 64 + 8 and tumour.dtype == np.int32
    mask[:10] = False
    assert [len(piece) for piece in _tumours(mask, 0.007)] == [1, 1]  # nothing else is there
