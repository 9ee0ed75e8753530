"""The predictor: a network ready to segment pairs. prepare → predict → restore.

All arrays and tensors are (z, y, x), with the channel or class axis in front.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from model.images.pair import Pair
from model.inference.blend import Blend
from model.inference.confidence import Trust, trust_in
from model.inference.disagreement import Disagreement
from model.inference.lesions import drop_small
from model.inference.maps import NOTHING, Wanted, empty_maps, maps_of
from model.inference.mirrors import choose_mirrors, mirror_combinations
from model.inference.passes import HalfOverflow, Passes
from model.inference.search import search
from model.inference.shortcuts import DEFAULT, Shortcuts
from model.inference.windows import Corner, Windows, gaussian, pad_to_patch, windows_touching
from model.network.bundle import Bundle
from model.network.memory import kept_memory
from model.network.placement import (
    Placement,
    choose_device,
    choose_dtype,
    memory_format,
    placements,
    work_alone,
)
from model.network.plan import Triple, triple
from model.network.unet import UNet
from model.preprocessing.pipelines import PIPELINES
from model.preprocessing.region import Box, Region, box_from
from model.preprocessing.restore import Inside, restore_labels
from model.structures import LABELS

# Of the network's grid: twice those of a long head-and-neck CT at a millimetre in all directions, and 13 GB of sums.
MOST_VOXELS = 2**30
Log = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What the network will see of a pair.

    image: (channels, z, y, x), the part of the region's network grid that the windows need, in image_dtype. corners:
    the lowest voxel of each window, counted in the image after it is padded to at least a patch. voxel_cm3: of the
    input's grid.
    """

    image: Tensor
    corners: list[Corner]
    region: Region
    part: Box
    voxel_cm3: float

    @property
    def network_voxel_cm3(self) -> float:
        """Of the network's grid."""
        box = math.prod(axis.stop - axis.start for axis in self.region.box)
        return self.voxel_cm3 * box / math.prod(self.region.network_shape)


@dataclass(frozen=True)
class Prediction:
    """logits: (classes, z, y, x) on the prepared image's grid, in its sums_dtype; nnU-Net v1's are probabilities.

    passes: how many windows went through a network. deviation: where it is wanted, of the looks at each voxel, float32
    (z, y, x).
    """

    logits: Tensor
    passes: int
    deviation: Tensor | None = None


@dataclass(frozen=True)
class Segmentation:
    """labels: uint8 (z, y, x), canonical orientation, full input grid; network_seconds, passes: of the network.

    trust: None where nothing asked for it. maps: by folder, those that were wanted, on the grid of the labels.
    """

    labels: np.ndarray
    network_seconds: float = 0.0
    passes: int = 0
    trust: Trust | None = None
    maps: dict[str, Inside] = field(default_factory=dict)


