"""Which samples a batch holds."""

from dataclasses import replace
from itertools import islice

import torch

from training.run.batches import batches, names_in_batch
from training.run.processes import Processes

CPU = torch.device("cpu")


def test_a_stream_that_goes_on_gives_what_the_whole_one_gives(tiny_plan, tiny_cases, alone):
    whole = list(islice(batches(tiny_plan, tiny_cases, alone, 0), 6))
    rest = list(islice(batches(tiny_plan, tiny_cases, alone, 4), 2))
    for (image, label), (same_image, same_label) in zip(whole[4:], rest, strict=True):
        assert torch.equal(image, same_image) and torch.equal(label, same_label)
    assert not torch.equal(whole[0][0], whole[1][0])


def test_two_processes_share_one_batch(tiny_plan, tiny_cases, alone):
    doubled = replace(tiny_plan, data=replace(tiny_plan.data, batch=2))
    whole, _ = next(batches(doubled, tiny_cases, alone, 3))
    parts = [next(batches(tiny_plan, tiny_cases, Processes(rank, 2, CPU), 3))[0] for rank in (0, 1)]
    assert torch.equal(whole, torch.cat(parts))


def test_the_names_of_a_batch_are_those_of_its_cases(tiny_plan, tiny_cases, alone):
    """The second case is marked, so that its samples can be told."""
    marked = replace(tiny_cases[1], image=tiny_cases[1].image + 50)
    plan = replace(tiny_plan, names=("plain", "marked"))
    for iteration, (image, _) in enumerate(islice(batches(plan, [tiny_cases[0], marked], alone, 0), 8)):
        (name,) = names_in_batch(plan, tiny_cases, alone, iteration)
        assert (name == "marked") == bool(image.max() > 20)
    assert names_in_batch(tiny_plan, tiny_cases, alone, 0)[0].startswith("case ")
