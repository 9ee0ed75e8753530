"""Wrong gradients in bfloat16 are found before training, and left for float32."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import training.run.precision as precision
from model.network.unet import UNet
from training.run.loop import train
from training.run.precision import TOLERANCE, Layer, gradient_error, layers, settle_precision
from training.run.processes import Processes
from training.run.state import fresh_state

CPU = torch.device("cpu")


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_the_layers_are_those_of_a_forward_pass(tiny_plan, residual):
    plan = replace(tiny_plan.data, residual=residual)
    network, seen = UNet(plan.network), set()

    def record(module, inputs, _):
        kind = isinstance(module, nn.ConvTranspose3d)
        channels = module.in_channels, module.out_channels
        seen.add(Layer(*channels, module.kernel_size, module.stride, kind, tuple(inputs[0].shape[2:])))

    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            module.register_forward_hook(record)
    network(torch.zeros(1, 2, *plan.patch_zyx))
    found = layers(plan.network, plan.patch_zyx)
    assert set(found) == seen and len(found) == len(seen)


def test_gradients_are_right_or_far_from_right():
    """So that the tolerance parts them, on whatever CPU: what is 2 deep is wrong on some."""
    errors = {
        depth: gradient_error(Layer(8, 16, (3, 3, 3), (1, 1, 1), False, (depth, 6, 6)), 2)
        for depth in (1, 2, 3, 4)
    }
    transposed = gradient_error(Layer(16, 8, (2, 2, 2), (2, 2, 2), True, (2, 4, 4)), 2)
    assert all(error < TOLERANCE / 5 for error in (errors[1], errors[3], errors[4], transposed))
    assert errors[2] < TOLERANCE / 5 or not errors[2] < 10 * TOLERANCE


@pytest.mark.parametrize("error", [1.0, 1e36, float("inf"), float("nan")])
def test_a_wrong_gradient_is_one_line_and_float32(tiny_plan, alone, monkeypatch, capsys, error):
    monkeypatch.setattr(
        precision, "gradient_error", lambda layer, batch: error if layer.size[0] == 4 else 0.003
    )
    state = fresh_state(tiny_plan, CPU)
    state.dtype = torch.bfloat16
    settle_precision(state, tiny_plan, alone)
    assert state.dtype == torch.float32
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: gradients in bfloat16 are wrong") and " on 4x" in line


def test_right_gradients_change_nothing(tiny_plan, alone, capsys):
    """Neither the precision nor a run's random numbers."""
    state = fresh_state(tiny_plan, CPU)
    state.dtype = torch.bfloat16
    before = torch.get_rng_state()
    settle_precision(state, tiny_plan, alone)
    assert state.dtype == torch.bfloat16 and torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr().out == ""


def test_float32_and_gpus_are_not_looked_at(tiny_plan, monkeypatch):
    monkeypatch.setattr(precision, "gradient_error", lambda layer, batch: pytest.fail("looked at"))
    state = fresh_state(tiny_plan, CPU)
    for dtype, device in ((torch.float32, "cpu"), (torch.bfloat16, "cuda")):
        state.dtype = dtype
        settle_precision(state, tiny_plan, Processes(0, 1, torch.device(device)))
        assert state.dtype == dtype


def test_training_on_what_is_two_deep_keeps_its_weights_finite(tiny_plan, tiny_cases, alone, tmp_path):
    """A plan that somebody asked for."""
    plan = replace(tiny_plan, data=replace(tiny_plan.data, patch_zyx=(4, 16, 16)), iterations=3)
    state = train(plan, tiny_cases, [], tmp_path, alone, resume=False)
    assert all(weights.isfinite().all() for weights in state.network.parameters())


def test_larger_patches_late_are_looked_at_too(tiny_plan, monkeypatch):
    late = replace(tiny_plan.data, patch_zyx=(8, 24, 24), batch=3)
    monkeypatch.setattr(precision, "gradient_error", lambda layer, batch: float(batch == 3))
    assert precision.wrong_gradient(tiny_plan) == ""
    assert "off by 100 %" in precision.wrong_gradient(replace(tiny_plan, late=late))
