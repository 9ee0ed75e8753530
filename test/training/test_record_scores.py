"""An evaluation's figures go into the weights file."""

import json

import numpy as np
import pytest
import torch

from evaluation.findings import findings
from evaluation.metrics import score
from evaluation.output import json_text
from evaluation.run import CaseResult, Settings
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training.record_scores import main

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


@pytest.fixture
def weights(tmp_path):
    """A weights file, and what is in it."""
    scheme = Normalisation(-1000, 1000, 0, 500)
    state = UNet(PLAN).state_dict()
    bundle = Bundle(PLAN, (8, 16, 16), (4.0, 4.0, 4.0), (scheme, scheme), (0, 1, 2), {"data": "x"}, (state,))
    save_bundle(bundle, tmp_path / "w.pt", None)
    return tmp_path / "w.pt"


SCORES = json.dumps({"summary": [{"measure": "dsc", "mean": 0.5}]})


@pytest.mark.parametrize(
    "content",
    [
        None, "", "{", "[]", "3", "{}", '{"summary": 3}', '{"summary": []}', '{"summary": [3]}', '{"summary": [{}]}',
        '{"summary": [{"mean": [1]}]}', '{"summary": [{"mean": NaN}]}', '{"summary": [{"mean": true}]}',
        '{"summary": [{"mean": 1, "sd": Infinity}]}', '{"summary": [{"mean": 1, "ci95": [false, 1]}]}',
        '{"summary": [{"mean": 1, "ci95": [[1]]}]}',
        '{"summary": ' + "[" * 100_000, '{"summary": [{"mean": ' + "9" * 5000 + "}]}",
    ],
)  # fmt: skip
def test_scores_that_are_none_are_one_line_and_change_nothing(weights, tmp_path, capsys, content):
    before = weights.read_bytes()
    if content is not None:
        (tmp_path / "s.json").write_text(content)
    assert main([str(weights), str(tmp_path / "s.json"), "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 's.json'}: ") and weights.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_weights_that_are_none_are_one_line(tmp_path, capsys, content):
    (tmp_path / "s.json").write_text(SCORES)
    if content is not None:
        (tmp_path / "w.pt").write_bytes(content)
    assert main([str(tmp_path / "w.pt"), str(tmp_path / "s.json"), "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'w.pt'}: ")


@pytest.mark.parametrize("words", [[], ["w.pt"], ["a", "b", "c", "d"], ["--nonsense"]])
def test_a_command_line_that_makes_no_sense_is_one_line(capsys, words):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


def test_scores_are_added_and_all_else_stays(tmp_path, capsys):
    scheme = Normalisation(-1000, 1000, 0, 500)
    state = UNet(PLAN).state_dict()
    bundle = Bundle(PLAN, (8, 16, 16), (4.0, 4.0, 4.0), (scheme, scheme), (0, 1, 2), {"data": "x"}, (state,))
    save_bundle(bundle, tmp_path / "w.pt", None)
    (tmp_path / "s.json").write_text(json.dumps({"summary": [{"measure": "dsc", "mean": 0.5}], "other": 1}))
    assert main([str(tmp_path / "w.pt"), str(tmp_path / "s.json"), "sixty phantoms"]) == 0
    loaded = load_bundle(tmp_path / "w.pt")
    scores = {"data": "sixty phantoms", "summary": [{"measure": "dsc", "mean": 0.5}]}
    assert loaded.provenance == {"data": "x", "metrics": scores}
    for name, tensor in state.items():
        assert torch.equal(loaded.states[0][name], tensor)
    assert "recorded 1 figures" in capsys.readouterr().out


def test_what_the_evaluator_writes_is_recorded(weights, tmp_path):
    mask, settings = np.zeros((4, 6, 6), bool), Settings(("GTVp",), (1.0,))
    mask[1:3, 2:4, 2:5] = True
    others = (mask, np.roll(mask, 1, 2))
    scores = [score(other, mask, (3.0, 1.0, 1.0), settings.tolerances_mm) for other in others]
    results = [CaseResult(f"c{k}", {"GTVp": found}, ()) for k, found in enumerate(scores)]
    content = json_text(findings(results, [], settings))
    (tmp_path / "s.json").write_text(content)
    assert main([str(weights), str(tmp_path / "s.json"), "two cases"]) == 0
    recorded = load_bundle(weights).provenance["metrics"]
    assert recorded["data"] == "two cases" and recorded["summary"] == json.loads(content)["summary"]
