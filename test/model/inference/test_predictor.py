"""Whole predictions: mirrors, precision, ensembles, the ladder of placements, the way back to the input grid."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

import model.inference.predictor as predictor_module
from model.images.grid import Grid
from model.images.pair import Pair
from model.inference.passes import Passes
from model.inference.predictor import Predictor
from model.inference.shortcuts import DEFAULT, EXHAUSTIVE, Shortcuts
from model.network import placement
from model.network.bundle import Normalisation
from model.network.placement import Placement
from model.network.unet import UNet

PATCH = (8, 16, 16)
ONE = Shortcuts(search=False, mirrors="one")
IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_mirrored_input_gives_mirrored_output(bundle, predictor_of, logits_of, axes):
    predictor, image = predictor_of(bundle), torch.randn(2, *PATCH)
    flip = [a + 1 for a in axes]
    expected = logits_of(predictor, image).flip(flip)
    torch.testing.assert_close(logits_of(predictor, image.flip(flip)), expected)


def test_without_mirrors_that_is_not_so(bundle, predictor_of, logits_of):
    predictor, image = predictor_of(bundle, ONE), torch.randn(2, *PATCH)
    difference = logits_of(predictor, image.flip(1)) - logits_of(predictor, image).flip(1)
    assert difference.abs().max() > 1e-3


def test_one_window_equals_the_plain_mean_over_mirrors(bundle, predictor_of, logits_of):
    (network,), image = bundle.build_networks(), torch.randn(2, *PATCH)
    with torch.no_grad():
        passes = []
        for flags in itertools.product((False, True), repeat=3):
            axes = [a + 1 for a, flag in enumerate(flags) if flag]
            passes.append(network(image.flip(axes)[None])[0].flip(axes))
    torch.testing.assert_close(logits_of(predictor_of(bundle), image), torch.stack(passes).mean(0))


@pytest.mark.parametrize(
    ("precision", "dtype", "bound"),
    [("fp32", torch.float32, 3e-5), ("auto", torch.float32, 2e-3), ("auto", torch.bfloat16, 5e-2)],
)
def test_error_of_each_precision_in_windows_of_true_size(
    bundle, logits_of, monkeypatch, precision, dtype, bound
):
    """Against the same network in float64; half a million voxels are summed for each mean."""
    patch = (32, 128, 128)
    bundle = replace(bundle, patch_zyx=patch)
    image = 3 + torch.randn(2, *patch, generator=torch.Generator().manual_seed(0)) ** 2
    with torch.no_grad():
        expected = bundle.build_networks()[0].double()(image[None].double())[0].float()
    monkeypatch.setattr(predictor_module, "choose_dtype", lambda device, precision: dtype)
    logits = logits_of(Predictor(bundle, "cpu", precision, ONE, lambda line: None), image)
    torch.testing.assert_close(logits, expected, atol=bound, rtol=0)


def test_small_volume_is_padded_and_cropped_back(bundle, predictor_of, logits_of):
    assert logits_of(predictor_of(bundle), torch.randn(2, 5, 7, 30)).shape == (3, 5, 7, 30)


@pytest.mark.parametrize("pipeline", ["gtvseg", "nnunet-v1"])
def test_an_ensemble_is_the_mean_of_its_networks(bundle, predictor_of, logits_of, pipeline):
    """Of logits, or of probabilities as nnU-Net v1 has it."""
    states = [UNet(bundle.network).state_dict() for _ in range(2)]
    bundle, image = replace(bundle, pipeline=pipeline), torch.randn(2, 8, 16, 40)
    single = [logits_of(predictor_of(replace(bundle, states=(state,))), image) for state in states]
    mean = logits_of(predictor_of(replace(bundle, states=tuple(states))), image)
    torch.testing.assert_close(mean, torch.stack(single).mean(0))
    if pipeline == "nnunet-v1":
        torch.testing.assert_close(mean.sum(0), torch.ones(8, 16, 40))


@pytest.mark.parametrize(("least_cm3", "left"), [((0.0, 0.0), 2), ((0.05, 0.0), 1)])
def test_lesions_too_small_for_the_weights_are_left_out_on_the_input_grid(
    bundle, thresholding, least_cm3, left
):
    """Two bright balls in a body, of 0.5 and 0.02 cm³, on a grid of 1 mm."""
    z, y, x = np.mgrid[:24, :48, :48]
    ct = np.where((y - 24) ** 2 + (x - 24) ** 2 < 22**2, 40, -1000).astype(np.int16)
    for centre, radius in (((12, 16, 16), 5), ((12, 32, 32), 1.7)):
        ct[sum((a - c) ** 2 for a, c in zip((z, y, x), centre, strict=True)) <= radius**2] = 400
    pair = Pair(ct, ct, (1.0, 1.0, 1.0), Grid((48, 48, 24), (1.0,) * 3, (0.0,) * 3, IDENTITY))
    bundle = replace(bundle, spacing_zyx=(1.0, 1.0, 1.0), least_cm3=least_cm3)
    lines: list[str] = []
    predictor, _ = thresholding(bundle, ONE, lines.append)
    labels = predictor.segment(pair).labels
    assert ndimage.label(labels == 1)[1] == left
    assert any("1 x GTVp below 0.05 cm³" in line for line in lines) == (left == 1)


@pytest.mark.parametrize("shortcuts", [EXHAUSTIVE, DEFAULT])
@pytest.mark.parametrize("pipeline", ["gtvseg", "nnunet-v1", "nnunet-v2"])
def test_a_very_large_scan_is_kept_in_16_bits(bundle, thresholding, monkeypatch, pipeline, shortcuts):
    """With the same result but where a voxel was in doubt."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(24, 48, 48)), 2)
    ct = (100 + 50 * noise / noise.std()).astype(np.int16)
    pair = Pair(ct, ct, (3.0, 2.0, 2.0), Grid((48, 48, 24), (2.0, 2.0, 3.0), (0.0,) * 3, IDENTITY))
    bundle = replace(bundle, pipeline=pipeline, spacing_zyx=(3.0, 2.5, 2.5))
    exact = thresholding(bundle, shortcuts)[0].segment(pair).labels
    monkeypatch.setattr(placement, "MOST_IN_FLOAT32", 0)
    predictor = thresholding(bundle, shortcuts)[0]
    assert predictor.prepare(pair).image.dtype == torch.float16
    small = predictor.segment(pair).labels
    assert 0.1 < exact.mean() < 0.9
    assert (small != exact).mean() < 2e-3


