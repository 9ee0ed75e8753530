"""The seed's initial weights."""

from dataclasses import replace

import torch

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
