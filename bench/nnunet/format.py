"""A weights file as an nnU-Net v2 trained-model folder, so that nnU-Net itself can run the same weights."""

import json
from pathlib import Path

import torch

from model.network.bundle import Bundle
from model.network.unet import UNet
from model.structures import LABELS

CONFIGURATION = "3d_fullres"


def write_nnunet(bundle: Bundle, folder: Path) -> Path:
    """plans.json, dataset.json and fold_k/checkpoint_final.pth; one plain network with CT normalisation per state."""
    plan = bundle.network
    figures = {
        str(channel): {"mean": n.mean, "std": n.std, "percentile_00_5": n.lower, "percentile_99_5": n.upper}
        for channel, n in enumerate(bundle.normalisation)
    }
    plans = {
        "dataset_name": "Dataset999_gtvseg",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(bundle.spacing_zyx),
        "original_median_shape_after_transp": list(bundle.patch_zyx),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: configuration_of(bundle)},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": figures,
    }
    dataset = {
        "channel_names": {str(k): name for k, name in enumerate(bundle.channels)},
        "labels": {"background": 0} | LABELS,
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans, indent=1))
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1))
    for fold, state in enumerate(bundle.states):
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        network = UNet(plan)
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        weights = dict(network.state_dict())
        weights |= {name: tensor for name, tensor in doubled(weights).items()}
        content = {
            "network_weights": weights,
            "init_args": {"configuration": CONFIGURATION, "fold": fold},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": tuple(bundle.mirror_axes) or None,
        }
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def configuration_of(bundle: Bundle) -> dict[str, object]:
    """What nnU-Net's plans say of the network and its preprocessing."""
    plan = bundle.network
    resampling = {"is_seg": False, "order_z": 0, "force_separate_z": None}
    return {
        "data_identifier": "gtvseg",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(bundle.patch_zyx),
        "median_image_size_in_voxels": list(bundle.patch_zyx),
        "spacing": list(bundle.spacing_zyx),
        "normalization_schemes": ["CTNormalization"] * plan.in_channels,
        "use_mask_for_norm": [False] * plan.in_channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling | {"order": 3},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "batch_dice": True,
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": len(plan.features),
                "features_per_stage": list(plan.features),
                "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [list(kernel) for kernel in plan.kernels],
                "strides": [list(stride) for stride in plan.strides],
                "n_conv_per_stage": list(plan.encoder_convs),
                "n_conv_per_stage_decoder": list(plan.decoder_convs),
                "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }


def doubled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The second names that nnU-Net's modules give to the same tensors, and the encoder again within the decoder."""
    result = {}
    for name, tensor in state.items():
        names = [name]
        for first, second in ((".conv.", ".all_modules.0."), (".norm.", ".all_modules.1.")):
            if ".convs." in name and first in name:
                names.append(name.replace(first, second))
        for other in names:
            result[other] = tensor
            if other.startswith("encoder."):
                result[f"decoder.{other}"] = tensor
    return result
