"""A small network with random weights, one that only thresholds, and a short way to their logits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from model.inference.predictor import Predictor, Prepared
from model.inference.shortcuts import EXHAUSTIVE, Shortcuts
from model.inference.windows import windows_touching
from model.network.bundle import Bundle, Normalisation
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(
    2, 3, (4, 8, 8), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2), (2, 2, 2)), (1, 1, 1), (1, 1)
)
PATCH = (8, 16, 16)


class Threshold(nn.Module):
    """Says GTVp where channel 0 is above 1, with certainty; counts the windows it is given."""

    plan = PLAN

    def __init__(self) -> None:
        super().__init__()
        self.dummy = nn.Parameter(torch.zeros(1))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += len(x)
        score = 20 * (x[:, :1] - 1)
        return torch.cat((-score, score, torch.full_like(score, -99)), 1)


@pytest.fixture
def bundle() -> Bundle:
    """Random weights for windows of 8 x 16 x 16 voxels of 3 x 2 x 2 mm."""
    torch.manual_seed(0)
    scheme = Normalisation(-1000, 1000, 0, 100)
    state = UNet(PLAN).state_dict()
    return Bundle(PLAN, PATCH, (3.0, 2.0, 2.0), (scheme, scheme), (0, 1, 2), {}, (state,))


@pytest.fixture
def predictor_of() -> Callable[..., Predictor]:
    """A predictor on the CPU in float32, exhaustive and silent unless told otherwise."""

    def make(bundle: Bundle, shortcuts: Shortcuts = EXHAUSTIVE, log=lambda line: None) -> Predictor:
        return Predictor(bundle, "cpu", "fp32", shortcuts, log)

    return make


@pytest.fixture
def thresholding(predictor_of) -> Callable[..., tuple[Predictor, Threshold]]:
    """The same with a network that thresholds, and that network."""

    def make(bundle: Bundle, shortcuts: Shortcuts = EXHAUSTIVE, log=lambda line: None):
        predictor, network = predictor_of(bundle, shortcuts, log), Threshold()
        predictor.networks[torch.device("cpu"), torch.float32] = [network]
        return predictor, network

    return make


@pytest.fixture
def logits_of() -> Callable[[Predictor, Tensor], Tensor]:
    """What a predictor makes of a normalised image (channels, z, y, x)."""

    def predict(predictor: Predictor, image: Tensor) -> Tensor:
        shape = tuple(image.shape[1:])
        whole = tuple(slice(0, n) for n in shape)
        corners, part = windows_touching(shape, predictor.bundle.patch_zyx, whole)
        assert part == whole
        return predictor.predict(Prepared(image, corners, None, part, 1.0)).logits

    return predict
