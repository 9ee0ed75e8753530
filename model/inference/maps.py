"""Maps that may go beside the masks: how likely each structure is, and how far apart the looks at each voxel were."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.inference.blend import BACKGROUND_LOGIT
from model.network.plan import Triple
from model.preprocessing.region import Box, Region
from model.preprocessing.restore import Inside, nothing_inside, restore_maps
from model.structures import PROBABILITY_FOLDERS, UNCERTAINTY_FOLDER

# Grey values are from 0 to 255: of a probability 1, and of the largest standard deviation that one can have, 0.5.
GREYS, MOST_DEVIATION = 255, 0.5


@dataclass(frozen=True)
class Wanted:
    """Which maps are asked for."""

    probabilities: bool = False
    uncertainty: bool = False


NOTHING = Wanted()


def empty_maps(wanted: Wanted, input_shape: Triple) -> dict[str, Inside]:
    """By folder, of a CT without a body."""
    names = PROBABILITY_FOLDERS.values() if wanted.probabilities else ()
    names = (*names, UNCERTAINTY_FOLDER) if wanted.uncertainty else names
    return {name: nothing_inside(input_shape) for name in names}


def maps_of(
    wanted: Wanted,
    logits: Tensor,
    deviation: Tensor | None,
    region: Region,
    part: Box,
    *,
    of_probabilities: bool,
) -> dict[str, Inside]:
    """By folder, those that are wanted. deviation: as `Disagreement` gives it, None where nobody asked."""
    maps: dict[str, Inside] = {}
    if wanted.probabilities:
        maps |= probability_maps(logits, region, part, of_probabilities=of_probabilities)
    if deviation is not None:
        maps |= uncertainty_map(deviation, logits, region, part)
    return maps


def probabilities_of(values: Tensor, *, of_probabilities: bool) -> Tensor:
    """Of logits, or of what are probabilities already, (classes, …): the structures' alone, background left out.

    What the search made background has probability 0.
    """
    if not of_probabilities:
        return values.float().softmax(0)[1:]
    return values[1:].float() * (values[:1] < BACKGROUND_LOGIT / 2)


def probability_maps(
    logits: Tensor, region: Region, part: Box, *, of_probabilities: bool
) -> dict[str, Inside]:
    """By folder. Interpolated as for the masks, so that the largest of both and the rest is what the mask says."""

    def grey(plane: Tensor) -> Tensor:
        return probabilities_of(plane, of_probabilities=of_probabilities) * GREYS

    # Where all neighbours are certain enough of background, so is every point between them: the logarithm of its
    # probability is concave.
    hits = torch.stack([grey(plane).sum(0) >= 0.5 for plane in logits.unbind(1)])
    maps = restore_maps(logits, hits, grey, region, part)
    return dict(zip(PROBABILITY_FOLDERS.values(), maps, strict=True))


def uncertainty_map(deviation: Tensor, logits: Tensor, region: Region, part: Box) -> dict[str, Inside]:
    """By folder. deviation: as `Disagreement` gives it, float32 (z, y, x); 0 where the search ruled tumour out."""
    scale = GREYS / MOST_DEVIATION
    values = deviation.to(logits.device) * (logits[0] < BACKGROUND_LOGIT / 2)
    (one,) = restore_maps(values[None], values > 0.5 / scale, lambda plane: plane * scale, region, part)
    return {UNCERTAINTY_FOLDER: one}
