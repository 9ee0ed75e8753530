"""Passes: mirrored windows of an image through the networks, into the blend.

Tensors are (z, y, x), with the batch and channel or class axes in front.
"""

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from model.inference.blend import Blend
from model.inference.disagreement import Disagreement
from model.inference.mirrors import Mirrors, Pass
from model.inference.windows import box_of
from model.network.placement import Placement
from model.network.unet import UNet

PROGRESS_SECONDS = 10.0

Log = Callable[[str], None]


class HalfOverflow(ArithmeticError):
    """A float16 pass said something that is no number: its largest is 65504."""


class Passes:
    """Runs lists of passes of one image and counts them; with several networks a pass is their mean.

    image: (channels, z, y, x), at least a window large. Windows are cut where the sums are. On a GPU the host
    only waits at the end of a list. disagreement: is shown all passes, if there is one.
    """

    def __init__(
        self,
        networks: list[UNet],
        image: Tensor,
        blend: Blend,
        mirrors: Mirrors,
        placement: Placement,
        log: Log,
        disagreement: Disagreement | None = None,
    ) -> None:
        self.networks = networks
        self.image = sent(image, placement.sums, image.dtype)
        self.blend = blend
        self.mirrors = mirrors
        self.placement = placement
        self.log = log
        self.disagreement = disagreement
        self.count = 0
        self.dtype = next(networks[0].parameters()).dtype
        self.finite = torch.ones((), dtype=torch.bool, device=placement.device)

    def run(self, name: str, passes: list[Pass]) -> None:
        """Add up what these passes say; the log calls them by the name. Raises HalfOverflow."""
        report = _progress(name, len(self.networks) * len(passes), self.log)
        before = self.count
        for batch in _batches(passes, self.placement.batch):
            self.add(batch)
            self.count += len(batch) * len(self.networks)
            if self.count - before == len(self.networks) * len(passes) and not bool(self.finite):
                raise HalfOverflow
            report(self.count - before)

    @torch.no_grad()
    def add(self, batch: list[Pass]) -> None:
        """Add up what passes say that go through the networks at once."""
        outputs = self._outputs(batch)
        if self.dtype == torch.float16:
            self.finite &= outputs.isfinite().all()
        for one, output in zip(batch, outputs, strict=True):
            output = output.flip([axis + 1 for axis in one.axes])
            self.blend.add(one.corner, output, one.share)
            self.mirrors.record(one.corner, output, one.share)
            if self.disagreement:
                self.disagreement.add(one, output)

    def _outputs(self, batch: list[Pass]) -> Tensor:
        """Of mirrored windows, still mirrored: float32 (batch, classes, z, y, x)."""
        windows = [
            self.image[(slice(None), *box_of(one.corner, self.blend.windows.patch))].flip(
                [axis + 1 for axis in one.axes]
            )
            for one in batch
        ]
        inputs = sent(torch.stack(windows), self.placement.device, self.dtype)
        return mean_output(self.networks, inputs, of_probabilities=self.blend.of_probabilities)


def sent(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The tensor on a device. To a GPU it goes while the host does other things, out of memory that stays in place."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.to(dtype).pin_memory()
    return tensor.to(device, dtype, non_blocking=True)


def mean_output(networks: list[UNet], inputs: Tensor, *, of_probabilities: bool) -> Tensor:
    """The networks' mean logits, or probabilities: float32 (batch, classes, z, y, x), contiguous."""
    total: Tensor | None = None
    for network in networks:
        output = network(inputs).contiguous().float()  # flips of a channels-last tensor are slow
        output = output.softmax(1) if of_probabilities else output
        total = output if total is None else total.add_(output)
    assert total is not None
    return total.div_(len(networks))


def _progress(name: str, total: int, log: Log) -> Callable[[int], None]:
    """A callback that logs every PROGRESS_SECONDS, and once at the end with the duration.

    A log that can show progress otherwise, as on a terminal, has a method for it, which says whether it did.
    """
    shown = getattr(log, "progress", lambda *_: False)
    start = time.perf_counter()
    last = start

    def report(done: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if done == total:
            log(f"{name}: {total} passes, {now - start:.1f} s")
            return
        seconds_left = (now - start) / done * (total - done)
        if not shown(name, done, total, seconds_left) and now - last > PROGRESS_SECONDS:
            last = now
            log(f"{name}: {done} of {total} passes, {seconds_left:.0f} s left")

    return report


def _batches(passes: list[Pass], size: int) -> Iterator[list[Pass]]:
    """Whole ones, and what is left one by one: for each other size cuDNN would look for its fastest ways anew."""
    whole = len(passes) // size * size
    for start in range(0, whole, size):
        yield passes[start : start + size]
    for one in passes[whole:]:
        yield [one]
