"""nnU-Net v1 models, against a stand-in for its network."""

import pytest
import torch

from model.errors import InputError

PATCH, SPACING = (8, 16, 24), (3.0, 0.9, 0.8)


def test_v1_network_gives_the_same_logits(v1_network, v1_folder, imported, tmp_path):
    network = v1_network().eval()
    bundle = imported(v1_folder(tmp_path / "m", network))
    assert (bundle.pipeline, bundle.patch_zyx, bundle.spacing_zyx) == (
        "nnunet-v1",
        PATCH,
        SPACING,
    )
    assert bundle.normalisation[1].std == 60 and bundle.network.decoder_kernels == ((3, 3, 3), (3, 3, 3))
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        torch.testing.assert_close(bundle.build_networks()[0](x), network(x), atol=1e-5, rtol=1e-5)


def test_v1_without_mirroring_stays_without(v1_network, v1_folder, imported, tmp_path):
    assert imported(v1_folder(tmp_path / "m", v1_network())).mirror_axes == (0, 1, 2)
    assert imported(v1_folder(tmp_path / "n", v1_network(), "nnUNetTrainerV2_noMirroring")).mirror_axes == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preprocessor_name": "Mine"}, "Mine"),
        ({"use_mask_for_norm": {0: True}}, "mask"),
        ({"normalization_schemes": {0: "CT2", 1: "CT"}}, "CT2"),
        ({"plans_per_stage": {}}, "not a complete"),
        ({"trainer": "nnUNetTrainerV2_ReLU"}, "nonlinearity"),
    ],
)
def test_unsupported_v1_is_refused(v1_network, v1_folder, imported, change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        imported(v1_folder(tmp_path / "m", v1_network(), **change))
