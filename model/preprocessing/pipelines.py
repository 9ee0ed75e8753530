"""The pipelines: whose cropping, resampling, window weights and averaging a bundle's weights expect."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from model.images.pair import Pair
from model.network.bundle import Bundle
from model.preprocessing import gtvseg, nnunet
from model.preprocessing.region import Box, Region, box_from


@dataclass(frozen=True)
class Pipeline:
    """Everything that differs from pipeline to pipeline.

    find_region(pair, bundle): where the network's grid lies, and the box on it that windows have to touch; None where
    the CT shows no body. sample(pair, bundle, region, part): the normalised channels on a part of that grid, float32
    (channels, z, y, x). half_weights: window weights are rounded to half precision. average_probabilities: over windows
    and mirrors, instead of logits.
    """

    find_region: Callable[[Pair, Bundle], tuple[Region, Box] | None]
    sample: Callable[[Pair, Bundle, Region, Box], Tensor]
    half_weights: bool = False
    average_probabilities: bool = False


def _gtvseg_region(pair: Pair, bundle: Bundle) -> tuple[Region, Box] | None:
    """gtvseg crops to the body, so its whole grid has to be looked at."""
    region = gtvseg.find_region(pair, bundle.spacing_zyx)
    if region is None:
        return None
    return region, box_from(slice(0, n) for n in region.network_shape)


def _gtvseg_sample(pair: Pair, bundle: Bundle, region: Region, part: Box) -> Tensor:
    return gtvseg.sample(pair, bundle.normalisation, region)[(slice(None), *part)]


PIPELINES = {
    "gtvseg": Pipeline(_gtvseg_region, _gtvseg_sample),
    "nnunet-v2": Pipeline(
        partial(nnunet.find_region, version=nnunet.V2),
        partial(nnunet.sample, version=nnunet.V2),
        half_weights=True,
    ),
    "nnunet-v1": Pipeline(
        partial(nnunet.find_region, version=nnunet.V1),
        partial(nnunet.sample, version=nnunet.V1),
        average_probabilities=True,
    ),
}