class Predictor:
    """A network ready to segment: load once, call `segment` for every pair.

    precision "auto" means float16 on CUDA, bfloat16 on CPUs that are faster in it, else float32; "fp32" means float32.
    device: "auto", "cpu", "cuda" or "cuda:N". Raises InputError where it is a GPU and there is none such.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str = "auto",
        precision: str = "auto",
        shortcuts: Shortcuts = DEFAULT,
        log: Log = print,
        wanted: Wanted = NOTHING,
    ) -> None:
        self.bundle = bundle
        self.pipeline = PIPELINES[bundle.pipeline]
        self.device = choose_device(device)
        self.precision = precision
        # TF32, torch's default for convolutions on GPUs, keeps only 10 bits of the mantissa.
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        # All windows are of one size, so looking for the fastest convolutions is worth it.
        torch.backends.cudnn.benchmark = self.device.type == "cuda"
        self.shortcuts = shortcuts
        self.log = log
        self.wanted = wanted
        self.networks: dict[tuple[torch.device, torch.dtype], list[UNet]] = {}

    def begin_reader(self) -> None:
        """To be called first in a thread that prepares beside the network."""
        work_alone(self.device)

    def segment(self, pair: Pair) -> Segmentation:
        """Label map of one pair: crop, resample, normalise → windows → back to the input grid."""
        return self.predict_and_restore(self.prepare(pair), triple(pair.ct.shape))

    def predict_and_restore(
        self, prepared: Prepared | None, input_shape: Triple, log: Log | None = None
    ) -> Segmentation:
        """The second half of `segment`, which does not need the CTs any more: their memory can be given back before.

        log: for this pair's lines, if not the predictor's.
        """
        if log is not None:
            self.log = log
        if prepared is None:
            self.log("warning: nothing denser than air in the CT: both masks are empty")
            return Segmentation(np.zeros(input_shape, np.uint8), maps=empty_maps(self.wanted, input_shape))
        start = time.perf_counter()
        prediction = self.predict(prepared)
        network_seconds = time.perf_counter() - start
        labels = self.restore(prepared, prediction.logits)
        trust, maps = self.trust(prepared, prediction), self.maps(prepared, prediction)
        return Segmentation(labels, network_seconds, prediction.passes, trust, maps)

    def prepare(self, pair: Pair, log: Log | None = None) -> Prepared | None:
        """What the network will see; None where the pair shows no body at all. log: if not the predictor's.

        Windows that do not touch the body are left out, unless the search is switched off. May run in another thread
        than the network, for the next pair.
        """
        start = time.perf_counter()
        located = self.pipeline.find_region(pair, self.bundle)
        if located is None:
            return None
        region, body = located
        shape = region.network_shape
        if (voxels := math.prod(shape)) > MOST_VOXELS:
            spacing = " x ".join(f"{s:g}" for s in pair.spacing_zyx)
            raise MemoryError(f"voxel spacing is {spacing} mm, so the network's grid has {voxels:.0e} voxels")
        reach = body if self.shortcuts.search else box_from(slice(0, n) for n in shape)
        corners, part = windows_touching(shape, self.bundle.patch_zyx, reach)
        image = self.pipeline.sample(pair, self.bundle, region, part)
        (log or self.log)(
            f"crop, resample, normalise: {_in_words(region.input_shape)} -> {_in_words(image.shape[1:])} voxels,"
            f" {time.perf_counter() - start:.1f} s"
        )
        return Prepared(image, corners, region, part, float(np.prod(pair.spacing_zyx)) / 1000)

    def predict(self, prepared: Prepared) -> Prediction:
        """The network's part; in float32, then and ever after, if float16 is too small for what it says."""
        try:
            return self._predict_where_it_fits(prepared)
        except HalfOverflow:
            self.log("overflow in float16: trying again in float32")
        self.precision = "fp32"
        self.networks.clear()
        return self._predict_where_it_fits(prepared)

    def _predict_where_it_fits(self, prepared: Prepared) -> Prediction:
        """Falling back to smaller steps when memory runs out."""
        mirrors = len(mirror_combinations(self._mirror_axes))
        # Each placement with the next one to try; None after the last.
        for placement, fallback in itertools.pairwise((*placements(self.device, mirrors), None)):
            assert placement is not None
            try:
                with kept_memory():
                    return self._predict_at(prepared, placement)
            except torch.OutOfMemoryError:
                if fallback is None:
                    raise
                self.log(f"out of memory ({placement}): trying again ({fallback})")
            torch.cuda.empty_cache()
        raise AssertionError("the ladder of placements is never empty")

    def _predict_at(self, prepared: Prepared, placement: Placement) -> Prediction:
        bundle, pipeline = self.bundle, self.pipeline
        image, inside = pad_to_patch(prepared.image, bundle.patch_zyx)
        weight = gaussian(bundle.patch_zyx, half=pipeline.half_weights)
        windows = Windows(triple(image.shape[1:]), prepared.corners, weight)
        networks = self.networks_on(placement.device)
        blend = Blend(
            windows,
            bundle.network.num_classes,
            placement.sums,
            of_probabilities=pipeline.average_probabilities,
        )
        mirrors = choose_mirrors(self.shortcuts, self._mirror_axes, windows, blend)
        looks = self._disagreement(windows, placement.sums)
        passes = Passes(networks, image, blend, mirrors, placement, self.log, looks)
        if self.shortcuts.search:
            logits = search(windows, passes, mirrors, blend, bundle.spacing_zyx, self.log)
        else:
            passes.run("predict", mirrors.first_passes(windows.corners))
            logits = blend.last_mean()
        deviation = looks.deviation()[inside] if looks else None
        return Prediction(logits[(slice(None), *inside)], passes.count, deviation)

    def _disagreement(self, windows: Windows, device: torch.device) -> Disagreement | None:
        """None unless it is wanted."""
        if not self.wanted.uncertainty:
            return None
        return Disagreement(
            windows, len(LABELS), device, of_probabilities=self.pipeline.average_probabilities
        )

    @property
    def _mirror_axes(self) -> tuple[int, ...]:
        return () if self.shortcuts.mirrors == "one" else self.bundle.mirror_axes

    def networks_on(self, device: torch.device) -> list[UNet]:
        """The networks on a device, in the precision of the passes there; made once."""
        key = (device, choose_dtype(device, self.precision))
        if key not in self.networks:
            networks = [network.to(*key) for network in self.bundle.build_networks()]
            order = memory_format(device, exact=self.precision == "fp32")
            for network in networks:
                network.to(memory_format=order)  # type: ignore[call-overload]
            self.networks[key] = networks
        return self.networks[key]

    def restore(self, prepared: Prepared, logits: Tensor) -> np.ndarray:
        """Label map uint8 (z, y, x) on the full input grid, without pieces below the bundle's least volumes."""
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
        return labels

    def trust(self, prepared: Prepared, prediction: Prediction) -> Trust | None:
        """How far the masks can be trusted; None where neither a calibration nor wanted probabilities ask for it."""
        if self.bundle.confidence is None and not self.wanted.probabilities:
            return None
        return trust_in(
            prediction.logits,
            prepared.network_voxel_cm3,
            self.bundle,
            of_probabilities=self.pipeline.average_probabilities,
        )

    def maps(self, prepared: Prepared, prediction: Prediction) -> dict[str, Inside]:
        """Those that are wanted, by folder."""
        start, logits = time.perf_counter(), prediction.logits
        place = (prediction.deviation, prepared.region, prepared.part)
        of_probabilities = self.pipeline.average_probabilities
        try:
            maps = maps_of(self.wanted, logits, *place, of_probabilities=of_probabilities)
        except torch.OutOfMemoryError:
            self.log(f"out of memory ({logits.device}): making the maps on the CPU")
            maps = maps_of(self.wanted, logits.cpu(), *place, of_probabilities=of_probabilities)
        if maps:
            self.log(f"maps on the input grid: {time.perf_counter() - start:.1f} s")
        return maps


def _in_words(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
