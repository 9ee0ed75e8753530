"""Which samples a batch holds."""

from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from training.data.augment import Augmentation
from training.data.patches import Sampling
from training.run.batches import batches, names_in_batch
from training.run.processes import Processes

CPU = torch.device("cpu")


def with_late_patches(plan):
    """Two samples of 8 x 16 x 16 voxels at first, one of 8 x 24 x 24 in the last four of twelve iterations."""
    late = replace(plan.data, patch_zyx=(8, 24, 24))
    return replace(
        plan,
        data=replace(plan.data, batch=2),
        late=late,
        sampling=Sampling(late_share=1 / 3),
        names=("a", "b"),
    )


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


def test_kinds_of_patches_have_their_shares_in_every_batch(tiny_plan, tiny_cases, alone):
    """Half of each batch of four is centred on a tumour, half has none, whatever the iteration."""
    plan = replace(
        tiny_plan,
        data=replace(tiny_plan.data, batch=4, patch_zyx=(3, 3, 3)),
        augmentation=Augmentation(rotation=0.0, scaling=0.0),
        sampling=Sampling(0.5, 0.5, jitter=0.0),
    )
    for _, labels in islice(batches(plan, tiny_cases, alone, 0), 10):
        assert (labels[:, 1, 1, 1] > 0).sum() == 2 and (labels.flatten(1).amax(1) > 0).sum() == 2


def test_batches_are_float_images_and_whole_labels_of_any_value(tiny_plan, tiny_cases, alone):
    case = replace(
        tiny_cases[0], label=np.where(tiny_cases[0].label == 1, np.uint8(255), tiny_cases[0].label)
    )
    values = set()
    for images, labels in islice(batches(tiny_plan, [case], alone, 0), 12):
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        assert images.shape == (1, 2, *tiny_plan.data.patch_zyx) and labels.shape == (
            1,
            *tiny_plan.data.patch_zyx,
        )
        values |= set(labels.unique().tolist())
    assert values == {0, 2, 255}


def test_late_patches_are_larger_and_the_same_in_a_run_that_goes_on(tiny_plan, tiny_cases, alone):
    plan = with_late_patches(tiny_plan)
    whole = list(islice(batches(plan, tiny_cases, alone, 5), 6))
    assert [tuple(label.shape) for _, label in whole] == [(2, 8, 16, 16)] * 3 + [(1, 8, 24, 24)] * 3
    for first in (7, 9):
        image, label = next(batches(plan, tiny_cases, alone, first))
        assert torch.equal(image, whole[first - 5][0]) and torch.equal(label, whole[first - 5][1])
    assert [len(names_in_batch(plan, tiny_cases, alone, k)) for k in (7, 8)] == [2, 1]
