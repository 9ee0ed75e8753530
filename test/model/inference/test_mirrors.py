"""Which mirrors windows get, and that the blend holds their mean."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli

from model.inference import mirrors
from model.inference.blend import Blend
from model.inference.mirrors import (
    MirrorsByDoubt,
    Pass,
    SameMirrors,
    choose_mirrors,
    doubt,
    mirror_combinations,
    mirror_orders,
)
from model.inference.passes import Passes
from model.inference.shortcuts import DEFAULT, EXHAUSTIVE, Shortcuts
from model.inference.windows import STEP, Windows, gaussian, window_corners
from model.network.placement import Placement
from model.network.unet import UNet

PATCH = (8, 16, 16)
CPU = torch.device("cpu")


def windows_and_blend(shape, corners=None) -> tuple[Windows, Blend]:
    windows = Windows(shape, corners or window_corners(shape, PATCH, STEP), gaussian(PATCH))
    return windows, Blend(windows, 3, CPU, of_probabilities=False)


def test_eight_mirrors():
    assert len(set(mirror_combinations((0, 1, 2)))) == 8
    assert mirror_combinations(()) == [()]


def test_the_eight_windows_over_a_voxel_have_eight_mirrors():
    orders = mirror_orders(window_corners((24, 40, 48), PATCH, 0.5), (0, 1, 2))
    for z, y, x in itertools.product((5, 12, 17), (9, 20, 30), (9, 20, 35)):
        over = [
            order[0]
            for corner, order in orders.items()
            if all(c <= at < c + p for c, at, p in zip(corner, (z, y, x), PATCH, strict=True))
        ]
        assert sorted(over) == sorted(mirror_combinations((0, 1, 2)))


@pytest.mark.parametrize("axes", [(), (2,), (0, 1), (0, 1, 2)])
def test_every_window_can_have_every_mirror_once(axes):
    for order in mirror_orders(window_corners((24, 40, 48), PATCH, 0.5), axes).values():
        assert sorted(order) == sorted(mirror_combinations(axes))


def test_doubt_is_the_variance_of_the_labels_by_volume():
    likelihoods = torch.rand(3, 6, 20, 20).softmax(0)
    voxel_cm3 = 0.01
    expected = sum(Bernoulli(p).variance / max(p.sum().item(), 100) for p in likelihoods[1:])
    torch.testing.assert_close(doubt(likelihoods, voxel_cm3), expected)
    hardly_there = doubt(likelihoods / 100, voxel_cm3)
    assert hardly_there.sum() < 0.2  # by its own expected volume it would be nearly 2


def test_a_voxel_without_a_number_does_not_hide_the_others():
    likelihoods = torch.rand(3, 6, 20, 20).softmax(0)
    expected = doubt(likelihoods, 0.01)
    likelihoods[:, 0, 0, 0] = torch.nan
    found = doubt(likelihoods, 0.01)
    assert found[0, 0, 0] >= found.max() - 1e-6
    torch.testing.assert_close(found[1:], expected[1:], rtol=0.01, atol=0)


@pytest.mark.parametrize("room", [0, 2, 4])
def test_windows_end_with_the_mean_of_the_mirrors_they_deserve(bundle, room, monkeypatch):
    """Eight, four, two or the own mirror, of two networks; what they had is kept, or run again to take it back."""
    monkeypatch.setattr(mirrors, "KEPT_BYTES", room * 2 * 3 * 8 * 16 * 16)
    image = torch.randn(2, 8, 16, 64)
    networks = [UNet(bundle.network).eval() for _ in range(2)]
    windows, blend = windows_and_blend((8, 16, 64), [(0, 0, 0), (0, 0, 16), (0, 0, 32), (0, 0, 48)])
    by_doubt = MirrorsByDoubt((0, 1, 2), windows, blend)
    passes = Passes(networks, image, blend, by_doubt, Placement(CPU, CPU, 1), lambda line: None)

    def run(some: list[Pass]) -> int:
        passes.run("test", some)
        return len(some)

    assert run(by_doubt.first_passes(windows.corners)) == 4
    assert len(by_doubt.kept) == room
    limit = mirrors.MIRROR_DOUBT
    parts = (3 * limit, 9 * limit, 1.5 * limit, 0.5 * limit)
    doubts = dict(zip(windows.corners, parts, strict=True))
    by_doubt.forget(doubts)
    # Of the last one nothing will have to be taken back.
    assert list(by_doubt.kept) == windows.corners[: min(room, 3)]
    counts = [run(by_doubt.further_passes(doubts)) for _ in range(4)]
    again = {0: (3, 4, 4), 2: (1, 0, 0), 4: (0, 0, 0)}[room]  # passes to take back what was not kept
    assert counts == [3 + again[0], 4 + again[1], 4 + again[2], 0]
    for (_, _, x), used in zip(windows.corners, (4, 8, 2, 1), strict=True):
        window, order = image[None, ..., x : x + 16], by_doubt.orders[0, 0, x]
        with torch.no_grad():
            each = [
                network(window.flip([a + 2 for a in axes])).flip([a + 2 for a in axes])[0]
                for axes in order[:used]
                for network in networks
            ]
        torch.testing.assert_close(
            blend.mean()[..., x : x + 16], torch.stack(each).mean(0), atol=5e-3 if room else 1e-4, rtol=0
        )


def test_no_doubt_no_more_mirrors_and_no_more_windows():
    windows, blend = windows_and_blend((8, 16, 64))
    by_doubt = MirrorsByDoubt((0, 1, 2), windows, blend)
    for one in by_doubt.first_passes(windows.corners):
        blend.add(one.corner, torch.zeros(3, *PATCH), one.share)
    none = dict.fromkeys(windows.corners, 0.0)
    assert by_doubt.further_passes(none) == [] and by_doubt.worthwhile(windows.corners, none) == []


def test_windows_with_a_part_of_the_doubt_are_worth_a_look():
    windows, blend = windows_and_blend((8, 16, 64))
    by_doubt = MirrorsByDoubt((0, 1, 2), windows, blend)
    doubts = {corner: 0.001 * (corner[2] <= 4) for corner in windows.corners}
    assert by_doubt.worthwhile(windows.corners, doubts) == [c for c in windows.corners if c[2] <= 4]


def test_the_same_mirrors_for_all_come_at_once():
    same = SameMirrors(mirror_combinations((0, 2)))
    corners = [(0, 0, 0), (0, 0, 8)]
    first = same.first_passes(corners)
    assert [one.axes for one in first] == [(), (0,), (2,), (0, 2)] * 2
    assert sum(one.share for one in first) == len(corners)
    assert same.worthwhile(corners, {}) == corners and same.further_passes({}) == []


@pytest.mark.parametrize(
    ("shortcuts", "axes", "first"),
    [
        (EXHAUSTIVE, (0, 1, 2), 8),
        (EXHAUSTIVE, (0, 1), 4),
        (DEFAULT, (0, 1, 2), 1),
        (DEFAULT, (), 1),
        (Shortcuts(mirrors="one"), (0, 1, 2), 1),
    ],
)
def test_mirrors_are_chosen_by_the_shortcuts_and_the_weights(shortcuts, axes, first):
    windows, blend = windows_and_blend((8, 16, 24))
    chosen = choose_mirrors(shortcuts, axes, windows, blend)
    assert len(chosen.first_passes(windows.corners)) == first * len(windows.corners)
    assert isinstance(chosen, MirrorsByDoubt) == (shortcuts == DEFAULT and axes == (0, 1, 2))
