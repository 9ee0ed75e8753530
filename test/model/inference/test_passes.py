"""Windows through networks into the blend, mirrored and mirrored back."""

import itertools

import pytest
import torch

from model.inference import passes
from model.inference.blend import Blend
from model.inference.mirrors import Pass, SameMirrors, mirror_combinations
from model.inference.passes import Passes, mean_output
from model.inference.windows import STEP, Windows, gaussian, window_corners
from model.network.placement import Placement

PATCH = (8, 16, 16)
CPU = torch.device("cpu")


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_passes_are_mirrored_added_up_and_counted_whatever_the_batch(bundle, batch):
    """Two overlapping windows, every mirror, two networks: the blend holds the plain weighted mean."""
    (network,), image = bundle.build_networks(), torch.randn(2, 8, 16, 24)
    windows = Windows((8, 16, 24), window_corners((8, 16, 24), PATCH, STEP), gaussian(PATCH))
    blend = Blend(windows, 3, CPU, of_probabilities=False)
    mirrors = SameMirrors(mirror_combinations((0, 1, 2)))
    lines: list[str] = []
    passes = Passes([network, network], image, blend, mirrors, Placement(CPU, CPU, batch), lines.append)
    passes.run("predict", mirrors.first_passes(windows.corners))
    passes.run("nothing", [])
    assert passes.count == 2 * 2 * 8
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
    networks = [bundle.build_networks()[0] for _ in range(2)]
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
