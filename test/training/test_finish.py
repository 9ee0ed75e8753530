"""The weights are written first, then scored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import training.finish
from evaluation.metrics import score
from evaluation.run import CaseResult
from model.errors import InputError
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training.data.sources import TrainingCase
from training.finish import finish
from training.results import RESULT
from training.validate import LEAST_CM3, SETTINGS

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


@pytest.fixture
def bundle() -> Bundle:
    scheme = Normalisation(-1000, 1000, 0, 500)
    state = UNet(PLAN).state_dict()
    return Bundle(PLAN, (8, 16, 16), (4.0, 4.0, 4.0), (scheme, scheme), (0, 1, 2), {"data": "x"}, (state,))


def test_without_held_out_cases_the_weights_are_all(bundle, tmp_path, capsys):
    finish("0", bundle, tmp_path / "w.pt", [], "cpu", tmp_path / "work")
    assert load_bundle(tmp_path / "w.pt").provenance == {"data": "x"}
    assert capsys.readouterr().out == f"wrote {tmp_path / 'w.pt'}\n"


def test_scores_and_least_volumes_of_held_out_cases_are_added(bundle, tmp_path, capsys, monkeypatch):
    mask = np.zeros((4, 6, 6), bool)
    mask[1:3, 2:4, 2:4] = True
    result = CaseResult(
        "a", {name: score(mask, mask, (3.0, 1.0, 1.0), (1.0,)) for name in SETTINGS.structures}, ()
    )
    by_least = np.full((len(LEAST_CM3), 2), 0.5)
    by_least[4:, 1] = 0.9

    def validate(weights, cases, device):
        assert load_bundle(tmp_path / "w.pt").least_cm3 == (0.0, 0.0)  # they are safe before
        yield result, by_least

    monkeypatch.setattr(training.finish, "validate", validate)
    finish("0", bundle, tmp_path / "w.pt", [None], "cpu", tmp_path / "work")
    loaded = load_bundle(tmp_path / "w.pt")
    assert loaded.least_cm3 == (0.0, LEAST_CM3[4])
    assert loaded.provenance["metrics"]["data"].startswith("1 held-out cases")
    assert loaded.provenance["metrics"]["summary"][0]["mean"] == 1.0
    assert (tmp_path / "work" / "validation.csv").read_text().startswith("case,structure,dsc")
    assert "GTVnd 0.3" in capsys.readouterr().out
    for name, tensor in bundle.states[0].items():
        torch.testing.assert_close(loaded.states[0][name].float(), tensor, rtol=1e-3, atol=1e-6)


def test_a_validation_that_fails_leaves_the_weights(bundle, tmp_path, capsys, monkeypatch):
    def validate(weights, cases, device):
        raise InputError("a", "unreadable", "replace it")
        yield

    monkeypatch.setattr(training.finish, "validate", validate)
    with pytest.raises(InputError, match="unreadable"):
        finish("0", bundle, tmp_path / "w.pt", [None], "cpu", tmp_path / "work")
    assert load_bundle(tmp_path / "w.pt").provenance == {"data": "x"}
    assert f"wrote {tmp_path / 'w.pt'}" in capsys.readouterr().out


def test_where_the_weights_cannot_be_written_it_is_said_that_they_are_not_lost(bundle, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError, match=r"file/w\.pt: cannot be written .*; .* then --resume: the checkpoint has them"
    ):
        finish("0", bundle, tmp_path / "file" / "w.pt", [], "cpu", tmp_path / "work")


def test_what_is_finished_is_not_scored_again(bundle, tmp_path, capsys, monkeypatch, scored_fold):
    """Neither when it is finished once more, nor after notes in the file; other weights, cases or places are."""
    out, work = tmp_path / "w.pt", tmp_path / "work"
    names = []

    def validate(weights, cases, device):
        names.append("".join(case.name for case in cases))
        result = scored_fold("0", out, names[-1])
        yield from zip(result.cases, result.by_least, strict=True)

    monkeypatch.setattr(training.finish, "validate", validate)
    a, b, c = (TrainingCase(name, Path(), Path(), {}) for name in "abc")
    finish("0", bundle, out, [a, b], "cpu", work)
    record_scores = replace(load_bundle(out), least_cm3=(1.0, 1.0))
    save_bundle(record_scores, out)
    before = out.read_bytes()
    finish("0", bundle, out, [a, b], "cpu", work)
    finish("0", bundle, out, [], "cpu", work)
    assert names == ["ab"] and out.read_bytes() == before
    assert f"fold 0 is finished: {out}" in capsys.readouterr().out
    finish("0", bundle, out, [a, b, c], "cpu", work)
    out.rename(tmp_path / "other.pt")
    finish("0", bundle, out, [a, b, c], "cpu", work)
    other = {name: tensor + 1 for name, tensor in bundle.states[0].items()}
    finish("0", replace(bundle, states=(other,)), out, [c], "cpu", work)
    (work / RESULT).write_text("cut")
    finish("0", replace(bundle, states=(other,)), out, [c], "cpu", work)
    assert names == ["ab", "abc", "abc", "c", "c"]


def test_the_result_is_there_only_once_all_is_done(bundle, tmp_path, monkeypatch, scored_fold):
    def validate(weights, cases, device):
        assert not (tmp_path / "work" / RESULT).exists()
        raise InputError("a", "unreadable", "replace it")
        yield

    finish("0", bundle, tmp_path / "w.pt", [], "cpu", tmp_path / "work")
    assert (tmp_path / "work" / RESULT).exists()
    monkeypatch.setattr(training.finish, "validate", validate)
    with pytest.raises(InputError, match="unreadable"):
        finish(
            "0", bundle, tmp_path / "w.pt", [TrainingCase("a", Path(), Path(), {})], "cpu", tmp_path / "work"
        )
    assert not (tmp_path / "work" / RESULT).exists()
