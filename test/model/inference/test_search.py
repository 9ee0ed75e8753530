"""Which windows are looked into, and that leaving out the others changes nothing."""

import torch

from model.inference.shortcuts import DEFAULT, EXHAUSTIVE, Shortcuts

PATCH = (8, 16, 16)


def test_search_finds_what_the_exhaustive_pass_finds_with_fewer_passes(bundle, thresholding, logits_of):
    image = torch.full((2, 24, 64, 64), -1.0)
    image[0, 5:9, 10:20, 40:50] = 3.0
    results, calls = [], []
    for shortcuts in (DEFAULT, EXHAUSTIVE):
        predictor, network = thresholding(bundle, shortcuts)
        results.append(logits_of(predictor, image).argmax(0))
        calls.append(network.calls)
    assert torch.equal(results[0], results[1])
    assert results[0].sum() == 4 * 10 * 10
    assert calls[0] < calls[1] / 2


def test_mirrors_by_doubt_change_nothing_for_a_network_that_sees_no_mirrors(bundle, thresholding, logits_of):
    image = torch.full((2, 8, 64, 96), -1.0)
    image[0, 3:6, 8:14, 8:14] = 1.01  # a score of 0.2: doubtful
    image[0, 3:6, 30:60, 40:90] = 3.0  # certain
    results, calls = [], []
    for shortcuts in (Shortcuts(mirrors="all"), DEFAULT):
        predictor, network = thresholding(bundle, shortcuts)
        results.append(logits_of(predictor, image))
        calls.append(network.calls)
    assert torch.equal(results[0].argmax(0), results[1].argmax(0)) and results[0].argmax(0).any()
    assert calls[1] < calls[0]


def test_without_mirrors_every_window_is_looked_into_where_tumour_is_conceivable(
    bundle, thresholding, logits_of
):
    """Nothing is spared then: a bright voxel far below a large primary's doubt is seen by all its windows."""
    image = torch.full((2, 8, 64, 96), -1.0)
    image[0, 3:6, 30:60, 40:90] = 1.2
    image[0, 4, 8, 20] = 1.2
    lines: list[str] = []
    predictor, _ = thresholding(bundle, Shortcuts(mirrors="one"), lines.append)
    assert logits_of(predictor, image).argmax(0)[4, 8, 20] == 1
    assert not any("mirrors" in line for line in lines)


def test_search_that_finds_nothing_says_background(bundle, thresholding, logits_of):
    lines: list[str] = []
    predictor, network = thresholding(bundle, DEFAULT, lines.append)
    assert not logits_of(predictor, torch.full((2, 24, 64, 64), -1.0)).argmax(0).any()
    looks = [line for line in lines if "passes" in line]
    assert len(looks) == 1 and looks[0].startswith(f"search: {network.calls} passes")


def test_where_no_tumour_is_conceivable_is_background_whatever_the_network_says(
    bundle, thresholding, logits_of
):
    """One voxel between its windows' say and the margin: beyond 10 mm of what is likely nothing is drawn."""
    image = torch.full((2, 8, 64, 96), -1.0)
    image[0, 4, 8, 8] = 3.0
    predictor, _ = thresholding(bundle, DEFAULT)
    logits = logits_of(predictor, image)
    assert logits.argmax(0).nonzero().tolist() == [[4, 8, 8]]
    assert (logits[0, :, 30:, 30:] == 1e3).all()
