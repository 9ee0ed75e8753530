"""The seed's initial weights."""

from dataclasses import replace

import torch

from model.inference.predictor import Predictor, Prepared
from model.inference.shortcuts import EXHAUSTIVE
from model.inference.windows import windows_touching
from model.network.bundle import Bundle, load_bundle, save_bundle
from model.network.unet import ResidualBlock
from training.run.loop import train
from training.run.state import MOST_AVERAGED, fresh_state, training_dtype


def test_two_stages_train_their_only_head(tiny_plan, tiny_cases, alone, tmp_path):
    data = replace(
        tiny_plan.data,
        features=(4, 8),
        kernels=tiny_plan.data.kernels[:2],
        strides=tiny_plan.data.strides[:2],
    )
    plan = replace(tiny_plan, data=data, iterations=3)
    state = train(plan, tiny_cases, [], tmp_path, alone, resume=False)
    fresh = fresh_state(plan, torch.device("cpu"))
    head, before = (s.network.decoder.seg_layers[0].weight for s in (state, fresh))
    assert not torch.equal(head, before)


def test_the_seed_fixes_the_weights(tiny_plan, weights_of):
    cpu = torch.device("cpu")
    one, same, other = (weights_of(fresh_state(replace(tiny_plan, seed=seed), cpu)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_lowest_resolution_has_no_gradient(tiny_plan):
    network = fresh_state(tiny_plan, torch.device("cpu")).network
    assert [head.weight.requires_grad for head in network.decoder.seg_layers] == [False, True]


def test_half_precision_is_scaled_on_old_gpus_alone(monkeypatch):
    for capability, dtype in (((7, 5), torch.float16), ((8, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert training_dtype(torch.device("cuda")) == dtype


def test_averaged_weights_are_the_weighted_mean_of_those_before(tiny_plan, weights_of):
    """By hand, with the weights that decay (1 + t) / (10 + t) has; a long run's is bounded."""
    state = fresh_state(tiny_plan, torch.device("cpu"))
    expected = weights_of(state).double()
    for state.iteration in range(30):
        with torch.no_grad():
            for parameter in state.network.parameters():
                parameter += 0.01 * (state.iteration + 1)
        state.follow()
        decay = (1 + state.iteration) / (10 + state.iteration)
        expected = decay * expected + (1 - decay) * weights_of(state).double()
    averaged = torch.cat([p.flatten() for p in state.averaged.parameters()])
    torch.testing.assert_close(averaged.double(), expected, rtol=1e-4, atol=1e-5)
    state.iteration = 10**6
    assert state.averaged_over == MOST_AVERAGED
    assert state.result is state.network
    state.averaged_wins = True
    assert state.result is state.averaged


def test_residual_blocks_begin_as_their_skips(tiny_plan):
    """As nnU-Net's, whose residual branch ends in a norm without weight or bias."""
    plan = replace(tiny_plan, data=replace(tiny_plan.data, residual=True))
    network = fresh_state(plan, torch.device("cpu")).network
    blocks = [module for module in network.modules() if isinstance(module, ResidualBlock)]
    assert len(blocks) == 1 + 3 + 4
    for block in blocks:
        image = torch.randn(1, block.conv1.conv.in_channels, 8, 8, 8)
        torch.testing.assert_close(block(image), torch.nn.functional.leaky_relu(block.skip(image), 0.01))


def test_a_residual_network_trains_and_is_used_as_any_other(tiny_plan, tiny_cases, alone, tmp_path):
    data = replace(tiny_plan.data, residual=True)
    plan = replace(tiny_plan, data=data, iterations=40, learning_rate=3e-3)
    state = train(plan, tiny_cases, [], tmp_path, alone, resume=False)
    losses = [row["loss"] for row in state.history]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert all(
        module.conv2.norm.weight.abs().max() > 0
        for module in state.network.modules()
        if isinstance(module, ResidualBlock)
    )
    weights = (state.network.state_dict(),)
    bundle = Bundle(data.network, data.patch_zyx, data.spacing_zyx, data.normalisation, (), {}, weights)
    save_bundle(bundle, tmp_path / "w.pt")
    loaded = load_bundle(tmp_path / "w.pt")
    assert loaded.network == data.network and loaded.network.residual
    image = torch.from_numpy(tiny_cases[0].image).float()[..., :16, :16]
    corners, part = windows_touching(
        data.patch_zyx, data.patch_zyx, tuple(slice(0, n) for n in data.patch_zyx)
    )
    predictor = Predictor(loaded, "cpu", "fp32", EXHAUSTIVE, lambda line: None)
    logits = predictor.predict(Prepared(image, corners, None, part, 1.0)).logits
    with torch.no_grad():
        expected = state.network.eval()(image[None])[0]
    torch.testing.assert_close(logits, expected, atol=2e-2, rtol=2e-2)  # kept as float16
