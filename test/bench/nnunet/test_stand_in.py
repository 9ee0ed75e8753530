"""What stands in for a network whose results are of no use."""

import torch

from bench.nnunet import stand_in
from bench.nnunet.stand_in import StandIn, brighter_and_darker


def pair_with(gain: float) -> torch.Tensor:
    """Both CTs alike but for a block in the contrast CT."""
    image = torch.randn(1, 1, 4, 24, 24).expand(1, 2, 4, 24, 24).clone()
    image[:, 1, :, 4:20, 8:24] += gain
    return image


def test_it_finds_what_is_brighter_and_what_is_darker_in_any_mirror():
    for gain, label in ((2.0, 1), (-2.0, 2), (0.2, 0)):
        image = pair_with(gain)
        labels = brighter_and_darker(image).argmax(1)[0]
        assert labels[2, 12, 16] == label and labels[2, 12, 2] == 0
        mirrored = brighter_and_darker(image.flip((2, 4))).argmax(1)[0]
        assert torch.equal(mirrored.flip((0, 2)), labels)


def test_it_runs_few_passes_and_computes_the_seconds_of_the_rest(monkeypatch):
    """All but the first, which is slower, count for those that are left out."""
    clock = iter([10.0, 12.0, 20.0, 24.0])
    monkeypatch.setattr(stand_in.time, "perf_counter", lambda: next(clock))
    run = []
    network = StandIn(run.append, 3)
    for _ in range(8):
        network(pair_with(1.0))
    assert (network.passes, len(run), network.computed, network.seconds) == (8, 3, 2, 6.0)
    assert network.missing_seconds() == 5 * 3.0
    whole = StandIn(run.append, 8)
    whole.passes = 8
    assert whole.missing_seconds() == 0
