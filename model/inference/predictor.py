"""Sliding-window prediction: where to look, which mirrors, and what to do when memory runs out.

All arrays and tensors are (z, y, x), with the channel or class axis in front.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.images.pair import Pair
from model.inference.lesions import drop_small
from model.inference.mirrors import Pass, Spared, doubt, mirror_combinations, mirror_orders
from model.inference.windows import (
    BACKGROUND_LOGIT,
    Blend,
    Corner,
    box_of,
    covering,
    gaussian,
    largest_shares,
    near,
    pad_to_patch,
    shared_out,
    total_weight,
    window_corners,
)
from model.network.bundle import Bundle
from model.network.memory import kept_memory
from model.network.placement import Placement, choose_device, choose_dtype, memory_format, placements
from model.network.plan import Triple, triple
from model.network.unet import UNet
from model.preprocessing import nnunet
from model.preprocessing.gtvseg import Region, preprocess, restore_labels
from model.structures import LABELS

STEP = 0.5  # windows overlap by half a patch
SEARCH_PROBABILITY = 0.003  # the search keeps what it takes for tumour with at least this probability
SEARCH_MARGIN_MM = 10.0  # and this much around it
SEARCH_SHARE = 0.05  # and leaves out windows with less than this share in the weighted mean at all of it
WINDOW_DOUBT = 0.0005  # with spared mirrors, windows with less than this part of the doubt as well
PROGRESS_SECONDS = 10.0

Log = Callable[[str], None]


@dataclass(frozen=True)
class Segmentation:
    """labels: uint8 (z, y, x), canonical orientation, full input grid; network_seconds: time in the network."""

    labels: np.ndarray
    network_seconds: float


class Predictor:
    """A network ready to segment: load once, call `segment` for every pair.

    precision "auto" means float16 on CUDA and bfloat16 on CPUs that are faster in it, else float32.
    tta averages the mirrors of the bundle's axes; search restricts windows to where tumour is conceivable, and, unless
    all_mirrors, gives each of them few of the eight mirrors, which neighbours complement.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str,
        precision: str,
        tta: bool,
        search: bool,
        log: Log = print,
        all_mirrors: bool = False,
    ) -> None:
        self.bundle = bundle
        self.device = choose_device(device)
        self.precision = precision
        torch.backends.cudnn.allow_tf32 = precision != "fp32"  # torch's default has 10 bits in convolutions
        self.mirrors = mirror_combinations(bundle.mirror_axes if tta else ())
        self.search = search
        self.all_mirrors = all_mirrors
        self.log = log
        self.networks: dict[tuple[torch.device, torch.dtype], list[UNet]] = {}

    def segment(self, pair: Pair) -> Segmentation:
        """Label map of one pair: crop, resample, normalise → windows → back to the input grid."""
        return self.complete(self.prepare(pair), triple(pair.ct.shape))

    def complete(self, prepared: "Prepared | None", input_shape: Triple) -> Segmentation:
        """The second half of `segment`, which needs the CTs no more: their memory can be given back before."""
        if prepared is None:
            self.log("warning: nothing denser than air in the CT: both masks are empty")
            return Segmentation(np.zeros(input_shape, np.uint8), 0.0)
        start = time.perf_counter()
        logits = self.logits(prepared.image, prepared.corners)
        network_seconds = time.perf_counter() - start
        start = time.perf_counter()
        try:
            labels = restore_labels(logits, prepared.region, prepared.part)
        except torch.OutOfMemoryError:
            self.log(f"out of memory ({logits.device}): restoring on the CPU")
            labels = restore_labels(logits.cpu(), prepared.region, prepared.part)
        dropped = drop_small(labels, prepared.voxel_cm3, self.bundle.least_cm3)
        self.log(f"restore to the input grid: {time.perf_counter() - start:.1f} s")
        for name, count, least in zip(LABELS, dropped, self.bundle.least_cm3, strict=True):
            if count:
                self.log(f"left out: {count} x {name} below {least:g} cm³")
        return Segmentation(labels, network_seconds)

    def prepare(self, pair: Pair) -> "Prepared | None":
        """What the network will see; None where the pair shows no body at all."""
        start = time.perf_counter()
        prepared = self._prepare(pair)
        if prepared is not None:
            self.log(
                f"crop, resample, normalise: {_shape(prepared.region.input_shape)} ->"
                f" {_shape(prepared.image.shape[1:])} voxels, {time.perf_counter() - start:.1f} s"
            )
        return prepared

    def _prepare(self, pair: Pair) -> "Prepared | None":
        """As the bundle's pipeline has it.

        nnU-Net does not crop to the body, so its windows lie on the grid of the whole scan: those that do not touch the
        body are left out, unless the search is switched off.
        """
        bundle, whole = self.bundle, (slice(None),) * 3
        voxel_cm3 = float(np.prod(pair.spacing_zyx)) / 1000
        if bundle.pipeline == "gtvseg":
            prepared = preprocess(pair, bundle.spacing_zyx, bundle.normalisation)
            return prepared and Prepared(prepared[0], prepared[1], whole, None, voxel_cm3)
        found = nnunet.find_region(pair, bundle)
        if found is None:
            return None
        region, body = found
        shape, patch = region.network_shape, bundle.patch_zyx
        spare = [max(0, p - n) for p, n in zip(patch, shape, strict=True)]
        z, y, x = (n + s for n, s in zip(shape, spare, strict=True))
        corners = window_corners((z, y, x), patch, STEP)
        if self.search:
            reach = [(b.start + s // 2, b.stop + s // 2) for b, s in zip(body, spare, strict=True)]
            corners = [
                corner
                for corner in corners
                if all(
                    c < stop and start < c + p
                    for c, p, (start, stop) in zip(corner, patch, reach, strict=True)
                )
            ]
        lowest = [min(corner[axis] for corner in corners) for axis in range(3)]
        highest = [max(corner[axis] for corner in corners) for axis in range(3)]
        part_z, part_y, part_x = (
            slice(low, min(n, high + p))
            for low, high, p, n in zip(lowest, highest, patch, shape, strict=True)
        )
        part = (part_z, part_y, part_x)
        moved = [(c[0] - lowest[0], c[1] - lowest[1], c[2] - lowest[2]) for c in corners]
        return Prepared(nnunet.sample(pair, bundle, region, part), region, part, moved, voxel_cm3)

    def logits(self, image: Tensor, corners: list[Corner] | None = None) -> Tensor:
        """(channels, z, y, x) normalised → float32 logits (classes, z, y, x), falling back when memory runs out.

        corners: of the windows, in the image padded to a patch; evenly spread over it if not given. nnU-Net v1 averages
        probabilities, so these are what comes out for its weights.
        """
        ladder = placements(self.device, len(self.mirrors))
        for placement, fallback in itertools.pairwise((*ladder, None)):
            assert placement is not None
            try:
                with kept_memory():
                    return self._logits_at(image, corners, placement)
            except torch.OutOfMemoryError:
                if fallback is None:
                    raise
                self.log(f"out of memory ({placement}): trying again ({fallback})")
            torch.cuda.empty_cache()
        raise AssertionError("the ladder of placements is never empty")

    def _networks_on(self, device: torch.device) -> list[UNet]:
        """The networks on a device, in the precision of the passes there; made once."""
        place = (device, choose_dtype(device, self.precision))
        if place not in self.networks:
            networks = [network.to(*place) for network in self.bundle.build_networks()]
            for network in networks:
                network.to(memory_format=memory_format(device, self.precision == "fp32"))  # type: ignore[call-overload]
            self.networks[place] = networks
        return self.networks[place]

    def _logits_at(self, image: Tensor, corners: list[Corner] | None, placement: Placement) -> Tensor:
        bundle = self.bundle
        softmax = bundle.pipeline == "nnunet-v1"
        weight = gaussian(bundle.patch_zyx, half=bundle.pipeline == "nnunet-v2")
        padded, inside = pad_to_patch(image, bundle.patch_zyx)
        shape = triple(padded.shape[1:])
        grid = window_corners(shape, bundle.patch_zyx, STEP) if corners is None else corners
        networks = self._networks_on(placement.device)
        blend = Blend(bundle.network.num_classes, shape, weight, placement.sums)

        spared = None
        if self.search and not self.all_mirrors and len(self.mirrors) > 1:
            spared = Spared(mirror_orders(grid, self.mirrors[-1]), blend)
        keep = spared.keep if spared else None

        def run(name: str, passes: list[Pass]) -> None:
            report = _progress(name, len(networks) * len(passes), self.log)
            run_passes(networks, padded, bundle.patch_zyx, passes, blend, placement, softmax, report, keep)

        def likelihoods() -> Tensor:
            mean = blend.mean()
            if not softmax:  # in place, since nothing else here is as large
                mean -= mean.amax(0)
                mean.exp_()
                mean /= mean.sum(0)
            return mean

        if not self.search:
            run("predict", whole(grid, self.mirrors))
            return blend.mean()[(slice(None), *inside)]
        voxel_cm3 = float(np.prod(bundle.spacing_zyx)) / 1000
        total = total_weight(grid, weight, shape)
        candidates = torch.zeros(shape, dtype=torch.bool)
        windows = covering(grid, bundle.patch_zyx)
        done: list[Corner] = []
        for name in ("search", "predict", "second look"):  # the last: for what shows after all windows' say
            run(name, spared.first(windows) if spared else whole(windows, self.mirrors))
            done += windows
            now = likelihoods()
            candidates |= near(now[0] < 1 - SEARCH_PROBABILITY, bundle.spacing_zyx, SEARCH_MARGIN_MM)
            doubts = doubt(now, voxel_cm3).cpu() * candidates
            del now
            if name == "second look":
                break
            left = [corner for corner in grid if corner not in done]
            shares = largest_shares(left, weight, total, candidates)
            windows = [corner for corner, share in zip(left, shares, strict=True) if share > SEARCH_SHARE]
            if spared:
                parts = shared_out(windows, weight, total, doubts)
                windows = [corner for corner, part in zip(windows, parts, strict=True) if part > WINDOW_DOUBT]
            if not windows:
                break
        self.log(f"search: looked into {len(done)} of {len(grid)} windows")
        while spared:
            parts = shared_out(done, weight, blend.weights.cpu(), doubts)
            passes = spared.more(dict(zip(done, parts, strict=True)))
            if not passes:
                break
            run("mirrors", passes)
            doubts = doubt(likelihoods(), voxel_cm3).cpu() * candidates
        logits = blend.mean()
        logits[0].masked_fill_(~candidates.to(logits.device), BACKGROUND_LOGIT)
        return logits[(slice(None), *inside)]


@dataclass(frozen=True)
class Prepared:
    """image: float32 (channels, z, y, x), a part of the region's network grid; corners: of the windows in it.

    voxel_cm3: of the input's grid.
    """

    image: Tensor
    region: Region
    part: tuple[slice, slice, slice]
    corners: list[Corner] | None
    voxel_cm3: float


def run_passes(
    networks: list[UNet],
    image: Tensor,
    patch: Triple,
    passes: list[Pass],
    blend: Blend,
    placement: Placement,
    softmax: bool,
    report: Callable[[int], None],
    keep: Callable[[Corner, Tensor, float], None] | None,
) -> None:
    """Mirrored windows of the image (channels, z, y, x), at least a patch large, through the networks into the blend.

    Logits are added, or probabilities with softmax, each the networks' mean. report is called with the number of passes
    done after each batch, keep, if given, with each window's corner, output and share.
    """
    dtype, done = next(networks[0].parameters()).dtype, 0
    with torch.no_grad():
        for batch in _batches(passes, placement.batch):
            windows = [
                image[(slice(None), *box_of(corner, patch))].flip([a + 1 for a in axes])
                for corner, axes, _ in batch
            ]
            inputs = torch.stack(windows).to(placement.device, dtype)
            outputs = mean_output(networks, inputs, softmax)
            for output, (corner, axes, share) in zip(outputs, batch, strict=True):
                output = output.flip([a + 1 for a in axes])
                blend.add(corner, output, share)
                if keep is not None:
                    keep(corner, output, share)
            done += len(batch) * len(networks)
            report(done)


def mean_output(networks: list[UNet], inputs: Tensor, softmax: bool) -> Tensor:
    """The networks' mean logits, or probabilities with softmax: float32 (batch, classes, z, y, x), contiguous."""
    total: Tensor | None = None
    for network in networks:
        output = network(inputs).contiguous().float()  # flips of a channels-last tensor are slow
        output = output.softmax(1) if softmax else output
        total = output if total is None else total.add_(output)
    assert total is not None
    return total.div_(len(networks))


def whole(corners: list[Corner], mirrors: list[tuple[int, ...]]) -> list[Pass]:
    """All mirrors of these windows."""
    return [(corner, axes, 1 / len(mirrors)) for corner in corners for axes in mirrors]


def _progress(name: str, total: int, log: Log) -> Callable[[int], None]:
    """A callback that logs every PROGRESS_SECONDS, and once at the end with the duration."""
    start = time.perf_counter()
    last = start

    def report(done: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if done == total:
            log(f"{name}: {total} passes, {now - start:.1f} s")
        elif now - last > PROGRESS_SECONDS:
            last = now
            log(f"{name}: {done} of {total} passes, {(now - start) / done * (total - done):.0f} s left")

    return report


def _batches(items: list[Pass], size: int) -> Iterator[list[Pass]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
