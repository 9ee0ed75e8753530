"""nnU-Net v1 models, against a stand-in for its network."""

import numpy as np
import pytest
import torch

from model.errors import InputError
from model.network.plain import quoted

PATCH, SPACING = (8, 16, 24), (3.0, 0.9, 0.8)
FIGURES = {"mean": 30.0, "sd": 60.0, "percentile_00_5": -150.0, "percentile_99_5": 220.0}


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
    for name in ("noMirroring", "noDataAugmentation"):
        assert imported(v1_folder(tmp_path / name, v1_network(), f"nnUNetTrainerV2_{name}")).mirror_axes == ()
    folder = v1_folder(tmp_path / "o", v1_network(), "mine")
    bundle = imported(folder, trainer="nnUNetTrainerV2_noMirroring")
    assert bundle.mirror_axes == ()
    assert bundle.provenance["trainer"] == "'mine', taken as nnUNetTrainerV2_noMirroring"


EXPORT = {"force_separate_z": None, "interpolation_order": 1, "interpolation_order_z": 0}


@pytest.mark.parametrize("export", [None, EXPORT])
def test_v1_plans_may_say_how_probabilities_are_resampled(v1_network, v1_folder, imported, export, tmp_path):
    folder = v1_folder(tmp_path / "m", v1_network(), segmentation_export_params=export)
    assert imported(folder).pipeline == "nnunet-v1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preprocessor_name": "Mine"}, "Mine"),
        ({"use_mask_for_norm": {0: True}}, "mask"),
        ({"normalization_schemes": {0: "CT2", 1: "CT"}}, "CT2"),
        ({"plans_per_stage": {}}, "not a complete"),
        ({"trainer": "nnUNetTrainerV2_ReLU"}, "nonlinearity"),
        ({"trainer": "nnUNetTrainerV2_GN"}, "nnUNetTrainerV2_GN.*norm"),
        ({"trainer": "nnUNetTrainerV2_lReLU_convReLUIN"}, "nnUNetTrainerV2_lReLU_convReLUIN"),
        ({"trainer": ["nnUNetTrainerV2"]}, "trainer"),
        ({"normalization_schemes": {0: "MRI", 1: "CT"}}, "MRI"),
        ({"segmentation_export_params": EXPORT | {"interpolation_order": 3}}, "interpolation_order': 3"),
        ({"segmentation_export_params": EXPORT | {"force_separate_z": True}}, "force_separate_z': True"),
        ({"segmentation_export_params": {}}, "resampled with {}"),
    ],
)
def test_unsupported_v1_is_refused(v1_network, v1_folder, imported, change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        imported(v1_folder(tmp_path / "m", v1_network(), **change))


LAUGHS: list = [2]
for _ in range(12):
    LAUGHS = [LAUGHS] * 10
DEEP: list = []
for _ in range(150):
    DEEP = [DEEP]


def stage(**changes) -> dict:
    whole = {
        "patch_size": np.array(PATCH), "current_spacing": np.array(SPACING),
        "pool_op_kernel_sizes": [[1, 2, 2], [2, 2, 2]], "conv_kernel_sizes": [],
    }  # fmt: skip
    return {"plans_per_stage": {0: whole | changes}}


@pytest.mark.parametrize(
    "change",
    [
        stage(pool_op_kernel_sizes=[[10**9] * 3] * 2), stage(pool_op_kernel_sizes=[[2, 2, 2]] * 100_000),
        stage(pool_op_kernel_sizes=[[0, 2, 2], [2, 2, 2]]), stage(pool_op_kernel_sizes=[[1, 2, 2], [2, 2, -2]]),
        stage(pool_op_kernel_sizes=None), stage(pool_op_kernel_sizes="2" * 10**6), stage(pool_op_kernel_sizes=[]),
        stage(pool_op_kernel_sizes=[[1.5, 2, 2], [2, 2, 2]]), stage(pool_op_kernel_sizes=[["2", 2, 2], [2, 2, 2]]),
        stage(patch_size=[0, 0, 0]), stage(patch_size=[2**40] * 3), stage(patch_size=[8, 16, 25]),
        stage(patch_size=None),
        stage(patch_size=[10**400] * 3), stage(patch_size=[float("inf")] * 3), stage(patch_size=LAUGHS),
        stage(current_spacing=[0, 1, 1]), stage(current_spacing=[-3, 1, 1]),
        stage(current_spacing=[float("nan"), 1, 1]),
        stage(current_spacing=["3", 1, 1]), stage(current_spacing=[1e30] * 3), stage(current_spacing=[True] * 3),
        {"transpose_forward": [0, 0, 1]}, {"transpose_forward": [0, 1]}, {"transpose_forward": [1, 2, 3]},
        {"num_modalities": 10**9}, {"num_modalities": "2"}, {"num_modalities": LAUGHS}, {"num_modalities": -1},
        {"normalization_schemes": LAUGHS}, {"normalization_schemes": {0: LAUGHS, 1: "CT"}}, {"more": DEEP},
        {"plans_per_stage": DEEP}, {"plans_per_stage": LAUGHS}, {"trainer": LAUGHS}, {"trainer": "x" * 10**7},
        {"segmentation_export_params": LAUGHS}, {"segmentation_export_params": 3},
        {"use_mask_for_norm": LAUGHS}, {"use_mask_for_norm": 3}, {"preprocessor_name": "x" * 10**6},
        {"preprocessor_name": LAUGHS}, {"dataset_properties": {"intensityproperties": LAUGHS}},
        *({"dataset_properties": {"intensityproperties": {0: FIGURES | figures, 1: FIGURES}}} for figures in (
            {"sd": -1.0}, {"sd": float("nan")}, {"sd": float("inf")}, {"sd": "60"}, {"sd": None},
            {"mean": float("nan")},
            {"percentile_00_5": 500.0}, {"percentile_99_5": 10**400}, {"percentile_99_5": np.float64("inf")},
        )),
    ],
    ids=quoted,
)  # fmt: skip
def test_nonsense_in_v1_plans_is_one_line(v1_network, v1_folder, imported, change, tmp_path):
    folder = v1_folder(tmp_path / "m", v1_network(), **change)
    with pytest.raises(InputError) as refused:
        imported(folder)
    assert len(str(refused.value)) < 800 + len(str(folder)) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [float("nan"), float("inf"), None, "weights", torch.ones(1).expand(4), torch.ones(4, dtype=torch.int32),
     torch.ones(4).to_sparse(), torch.ones(5), torch.ones(4, 1), torch.ones(1).expand(2**20, 2**20)],
    ids=lambda change: repr(change)[:40],
)  # fmt: skip
def test_tensors_that_are_no_weights_are_refused(v1_network, v1_folder, imported, change, tmp_path):
    folder = v1_folder(tmp_path / "m", v1_network())
    path = folder / "fold_0" / "model_final_checkpoint.model"
    content = torch.load(path, weights_only=False)
    name = "conv_blocks_context.0.blocks.0.instnorm.weight"
    content["state_dict"][name] = torch.full((4,), change) if isinstance(change, float) else change
    torch.save(content, path)
    with pytest.raises(InputError) as refused:
        imported(folder)
    assert "\n" not in str(refused.value)
