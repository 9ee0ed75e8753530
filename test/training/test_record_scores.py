"""An evaluation's figures go into the weights file."""

import json

import torch

from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training.record_scores import main

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


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
