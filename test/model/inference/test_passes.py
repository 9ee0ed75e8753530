"""Windows through networks into the blend, mirrored and mirrored back."""

import copy
import itertools
from contextlib import nullcontext

import pytest
import torch

from model.inference import passes
from model.inference.blend import Blend
from model.inference.mirrors import MirrorsByDoubt, Pass, SameMirrors, mirror_combinations
from model.inference.passes import HalfOverflow, Passes, mean_output
from model.inference.windows import STEP, Windows, gaussian, window_corners
from model.network.placement import Placement

PATCH = (8, 16, 16)
CPU = torch.device("cpu")


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_passes_are_mirrored_added_up_and_counted_whatever_the_batch(bundle, batch, monkeypatch):
    """Two overlapping windows, every mirror, two networks: the blend holds the plain weighted mean."""
    monkeypatch.setattr(passes, "PROGRESS_SECONDS", float("inf"))
    (network,), image = bundle.build_networks(), torch.randn(2, 8, 16, 24)
    windows = Windows((8, 16, 24), window_corners((8, 16, 24), PATCH, STEP), gaussian(PATCH))
    blend = Blend(windows, 3, CPU, of_probabilities=False)
    mirrors = SameMirrors(mirror_combinations((0, 1, 2)))
    lines: list[str] = []
    both = Passes([network, network], image, blend, mirrors, Placement(CPU, CPU, batch), lines.append)
    both.run("predict", mirrors.first_passes(windows.corners))
    both.run("nothing", [])
    assert both.count == 2 * 2 * 8
    assert len(lines) == 1 and lines[0].startswith("predict: 32 passes, ")
    total, weights = torch.zeros(3, 8, 16, 24), torch.zeros(8, 16, 24)
    with torch.no_grad():
        for x, flags in itertools.product((0, 8), itertools.product((False, True), repeat=3)):
            axes = [axis + 1 for axis, flag in enumerate(flags) if flag]
            output = network(image[..., x : x + 16].flip(axes)[None])[0].flip(axes)
            total[..., x : x + 16] += output * gaussian(PATCH)
            weights[..., x : x + 16] += gaussian(PATCH)
    torch.testing.assert_close(blend.mean(), total / weights)


def test_mirrors_are_told_what_was_added(bundle):
    class Recording(SameMirrors):
        kept: list[tuple[tuple[int, int, int], float]] = []

        def record(self, corner, output, share):
            self.kept.append((corner, share))

    windows = Windows(PATCH, [(0, 0, 0)], gaussian(PATCH))
    mirrors, blend = Recording([()]), Blend(windows, 3, CPU, of_probabilities=False)
    image = torch.randn(2, *PATCH)
    passes = Passes(bundle.build_networks(), image, blend, mirrors, Placement(CPU, CPU, 1), lambda line: None)
    passes.run("predict", [Pass((0, 0, 0), (1,), 0.5), Pass((0, 0, 0), (), 0.5)])
    assert mirrors.kept == [((0, 0, 0), 0.5), ((0, 0, 0), 0.5)]


@pytest.mark.parametrize("of_probabilities", [False, True])
def test_mean_output_is_that_of_logits_or_of_probabilities(bundle, of_probabilities):
    networks = [copy.deepcopy(bundle.build_networks()[0]) for _ in range(2)]
    torch.nn.init.normal_(networks[1].decoder.seg_layers[-1].weight)
    inputs = torch.randn(2, 2, *PATCH)
    with torch.no_grad():
        outputs = [network(inputs) for network in networks]
        mean = mean_output(networks, inputs, of_probabilities=of_probabilities)
    outputs = [output.softmax(1) for output in outputs] if of_probabilities else outputs
    torch.testing.assert_close(mean, torch.stack(outputs).mean(0))


def test_progress_goes_to_a_bar_where_the_log_has_one_and_else_into_lines(monkeypatch):
    monkeypatch.setattr(passes, "PROGRESS_SECONDS", 0.0)
    lines, bars = [], []

    class Log:
        terminal = True

        def __call__(self, line: str) -> None:
            lines.append(line)

        def progress(self, *shown) -> bool:
            bars.append(shown)
            return self.terminal

    log = Log()
    for terminal in (True, False):
        log.terminal = terminal
        report = passes._progress("predict", 2, log)
        report(1)
        report(2)
    assert [(name, done, total) for name, done, total, _ in bars] == [("predict", 1, 2)] * 2
    assert [line.partition(",")[0] for line in lines] == [
        "predict: 2 passes",
        "predict: 1 of 2 passes",
        "predict: 2 passes",
    ]
    report = passes._progress("predict", 2, lines.append)
    report(1)
    assert lines[-1].startswith("predict: 1 of 2 passes")


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 5), (2, [2, 2, 1]), (3, [3, 1, 1]), (8, [1] * 5)])
def test_batches_are_whole_or_single(size, lengths):
    """A GPU then sees two sizes at most."""
    some = [Pass((0, 0, k), (), 1.0) for k in range(5)]
    batches = list(passes._batches(some, size))
    assert [len(batch) for batch in batches] == lengths and sum(batches, []) == some


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_gpu_never_waits_for_the_host_within_a_list(bundle, dtype):
    """Tensors without values stand for those of a device: whatever asks for one, as a copy to the host does, fails."""
    device = torch.device("meta")
    networks = [network.to(device, dtype) for network in bundle.build_networks() * 2]
    windows = Windows((8, 16, 24), window_corners((8, 16, 24), PATCH, STEP), gaussian(PATCH))
    blend = Blend(windows, 3, device, of_probabilities=False)
    mirrors = MirrorsByDoubt((0, 1, 2), windows, blend)
    image, placement = torch.randn(2, 8, 16, 24), Placement(device, device, 2)
    running = Passes(networks, image, blend, mirrors, placement, lambda line: None)
    first = mirrors.first_passes(windows.corners)
    running.add(first)
    mirrors.used.update(dict.fromkeys(mirrors.used, 2))
    running.add([Pass(corner, (2,), 0.5) for corner in windows.corners])
    assert {kept.device for kept in mirrors.kept.values()} == {device}
    with pytest.raises(RuntimeError, match="meta"):  # here it would wait
        bool(running.finite)


def test_a_float16_pass_that_overflows_is_told_of(bundle):
    windows = Windows(PATCH, [(0, 0, 0)], gaussian(PATCH))
    (network,) = bundle.build_networks()
    network.decoder.seg_layers[-1] = torch.nn.Conv3d(4, 3, 1)
    torch.nn.init.constant_(network.decoder.seg_layers[-1].bias, float("inf"))
    blend, mirrors = Blend(windows, 3, CPU, of_probabilities=False), SameMirrors([()])
    for dtype, told in ((torch.float32, False), (torch.float16, True)):
        placement = Placement(CPU, CPU, 1)
        running = Passes(
            [network.to(dtype)], torch.zeros(2, *PATCH), blend, mirrors, placement, lambda line: None
        )
        with pytest.raises(HalfOverflow) if told else nullcontext():
            running.run("predict", mirrors.first_passes([(0, 0, 0)]))
