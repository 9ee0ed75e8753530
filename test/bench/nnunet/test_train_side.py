"""nnU-Net's side, as far as it goes without nnU-Net."""

import argparse
from types import SimpleNamespace

import pytest
import torch

from bench.nnunet.format import configuration_of
from bench.nnunet.train_side import CONFIGURATION, load, matched, save, share
from model.network.bundle import Bundle, Normalisation
from model.network.plan import NetworkPlan

LIKE = {
    "spacing_zyx": [3.0, 2.0, 2.0],
    "patch_zyx": [16, 32, 32],
    "batch": 3,
    "features": [8, 16, 32],
    "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
}


def test_its_plan_takes_what_ours_has_and_keeps_the_rest():
    network = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (2, 2), (2,))
    scheme = Normalisation(-150.0, 250.0, 40.0, 60.0)
    before = configuration_of(Bundle(network, (8, 8, 8), (1.0,) * 3, (scheme,) * 2, (), {}, ()))
    rest = {key: value for key, value in before.items() if key.startswith(("resampling", "normalization"))}
    before["median_image_size_in_voxels"] = [40, 60, 60]
    plans = {"configurations": {CONFIGURATION: before}, "transpose_forward": [1, 0, 2]}
    after = matched(plans, LIKE)["configurations"][CONFIGURATION]
    assert (
        plans["transpose_forward"] == plans["transpose_backward"] == [0, 1, 2]
    )  # else patch and kernels turn with it
    assert (after["spacing"], after["patch_size"], after["batch_size"]) == ([3, 2, 2], [16, 32, 32], 3)
    of_network = after["architecture"]["arch_kwargs"]
    assert of_network["features_per_stage"] == [8, 16, 32] and of_network["n_stages"] == 3
    assert of_network["n_conv_per_stage"] == [2, 2, 2] and of_network["n_conv_per_stage_decoder"] == [2, 2]
    assert of_network["kernel_sizes"] == LIKE["kernels"] and of_network["conv_bias"] is True
    assert rest.items() <= after.items()
    for size, batch_dice in (([20, 50, 50], False), ([40, 60, 60], True)):
        own = before | {"median_image_size_in_voxels": size, "spacing": [3.0, 2.0, 2.0]}
        after = matched({"configurations": {CONFIGURATION: own}}, LIKE)["configurations"][CONFIGURATION]
        assert after["batch_dice"] is batch_dice
    with pytest.raises(SystemExit, match="residual"):
        matched(plans, LIKE | {"residual": True})


def test_the_share_is_of_minutes_or_of_iterations():
    assert share(argparse.Namespace(iterations=None, minutes=2.0), 7, 30.0) == 0.25
    assert share(argparse.Namespace(iterations=500, minutes=None), 250, 1e9) == 0.5


def trainer() -> SimpleNamespace:
    network = torch.nn.Linear(2, 2)
    return SimpleNamespace(
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True),
        grad_scaler=None,
    )


def test_a_checkpoint_brings_back_weights_and_momentum(tmp_path):
    first, second = trainer(), trainer()
    first.network(torch.ones(1, 2)).sum().backward()
    first.optimizer.step()
    assert load(second, tmp_path / "c.pt", "budget", "cpu") == (0, 0.0)
    save(first, tmp_path / "c.pt", "budget", 12, 3.5)
    assert load(second, tmp_path / "c.pt", "another", "cpu") == (0, 0.0)
    assert not torch.equal(first.network.weight, second.network.weight)
    assert load(second, tmp_path / "c.pt", "budget", "cpu") == (12, 3.5)
    torch.testing.assert_close(second.network.weight, first.network.weight)
    (one, other) = (list(t.optimizer.state.values())[0]["momentum_buffer"] for t in (first, second))
    assert torch.equal(one, other)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.parametrize("compiled", [True, False])
def test_a_compiled_network_is_saved_under_its_own_names(tmp_path, compiled):
    of = trainer()
    names = list(of.network.state_dict())
    if compiled:
        of.network = SimpleNamespace(_orig_mod=of.network)
    save(of, tmp_path / "c.pt", "", 1, 1.0)
    assert list(torch.load(tmp_path / "c.pt", weights_only=True)["network"]) == names