def test_a_segmentation_counts_its_passes(bundle, thresholding):
    ct = np.random.default_rng(0).integers(0, 100, (8, 32, 32), dtype=np.int16)
    grid = Grid((32, 32, 8), (2.0, 2.0, 3.0), (0.0,) * 3, IDENTITY)
    for shortcuts in (ONE, DEFAULT):
        predictor, network = thresholding(bundle, shortcuts)
        segmentation = predictor.segment(Pair(ct, ct, (3.0, 2.0, 2.0), grid))
        assert segmentation.passes == network.calls > 0
        assert segmentation.network_seconds > 0


def test_restoring_moves_to_the_cpu_where_the_gpu_is_too_small(bundle, predictor_of, monkeypatch):
    lines, original, calls = [], predictor_module.restore_labels, []

    def short_of_memory(logits, region, part):
        calls.append(logits.device)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("test")
        return original(logits, region, part)

    monkeypatch.setattr(predictor_module, "restore_labels", short_of_memory)
    predictor = predictor_of(bundle, ONE, lines.append)
    ct = np.random.default_rng(0).integers(0, 100, (8, 32, 32), dtype=np.int16)
    grid = Grid((32, 32, 8), (2.0, 2.0, 3.0), (0.0,) * 3, IDENTITY)
    assert predictor.segment(Pair(ct, ct, (3.0, 2.0, 2.0), grid)).labels.shape == ct.shape
    assert len(calls) == 2 and any("out of memory" in line for line in lines)


def test_what_overflows_in_float16_is_done_again_in_float32(bundle, thresholding, logits_of, monkeypatch):
    """And so is all that comes after."""
    lines: list[str] = []
    predictor, exact = thresholding(bundle, ONE, lines.append)
    predictor.precision, cpu = "auto", torch.device("cpu")
    image = torch.full((2, *PATCH), 5.0)
    expected = exact(image[None])[0]

    class Overflowing(type(exact)):
        def forward(self, x):
            return super().forward(x) * torch.inf

    def choose_dtype(device, precision):
        return torch.float32 if precision == "fp32" else torch.float16

    monkeypatch.setattr(predictor_module, "choose_dtype", choose_dtype)
    monkeypatch.setattr(type(bundle), "build_networks", lambda bundle: [exact])
    predictor.networks = {(cpu, torch.float16): [Overflowing().half()]}
    for _ in range(2):
        torch.testing.assert_close(logits_of(predictor, image), expected)
    assert [line for line in lines if "overflow" in line] == ["overflow in float16: trying again in float32"]


