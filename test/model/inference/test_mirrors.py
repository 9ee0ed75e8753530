"""Which mirrors windows get, and that the blend holds their mean."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli

from model.inference import mirrors
from model.inference.mirrors import Spared, doubt, mirror_combinations, mirror_orders
from model.inference.predictor import run_passes
from model.inference.windows import Blend, gaussian, largest_shares, shared_out, total_weight, window_corners
from model.network.placement import Placement
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(
    2, 3, (4, 8, 8), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2), (2, 2, 2)), (1, 1, 1), (1, 1)
)
PATCH = (8, 16, 16)


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
def test_windows_end_with_the_mean_of_the_mirrors_they_deserve(room, monkeypatch):
    """Eight, four, two or the own mirror, of two networks; what they had is kept, or run again to take it back."""
    monkeypatch.setattr(mirrors, "KEPT_BYTES", room * 2 * 3 * 8 * 16 * 16)
    image, cpu = torch.randn(2, 8, 16, 64), torch.device("cpu")
    networks = [UNet(PLAN).eval() for _ in range(2)]
    blend = Blend(3, (8, 16, 64), gaussian(PATCH), cpu)
    corners = [(0, 0, 0), (0, 0, 16), (0, 0, 32), (0, 0, 48)]  # side by side
    spared = Spared(mirror_orders(corners, (0, 1, 2)), blend)

    def run(passes):
        place = Placement(cpu, cpu, 1)
        run_passes(networks, image, PATCH, passes, blend, place, False, lambda done: None, spared.keep)
        return len(passes)

    assert run(spared.first(corners)) == 4
    assert len(spared.kept) == room
    limit = mirrors.MIRROR_DOUBT
    doubts = dict(zip(corners, (3 * limit, 9 * limit, 1.5 * limit, 0.5 * limit), strict=True))
    counts = [run(spared.more(doubts)) for _ in range(4)]
    again = {0: (3, 4, 4), 2: (1, 0, 0), 4: (0, 0, 0)}[room]  # passes to take back what was not kept
    assert counts == [3 + again[0], 4 + again[1], 4 + again[2], 0]
    for (_, _, x), used in zip(corners, (4, 8, 2, 1), strict=True):
        window, order = image[None, ..., x : x + 16], spared.orders[0, 0, x]
        with torch.no_grad():
            each = [
                network(window.flip([a + 2 for a in axes])).flip([a + 2 for a in axes])[0]
                for axes in order[:used]
                for network in networks
            ]
        torch.testing.assert_close(
            blend.mean()[..., x : x + 16], torch.stack(each).mean(0), atol=5e-3 if room else 1e-4, rtol=0
        )


def test_no_doubt_no_more_mirrors():
    corners = window_corners((8, 16, 64), PATCH, 0.5)
    spared = Spared(
        mirror_orders(corners, (0, 1, 2)), Blend(3, (8, 16, 64), gaussian(PATCH), torch.device("cpu"))
    )
    spared.first(corners)
    assert spared.more(dict.fromkeys(corners, 0.0)) == []


def test_what_is_shared_out_adds_up():
    corners, values, weight = window_corners((8, 24, 40), PATCH, 0.5), torch.rand(8, 24, 40), gaussian(PATCH)
    total = total_weight(corners, weight, (8, 24, 40))
    parts = shared_out(corners, weight, total, values)
    assert sum(parts) == pytest.approx(float(values.sum()), rel=1e-4)
    values[:, :, 16:] = 0  # beyond the first column of windows
    parts = shared_out(corners, weight, total, values)
    assert [part > 0 for part in parts] == [corner[2] < 16 for corner in corners]


def test_largest_share_is_that_at_the_best_of_the_voxels():
    corners, weight = window_corners((8, 16, 24), PATCH, 0.5), gaussian(PATCH)  # at x = 0 and 8
    total = total_weight(corners, weight, (8, 16, 24))
    voxels = torch.zeros(8, 16, 24, dtype=torch.bool)
    voxels[4, 8, 10] = voxels[2, 3, 20] = True
    here = weight[4, 8, 10] / (weight[4, 8, 10] + weight[4, 8, 2])
    assert largest_shares(corners, weight, total, voxels) == pytest.approx([float(here), 1.0])
