"""Sliding window, mirrors, search and the ladder of placements."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

import model.inference.predictor as predict
from model.images.grid import Grid
from model.images.pair import Pair
from model.inference.predictor import Predictor
from model.inference.windows import covering, gaussian, window_corners
from model.network.bundle import Bundle, Normalisation
from model.network.placement import Placement, gains_by_bfloat16, placements
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(
    2, 3, (4, 8, 8), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2), (2, 2, 2)), (1, 1, 1), (1, 1)
)
PATCH = (8, 16, 16)
CPU_FP32 = (torch.device("cpu"), torch.float32)


def random_bundle() -> Bundle:
    torch.manual_seed(0)
    network = UNet(PLAN)
    scheme = Normalisation(-1000, 1000, 0, 100)
    return Bundle(PLAN, PATCH, (3.0, 2.0, 2.0), (scheme, scheme), (0, 1, 2), {}, (network.state_dict(),))


def quiet_predictor(bundle: Bundle, tta: bool = True, search: bool = False) -> Predictor:
    return Predictor(bundle, "cpu", "fp32", tta, search, log=lambda line: None)


class Threshold(nn.Module):
    """Says GTVp where channel 0 is above 1, with certainty."""

    plan = PLAN

    def __init__(self) -> None:
        super().__init__()
        self.dummy = nn.Parameter(torch.zeros(1))
        self.calls = 0

    def forward(self, x):
        self.calls += len(x)
        score = 20 * (x[:, :1] - 1)
        return torch.cat((-score, score, torch.full_like(score, -99)), 1)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_mirrored_input_gives_mirrored_output(axes):
    predictor = quiet_predictor(random_bundle())
    image = torch.randn(2, *PATCH)
    flip = [a + 1 for a in axes]
    torch.testing.assert_close(predictor.logits(image.flip(flip)), predictor.logits(image).flip(flip))


def test_without_mirrors_that_is_not_so():
    predictor = quiet_predictor(random_bundle(), tta=False)
    image = torch.randn(2, *PATCH)
    assert (predictor.logits(image.flip(1)) - predictor.logits(image).flip(1)).abs().max() > 1e-3


def test_one_window_equals_the_plain_mean_over_mirrors():
    bundle = random_bundle()
    (network,), image = bundle.build_networks(), torch.randn(2, *PATCH)
    with torch.no_grad():
        passes = []
        for flags in itertools.product((False, True), repeat=3):
            axes = [a + 1 for a, flag in enumerate(flags) if flag]
            passes.append(network(image.flip(axes)[None])[0].flip(axes))
    torch.testing.assert_close(quiet_predictor(bundle).logits(image), torch.stack(passes).mean(0))


@pytest.mark.parametrize(
    ("precision", "dtype", "bound"),
    [("fp32", torch.float32, 3e-5), ("auto", torch.float32, 2e-3), ("auto", torch.bfloat16, 5e-2)],
)
def test_error_of_each_precision_in_windows_of_true_size(monkeypatch, precision, dtype, bound):
    """Against the same network in float64; half a million voxels are summed for each mean."""
    patch = (32, 128, 128)
    bundle = replace(random_bundle(), patch_zyx=patch)
    image = 3 + torch.randn(2, *patch, generator=torch.Generator().manual_seed(0)) ** 2
    with torch.no_grad():
        expected = bundle.build_networks()[0].double()(image[None].double())[0].float()
    monkeypatch.setattr(predict, "choose_dtype", lambda device, precision: dtype)
    found = Predictor(bundle, "cpu", precision, False, False, log=lambda line: None).logits(image)
    torch.testing.assert_close(found, expected, atol=bound, rtol=0)


@pytest.mark.parametrize(
    ("cpuinfo", "gains"),
    [
        ("vendor_id : AuthenticAMD\nflags : avx512f avx512_bf16", True),
        ("vendor_id : GenuineIntel\nflags : avx512f avx512_bf16 amx_tile amx_bf16", True),
        ("vendor_id : GenuineIntel\nflags : avx512f avx512_bf16", False),
        ("vendor_id : AuthenticAMD\nflags : avx2", False),
        ("", False),
    ],
)
def test_bfloat16_where_a_cpu_gains_by_it(cpuinfo, gains):
    assert gains_by_bfloat16(cpuinfo) == gains


def test_windows_are_blended_with_gaussian_weights():
    bundle = random_bundle()
    (network,), image = bundle.build_networks(), torch.randn(2, 8, 16, 24)
    weight = gaussian(PATCH)
    with torch.no_grad():
        total, weights = torch.zeros(3, 8, 16, 24), torch.zeros(8, 16, 24)
        for x in (0, 8):
            total[..., x : x + 16] += network(image[None, ..., x : x + 16])[0] * weight
            weights[..., x : x + 16] += weight
    torch.testing.assert_close(quiet_predictor(bundle, tta=False).logits(image), total / weights)


def test_half_precision_gaussian_is_close_where_it_matters_and_even_at_the_edge():
    exact, half = gaussian((32, 128, 128)), gaussian((32, 128, 128), half=True)
    inner = exact > 1e-3
    torch.testing.assert_close(half[inner], 10 * exact[inner], rtol=1e-3, atol=0)
    assert half.min() > 0 and half.min() == half[0, 0, 0] == half[0, 0, 5]


def test_gaussian_is_that_of_a_filtered_impulse():
    weight = gaussian((8, 16, 16))
    assert weight.argmax().item() == np.ravel_multi_index((4, 8, 8), (8, 16, 16))
    assert weight.max() == 1 and weight.min() > 0
    assert weight[4, 8, 10].item() == pytest.approx(np.exp(-0.5 * (2 / 2) ** 2), rel=1e-3)


@pytest.mark.parametrize(
    ("shape", "patch"),
    [((8, 16, 16), (8, 16, 16)), ((9, 33, 100), (8, 16, 16)), ((127, 512, 700), (28, 256, 256))],
)
def test_windows_cover_and_overlap_by_half(shape, patch):
    corners = np.array(window_corners(shape, patch, 0.5))
    for axis in range(3):
        starts = np.unique(corners[:, axis])
        assert starts[0] == 0 and starts[-1] == shape[axis] - patch[axis]
        assert (np.diff(starts) <= patch[axis] / 2 + 0.5).all()
    assert len(corners) == np.prod([len(np.unique(corners[:, a])) for a in range(3)])


@pytest.mark.parametrize("shape", [(8, 16, 16), (9, 33, 100), (40, 41, 47)])
def test_first_look_covers_all_with_few_windows(shape):
    corners = window_corners(shape, PATCH, 0.5)
    tiles = covering(corners, PATCH)
    seen = torch.zeros(shape, dtype=torch.bool)
    for z, y, x in tiles:
        seen[z : z + PATCH[0], y : y + PATCH[1], x : x + PATCH[2]] = True
    assert seen.all() and set(tiles) <= set(corners)
    assert len(tiles) <= np.prod([np.ceil(1.5 * n / p) for n, p in zip(shape, PATCH, strict=True)])


def test_published_window_count():
    """1024 x 1024 x 127 with patch 28 x 256 x 256 at half-patch steps: 9 x 7 x 7 windows."""
    assert len(window_corners((127, 1024, 1024), (28, 256, 256), 0.5)) == 9 * 7 * 7


def test_small_volume_is_padded_and_cropped_back():
    assert quiet_predictor(random_bundle()).logits(torch.randn(2, 5, 7, 30)).shape == (3, 5, 7, 30)


def test_search_finds_what_the_exhaustive_pass_finds_with_fewer_passes():
    image = torch.full((2, 24, 64, 64), -1.0)
    image[0, 5:9, 10:20, 40:50] = 3.0
    results, calls = [], []
    for search in (True, False):
        predictor = quiet_predictor(random_bundle(), search=search)
        predictor.networks[CPU_FP32] = [Threshold()]
        results.append(predictor.logits(image).argmax(0))
        calls.append(predictor.networks[CPU_FP32][0].calls)
    assert torch.equal(results[0], results[1])
    assert results[0].sum() == 4 * 10 * 10
    assert calls[0] < calls[1] / 2


@pytest.mark.parametrize(("least_cm3", "left"), [((0.0, 0.0), 2), ((0.05, 0.0), 1)])
def test_lesions_too_small_for_the_weights_are_left_out_on_the_input_grid(least_cm3, left):
    """Two bright balls in a body, of 0.5 and 0.02 cm³, on a grid of 1 mm."""
    z, y, x = np.mgrid[:24, :48, :48]
    ct = np.where((y - 24) ** 2 + (x - 24) ** 2 < 22**2, 40, -1000).astype(np.int16)
    for centre, radius in (((12, 16, 16), 5), ((12, 32, 32), 1.7)):
        ct[sum((a - c) ** 2 for a, c in zip((z, y, x), centre, strict=True)) <= radius**2] = 400
    pair = Pair(
        ct, ct, (1.0, 1.0, 1.0), Grid((48, 48, 24), (1.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    )
    bundle = replace(random_bundle(), spacing_zyx=(1.0, 1.0, 1.0), least_cm3=least_cm3)
    lines: list[str] = []
    predictor = Predictor(bundle, "cpu", "fp32", False, False, lines.append)
    predictor.networks[CPU_FP32] = [Threshold()]
    labels = predictor.segment(pair).labels
    assert ndimage.label(labels == 1)[1] == left
    assert any("1 x GTVp below 0.05 cm³" in line for line in lines) == (left == 1)


def test_spared_mirrors_change_nothing_for_a_network_that_sees_no_mirrors():
    image = torch.full((2, 8, 64, 96), -1.0)
    image[0, 3:6, 8:14, 8:14] = 1.01  # a score of 0.2: doubtful
    image[0, 3:6, 30:60, 40:90] = 3.0  # certain
    results, calls = [], []
    for all_mirrors in (True, False):
        predictor = Predictor(random_bundle(), "cpu", "fp32", True, True, lambda line: None, all_mirrors)
        predictor.networks[CPU_FP32] = [Threshold()]
        results.append(predictor.logits(image))
        calls.append(predictor.networks[CPU_FP32][0].calls)
    assert torch.equal(results[0].argmax(0), results[1].argmax(0)) and results[0].argmax(0).any()
    assert calls[1] < calls[0]


@pytest.mark.parametrize("pipeline", ["gtvseg", "nnunet-v1"])
def test_an_ensemble_is_the_mean_of_its_networks(pipeline):
    """Of logits, or of probabilities as nnU-Net v1 has it."""
    states = [UNet(PLAN).state_dict() for _ in range(2)]
    bundle, image = replace(random_bundle(), pipeline=pipeline), torch.randn(2, 8, 16, 40)
    single = [quiet_predictor(replace(bundle, states=(state,))).logits(image) for state in states]
    mean = quiet_predictor(replace(bundle, states=tuple(states))).logits(image)
    torch.testing.assert_close(mean, torch.stack(single).mean(0))
    if pipeline == "nnunet-v1":
        torch.testing.assert_close(mean.sum(0), torch.ones(8, 16, 40))


def test_restoring_moves_to_the_cpu_where_the_gpu_is_too_small(monkeypatch):
    lines, original, calls = [], predict.restore_labels, []

    def short_of_memory(logits, region, part):
        calls.append(logits.device)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("test")
        return original(logits, region, part)

    monkeypatch.setattr(predict, "restore_labels", short_of_memory)
    predictor = Predictor(random_bundle(), "cpu", "fp32", False, False, lines.append)
    ct = np.random.default_rng(0).integers(0, 100, (8, 32, 32), dtype=np.int16)
    grid = Grid((32, 32, 8), (2.0, 2.0, 3.0), (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    assert predictor.segment(Pair(ct, ct, (3.0, 2.0, 2.0), grid)).labels.shape == ct.shape
    assert len(calls) == 2 and any("out of memory" in line for line in lines)


@pytest.mark.parametrize(("slices", "spacing_zyx"), [(98, (5.0, 0.43, 0.43)), (197, (1.0, 1.13, 1.13))])
def test_sizes_and_spacings_of_real_scans(slices, spacing_zyx):
    """512 x 512; a bright box in a body comes back where it was, to a voxel of the network's grid."""
    ct = np.full((slices, 512, 512), -1000, np.int16)
    ct[:, 100:400, 120:420] = 40
    box = (slice(slices // 3, slices // 2), slice(200, 280), slice(180, 300))
    ct[box] = 1200
    scheme = Normalisation(-1000, 2000, 40, 400)
    bundle = replace(
        random_bundle(), patch_zyx=(32, 64, 64), spacing_zyx=(3.0, 3.0, 3.0), normalisation=(scheme, scheme)
    )
    grid = Grid((512, 512, slices), spacing_zyx[::-1], (-9.0, 8.0, -700.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    predictor = quiet_predictor(bundle, search=True)
    predictor.networks[CPU_FP32] = [Threshold()]
    labels = predictor.segment(Pair(ct, ct, spacing_zyx, grid)).labels
    assert labels.shape == ct.shape
    found = ndimage.find_objects(labels == 1, 1)[0]
    for axis, wanted, spacing in zip(found, box, spacing_zyx, strict=True):
        assert abs(axis.start - wanted.start) * spacing <= 3 + spacing
        assert abs(axis.stop - wanted.stop) * spacing <= 3 + spacing


def test_without_mirrors_every_window_is_looked_into_where_tumour_is_conceivable():
    """Nothing is spared then: a bright voxel far below a large primary's doubt is seen by all its windows."""
    image = torch.full((2, 8, 64, 96), -1.0)
    image[0, 3:6, 30:60, 40:90] = 1.2
    image[0, 4, 8, 20] = 1.2
    lines: list[str] = []
    predictor = Predictor(random_bundle(), "cpu", "fp32", False, True, lines.append)
    predictor.networks[CPU_FP32] = [Threshold()]
    assert predictor.logits(image).argmax(0)[4, 8, 20] == 1
    assert not any("mirrors" in line for line in lines)


def test_search_that_finds_nothing_says_background():
    predictor = quiet_predictor(random_bundle(), search=True)
    predictor.networks[CPU_FP32] = [Threshold()]
    assert not predictor.logits(torch.full((2, 24, 64, 64), -1.0)).argmax(0).any()


def test_memory_ladder_goes_down_step_by_step(monkeypatch):
    """Each step that runs out of memory is named, the next one is tried, the result is the same."""
    cpu = torch.device("cpu")
    ladder = [Placement(cpu, cpu, batch) for batch in (8, 4, 1)]
    lines: list[str] = []
    predictor = Predictor(random_bundle(), "cpu", "fp32", True, False, lines.append)
    image = torch.randn(2, *PATCH)
    expected = predictor.logits(image)
    original = predict.run_passes

    def short_of_memory(networks, image, patch, passes, blend, placement, softmax, report, keep):
        if placement.batch > 1:
            raise torch.OutOfMemoryError("test")
        original(networks, image, patch, passes, blend, placement, softmax, report, keep)

    monkeypatch.setattr(predict, "placements", lambda device, mirrors: ladder)
    monkeypatch.setattr(predict, "run_passes", short_of_memory)
    lines.clear()
    torch.testing.assert_close(predictor.logits(image), expected)
    assert sum("out of memory" in line for line in lines) == 2


def test_a_fallback_in_lower_precision_leaves_the_weights_as_they_were(monkeypatch):
    predictor = quiet_predictor(random_bundle())
    image = torch.randn(2, *PATCH)
    expected = predictor.logits(image)
    with monkeypatch.context() as patch:
        patch.setattr(predict, "choose_dtype", lambda device, precision: torch.bfloat16)
        assert not torch.equal(predictor.logits(image), expected)
    assert torch.equal(predictor.logits(image), expected)


def test_batched_mirrors_equal_single_ones(monkeypatch):
    predictor = quiet_predictor(random_bundle())
    image = torch.randn(2, 8, 16, 20)
    single = predictor.logits(image)
    cpu = torch.device("cpu")
    monkeypatch.setattr(predict, "placements", lambda device, mirrors: [Placement(cpu, cpu, mirrors)])
    torch.testing.assert_close(predictor.logits(image), single)


def test_gpu_ladder_ends_on_the_cpu():
    steps = placements(torch.device("cuda"), 8)
    assert [(s.device.type, s.sums.type, s.batch) for s in steps] == [
        ("cuda", "cuda", 8), ("cuda", "cuda", 1), ("cuda", "cpu", 1), ("cpu", "cpu", 1)
    ]  # fmt: skip
