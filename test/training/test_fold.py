"""One fold, trained and written; what the options mean for it."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import training.fold
from model.errors import InputError
from model.network.bundle import Normalisation, load_bundle
from training.data.augment import Augmentation
from training.data.patches import Sampling
from training.data.plans import DataPlan
from training.fold import Fold, Job, check_late, run_plan, train_fold
from training.options import parse_arguments
from training.run.processes import Processes
from training.run.recipe import Recipe

SCHEME = Normalisation(-200, 300, 30, 70)
DATA = DataPlan(
    (3.0, 2.0, 2.0), (8, 8, 8), 1, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (SCHEME,) * 2
)
ALONE = Processes(0, 1, torch.device("cpu"))


def options(folder: Path, *words: str):
    return parse_arguments(["raw", "--out", "w.pt", "--work", str(folder), "--device", "cpu", *words], None)


@pytest.fixture
def job(tmp_path) -> Job:
    """Three prepared cases of noise."""
    for name in "abc":
        (tmp_path / "cache" / name).mkdir(parents=True)
        np.savez(tmp_path / "cache" / name / "tumours.npz")
        rng = np.random.default_rng(0)
        np.save(tmp_path / "cache" / name / "image.npy", rng.normal(size=(2, 10, 12, 12)).astype(np.float16))
        np.save(tmp_path / "cache" / name / "label.npy", np.zeros((10, 12, 12), np.uint8))
    cases = [SimpleNamespace(name=name) for name in "abc"]
    args = options(tmp_path / "work", "--minutes", "0.003", "--seed", "3")
    return Job(args, ["train.py", "raw"], "abc", None, cases, DATA, tmp_path / "cache")


def test_a_fold_has_its_own_folder_and_scores_what_it_held_out(job, tmp_path, monkeypatch):
    unseen = {}
    finish = training.fold.finish
    monkeypatch.setattr(
        training.fold,
        "finish",
        lambda name, bundle, out, held, device, folder: (
            unseen.update({folder.name: [case.name for case in held]}),
            finish(name, bundle, out, [], device, folder),
        ),
    )
    for fold in (Fold("1", ("a", "b"), ("c",)), Fold("all", ("a", "b", "c"), ())):
        assert train_fold(job, fold, tmp_path / f"{fold.name}.pt", ALONE)
        assert (tmp_path / "work" / f"fold_{fold.name}" / "checkpoint.pt").exists()
        told = load_bundle(tmp_path / f"{fold.name}.pt").provenance
        assert told["data"] == f"{len(fold.training)} cases of raw" and told["commit"] == "abc"
        assert told["fold"] == fold.name
    assert unseen == {"fold_1": ["c"], "fold_all": []}


def test_a_run_that_is_asked_to_end_writes_no_weights(job, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        training.fold, "train", lambda *given, **options: SimpleNamespace(finished=False, iteration=7)
    )
    assert not train_fold(job, Fold("all", ("a", "b"), ()), tmp_path / "w.pt", ALONE)
    assert "after 7 iterations; go on with --resume" in capsys.readouterr().out
    assert not (tmp_path / "w.pt").exists()


def test_a_run_lasts_for_epochs_or_for_minutes(tmp_path):
    by_epochs = run_plan(options(tmp_path, "--epochs", "3"), DATA, Fold("0", ("a",), ("b",)))
    assert (by_epochs.iterations, by_epochs.minutes, by_epochs.names) == (750, None, ("a",))
    assert by_epochs.held_out == ("b",)
    by_minutes = run_plan(
        options(tmp_path, "--minutes", "3", "--optimiser", "adamw"), DATA, Fold("all", (), ())
    )
    assert (by_minutes.iterations, by_minutes.minutes, by_minutes.learning_rate) == (None, 3.0, 1e-3)


def test_the_weights_have_the_patch_that_the_network_saw_last(job, tmp_path, monkeypatch, capsys):
    recipe = Recipe(sampling=Sampling(late_share=0.5, late_growth=(1.0, 1.6, 1.3)))
    job = replace(job, data=replace(DATA, batch=2))
    job.args.recipe, job.args.minutes, job.args.epochs = recipe, None, 1
    monkeypatch.setattr(training.fold, "EPOCH", 2)
    fold = Fold("all", ("a", "b"), ())
    assert train_fold(job, fold, tmp_path / "w.pt", ALONE)
    assert load_bundle(tmp_path / "w.pt").patch_zyx == (8, 12, 10)
    assert "patches of 8 x 12 x 10, 1 in a batch" in capsys.readouterr().out
    job.args.recipe = Recipe(sampling=Sampling(late_share=0.5, late_growth=(1.1, 1.1, 1.1)))
    with pytest.raises(InputError, match="late_growth"):
        train_fold(job, fold, tmp_path / "w.pt", ALONE)


def test_patches_that_no_cases_let_grow_are_refused_before_cases_are_prepared(tmp_path):
    args = options(tmp_path, "--memory-gb", "8")
    for growth, refused in (((1.0, 1.1, 1.1), True), ((1.0, 2.0, 2.0), False)):
        args.recipe = Recipe(sampling=Sampling(late_share=0.5, late_growth=growth))
        with pytest.raises(InputError, match="late_growth") if refused else nullcontext():
            check_late(args, DATA)
    args.memory_gb = None  # then one larger patch takes more than the plan's one patch does
    with pytest.raises(InputError, match=r"more --memory-gb"):
        check_late(args, DATA)


@pytest.mark.parametrize(("mirror", "axes"), [(0.5, (0, 1, 2)), (0.0, ())])
def test_weights_trained_without_mirrors_are_run_without(job, tmp_path, mirror, axes):
    job.args.recipe = Recipe(Augmentation(mirror=mirror))
    assert train_fold(job, Fold("all", ("a", "b"), ()), tmp_path / "w.pt", ALONE)
    assert load_bundle(tmp_path / "w.pt").mirror_axes == axes
