"""Cases on the network's grid, on disk."""

import shutil

import numpy as np
import pytest

from model.errors import InputError
from model.network.bundle import Normalisation
from phantom import make_phantom
from phantom.write import write_folder
from training.data.cache import (
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


def test_another_data_set_seed_or_preprocessing_has_another_folder(tmp_path):
    from dataclasses import replace

    one = cache_folder(tmp_path, tmp_path / "a", 0, PLAN)
    assert one == cache_folder(tmp_path, tmp_path / "a", 0, replace(PLAN, batch=7))
    others = [(tmp_path / "b", 0, PLAN), (None, 0, PLAN), (tmp_path / "a", 1, PLAN)]
    others.append((tmp_path / "a", 0, replace(PLAN, spacing_zyx=(3.0, 2.0, 1.0))))
    folders = {one, *(cache_folder(tmp_path, *other) for other in others)}
    assert len(folders) == 5


def test_a_disk_that_is_too_small_is_refused_before(make, tmp_path, monkeypatch):
    make(tmp_path / "raw", "masks")
    surveys = [survey_case(case) for case in find_training_cases(tmp_path / "raw")]
    check_space(tmp_path, surveys, PLAN)
    free = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(InputError, match="0.0 GB are free; "):
        check_space(tmp_path, surveys, PLAN)
