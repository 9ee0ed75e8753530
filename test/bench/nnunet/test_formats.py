"""Weights written as nnU-Net's models come back from the importer as they were."""

import pytest
import torch

from bench.nnunet.format import write_nnunet
from bench.nnunet.v1_format import write_v1
from model.importing.convert import to_bundle
from model.importing.read import read_model
from model.network.bundle import Bundle, Normalisation
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(
    2, 3, (4, 8, 8), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2), (2, 2, 2)), (2,) * 3, (2,) * 2
)


@pytest.fixture
def bundle() -> Bundle:
    scheme = Normalisation(-150.0, 250.0, 40.0, 60.0)
    state = UNet(PLAN).state_dict()
    return Bundle(PLAN, (8, 16, 16), (3.0, 1.0, 1.5), (scheme, scheme), (0, 1, 2), {}, (state,))


def test_v2_comes_back(bundle, tmp_path):
    folder = write_nnunet(bundle, tmp_path / "model")
    again = to_bundle(read_model(folder, ["0"], "checkpoint_final.pth"), folder)
    for field in ("network", "patch_zyx", "spacing_zyx", "normalisation", "mirror_axes", "channels"):
        assert getattr(again, field) == getattr(bundle, field)
    for name, tensor in bundle.states[0].items():
        assert torch.equal(again.states[0][name], tensor)


def test_v1_gives_the_same_logits_but_for_biases_it_does_not_know(bundle, tmp_path):
    """The decoder's kernels are wider there, with zeros."""
    for name, tensor in bundle.states[0].items():
        if name.startswith(("decoder.transpconvs", "decoder.seg_layers")) and name.endswith("bias"):
            tensor.zero_()
    write_v1(bundle, tmp_path / "model")
    again = to_bundle(read_model(tmp_path / "model", ["0"], ""), tmp_path / "model")
    image = torch.randn(1, 2, 8, 16, 16)
    with torch.no_grad():
        expected, logits = (b.build_networks()[0](image) for b in (bundle, again))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
