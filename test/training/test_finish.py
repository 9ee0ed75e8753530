"""The weights are written first, then scored."""

import numpy as np
import pytest
import torch

import training.finish
from evaluation.metrics import score
from evaluation.run import CaseResult
from model.errors import InputError
from model.network.bundle import Bundle, Normalisation, load_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training.finish import finish
from training.validate import LEAST_CM3, SETTINGS

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


@pytest.fixture
def bundle() -> Bundle:
    scheme = Normalisation(-1000, 1000, 0, 500)
    state = UNet(PLAN).state_dict()
    return Bundle(PLAN, (8, 16, 16), (4.0, 4.0, 4.0), (scheme, scheme), (0, 1, 2), {"data": "x"}, (state,))


def test_without_held_out_cases_the_weights_are_all(bundle, tmp_path, capsys):
    finish(bundle, tmp_path / "w.pt", [], "cpu", tmp_path / "work")
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
    finish(bundle, tmp_path / "w.pt", [None], "cpu", tmp_path / "work")
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
        finish(bundle, tmp_path / "w.pt", [None], "cpu", tmp_path / "work")
    assert load_bundle(tmp_path / "w.pt").provenance == {"data": "x"}
    assert f"wrote {tmp_path / 'w.pt'}" in capsys.readouterr().out


def test_where_the_weights_cannot_be_written_it_is_said_that_they_are_not_lost(bundle, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError, match=r"file/w\.pt: cannot be written .*; .* then --resume: the checkpoint has them"
    ):
        finish(bundle, tmp_path / "file" / "w.pt", [], "cpu", tmp_path / "work")