@pytest.mark.parametrize(("slices", "spacing_zyx"), [(98, (5.0, 0.43, 0.43)), (197, (1.0, 1.13, 1.13))])
def test_sizes_and_spacings_of_real_scans(bundle, thresholding, slices, spacing_zyx):
    """512 x 512; a bright box in a body comes back where it was, to a voxel of the network's grid."""
    ct = np.full((slices, 512, 512), -1000, np.int16)
    ct[:, 100:400, 120:420] = 40
    box = (slice(slices // 3, slices // 2), slice(200, 280), slice(180, 300))
    ct[box] = 1200
    scheme = Normalisation(-1000, 2000, 40, 400)
    bundle = replace(
        bundle, patch_zyx=(32, 64, 64), spacing_zyx=(3.0, 3.0, 3.0), normalisation=(scheme, scheme)
    )
    grid = Grid((512, 512, slices), spacing_zyx[::-1], (-9.0, 8.0, -700.0), IDENTITY)
    predictor, _ = thresholding(bundle, Shortcuts(search=True, mirrors="by doubt"))
    labels = predictor.segment(Pair(ct, ct, spacing_zyx, grid)).labels
    assert labels.shape == ct.shape
    drawn = ndimage.find_objects(labels == 1, 1)[0]
    for axis, expected, spacing in zip(drawn, box, spacing_zyx, strict=True):
        assert abs(axis.start - expected.start) * spacing <= 3 + spacing
        assert abs(axis.stop - expected.stop) * spacing <= 3 + spacing


def test_memory_ladder_goes_down_step_by_step(bundle, predictor_of, logits_of, monkeypatch):
    """Each step that runs out of memory is named, the next one is tried, the result is the same."""
    cpu = torch.device("cpu")
    ladder = [Placement(cpu, cpu, batch) for batch in (8, 4, 1)]
    lines: list[str] = []
    predictor, image = predictor_of(bundle, log=lines.append), torch.randn(2, *PATCH)
    expected = logits_of(predictor, image)
    original = Passes.run

    def short_of_memory(passes, name, some):
        if passes.placement.batch > 1:
            raise torch.OutOfMemoryError("test")
        original(passes, name, some)

    monkeypatch.setattr(predictor_module, "placements", lambda device, mirrors: ladder)
    monkeypatch.setattr(Passes, "run", short_of_memory)
    lines.clear()
    torch.testing.assert_close(logits_of(predictor, image), expected)
    assert sum("out of memory" in line for line in lines) == 2


def test_a_fallback_in_lower_precision_leaves_the_weights_as_they_were(
    bundle, predictor_of, logits_of, monkeypatch
):
    predictor, image = predictor_of(bundle), torch.randn(2, *PATCH)
    expected = logits_of(predictor, image)
    with monkeypatch.context() as patch:
        patch.setattr(predictor_module, "choose_dtype", lambda device, precision: torch.bfloat16)
        assert not torch.equal(logits_of(predictor, image), expected)
    assert torch.equal(logits_of(predictor, image), expected)


def test_batched_mirrors_equal_single_ones(bundle, predictor_of, logits_of, monkeypatch):
    predictor, image = predictor_of(bundle), torch.randn(2, 8, 16, 20)
    single = logits_of(predictor, image)
    cpu = torch.device("cpu")
    monkeypatch.setattr(
        predictor_module, "placements", lambda device, mirrors: [Placement(cpu, cpu, mirrors)]
    )
    torch.testing.assert_close(logits_of(predictor, image), single)


@pytest.mark.parametrize("spacing", [(20.0, 20.0, 20.0), (15.0, 25.0, 25.0)])
def test_a_spacing_that_makes_the_networks_grid_absurd_is_told(bundle, predictor_of, spacing):
    """Before any memory is taken for it."""
    array = np.full((90, 80, 80), 40, np.int16)
    array[:, :2], array[0] = -1000, -1000
    fine = replace(bundle, spacing_zyx=(1.0, 1.0, 1.0))
    pair = Pair(array, array, spacing, Grid((80, 80, 90), spacing[::-1], (0.0, 0.0, 0.0), IDENTITY))
    with pytest.raises(MemoryError, match="voxel spacing is .* mm, so the network's grid has"):
        predictor_of(fine).prepare(pair)
    assert predictor_of(bundle).prepare(replace(pair, spacing_zyx=(3.0, 3.0, 3.0))) is not None


def test_a_reader_beside_the_network_has_no_helpers_and_the_network_keeps_its_own(bundle):
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=Predictor(bundle, "cpu").begin_reader) as reader:
        assert reader.submit(torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == before
