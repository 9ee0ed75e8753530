"""python -m training.join makes one weights file of several folds'."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.network.bundle import Normalisation, load_bundle, save_bundle
from training.join import main
from training.results import write_result
from training.validate import LEAST_CM3


@pytest.fixture
def work(tmp_path, save_fold_weights, scored_fold):
    """Two folds that are done: weights in w/, results in work/."""
    for fold, names in enumerate(("abc", "de")):
        save_fold_weights(tmp_path / "w" / f"{fold}.pt", fold)
        result = scored_fold(str(fold), tmp_path / "w" / f"{fold}.pt", names, fold)
        write_result(result, tmp_path / "work" / f"fold-{fold}")
    return tmp_path / "work"


def files(work):
    return [work.parent / "w" / f"{fold}.pt" for fold in range(2)]


def run(work, *words) -> int:
    return main([*map(str, words), "--work", str(work), "--out", str(work.parent / "ensemble.pt")])


def test_a_work_folder_becomes_an_ensemble_with_scores_and_least_volumes(work, capsys):
    assert run(work) == 0
    ensemble = load_bundle(work.parent / "ensemble.pt")
    for state, path in zip(ensemble.states, files(work), strict=True):
        (alone,) = load_bundle(path).states
        assert state.keys() == alone.keys() and all(torch.equal(state[name], alone[name]) for name in alone)
    assert ensemble.least_cm3 == (0.0, LEAST_CM3[4])
    folds = ensemble.provenance["folds"]
    assert [(fold["file"], fold["command"]) for fold in folds] == [
        ("0.pt", "python train.py --fold 0"),
        ("1.pt", "python train.py --fold 1"),
    ]
    assert ensemble.provenance["metrics"]["data"].startswith("5 held-out cases of 2 folds")
    assert ensemble.provenance["metrics"]["summary"][0]["count"] == 5
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["0", "1", "all"]
    assert "GTVnd 0.3" in out and "2 networks" in out


def test_named_files_are_the_same_ensemble_whatever_was_noted_in_them_since(work, capsys):
    noted = load_bundle(files(work)[0])
    save_bundle(
        replace(noted, provenance=noted.provenance | {"metrics": {}}, least_cm3=(1.0, 1.0)),
        files(work)[0],
        None,
    )
    assert run(work, *files(work)) == 0
    assert load_bundle(work.parent / "ensemble.pt").least_cm3 == (0.0, LEAST_CM3[4])


def test_least_volumes_are_chosen_over_all_cases_not_fold_by_fold(work, tmp_path, scored_fold):
    """One fold of three gains by leaving pieces out what one of two loses twice over: together they do not gain."""
    result = scored_fold("1", files(work)[1], "de", 1)
    table = np.full((len(LEAST_CM3), 2), 0.0)
    table[0] = 0.95
    write_result(replace(result, by_least=(table, table)), work / "fold-1")
    assert run(work) == 0
    assert load_bundle(tmp_path / "ensemble.pt").least_cm3 == (0.0, 0.0)


def test_without_any_scores_the_least_volumes_are_none(work, capsys):
    assert run(work.parent / "elsewhere", *files(work)) == 0
    ensemble = load_bundle(work.parent / "ensemble.pt")
    assert ensemble.least_cm3 == (0.0, 0.0) and "metrics" not in ensemble.provenance
    assert "training.least" in capsys.readouterr().out


def test_folds_of_several_work_folders(work):
    (work.parent / "other").mkdir()
    (work / "fold-1").rename(work.parent / "other" / "fold-1")
    assert run(work, "--work", work.parent / "other") == 0
    assert len(load_bundle(work.parent / "ensemble.pt").states) == 2


OTHER = (Normalisation(-1000, 900, 0, 500),) * 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"patch_zyx": (8, 16, 32)}, "its patch is not that of"),
        ({"spacing_zyx": (4.0, 4.0, 4.5)}, "its spacing is not"),
        ({"normalisation": OTHER}, "its normalisation is not"),
        ({"channels": ("ce", "ct")}, "its order of channels is not"),
        ({"mirror_axes": ()}, "its mirrors is not"),
    ],
)
def test_what_does_not_fit_is_refused(work, save_fold_weights, capsys, changed, words):
    save_fold_weights(files(work)[1], 1, **changed)
    assert run(work, *files(work)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {files(work)[1]}: {words}") and not (work.parent / "ensemble.pt").exists()


def test_one_network_twice_is_refused(work, capsys):
    (files(work)[1]).write_bytes(files(work)[0].read_bytes())
    assert run(work, *files(work)) == 2
    assert "the same network as in" in capsys.readouterr().err
    assert run(work, files(work)[0], files(work)[0]) == 2
    assert "given twice" in capsys.readouterr().err


def test_scores_of_some_folds_alone_are_refused(work, capsys):
    (work / "fold-1" / "result.json").unlink()
    assert run(work, *files(work)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {files(work)[1]}: no scores of its held-out cases")


def test_weights_that_a_fold_no_longer_has_are_refused(work, save_fold_weights, capsys):
    save_fold_weights(files(work)[1], 9)
    assert run(work) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {files(work)[1]}: holds other weights than those of fold 1; ")
    assert run(work, *files(work)) == 2
    assert "no scores of its held-out cases" in capsys.readouterr().err
    save_fold_weights(files(work)[0], 8)
    assert run(work) == 2 and not (work.parent / "ensemble.pt").exists()
    assert "than those of fold 0" in capsys.readouterr().err
    files(work)[1].unlink()
    assert run(work) == 2
    assert f"error: {files(work)[1]}: no such weights file" in capsys.readouterr().err


def test_folds_of_different_divisions_are_refused(work, scored_fold, capsys):
    write_result(scored_fold("1", files(work)[1], "cd", 1), work / "fold-1")
    assert run(work) == 2
    (line,) = capsys.readouterr().err.splitlines()
    both = "fold 0 (0.pt) and by fold 1 (1.pt)"
    assert line.startswith(f"error: {work}: case c is held out by {both}; name the weights")
    assert run(work, *files(work)) == 0
    assert "1 of them held out by another fold before" in capsys.readouterr().out


def test_nothing_to_join_is_refused(work, capsys):
    assert run(work.parent / "elsewhere") == 2
    assert "0 folds that are done" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(work, files(work)[0])
    assert "one file is no ensemble" in capsys.readouterr().err


def test_a_folds_file_is_not_overwritten(work, capsys):
    before = files(work)[0].read_bytes()
    assert main(["--work", str(work), "--out", str(files(work)[0])]) == 2
    assert capsys.readouterr().err.startswith("error: --out: ") and files(work)[0].read_bytes() == before
