"""A weights file as an nnU-Net v1 model, so that nnU-Net 1.7 itself can run the same weights.

Generic_UNet knows no bias in transposed convolutions and heads, which are dropped. Its decoder has the kernels of the
stage below; ours are widened to them with zeros.
"""

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.importing.v1 import CHECKPOINT, LAYERS, context, localization
from model.network.bundle import Bundle
from model.structures import LABELS


def write_v1(bundle: Bundle, folder: Path) -> None:
    """plans.pkl, fold_0/model_final_checkpoint.model and .model.pkl, with all that nnU-Net 1.7 reads of them."""
    network = bundle.network
    figures = {
        k: {"mean": n.mean, "sd": n.std, "percentile_00_5": n.lower, "percentile_99_5": n.upper}
        for k, n in enumerate(bundle.normalisation)
    }
    pools = [list(stride) for stride in network.strides[1:]]
    stage = {
        "batch_size": 2,
        "num_pool_per_axis": [sum(pool[axis] > 1 for pool in pools) for axis in range(3)],
        "patch_size": np.array(bundle.patch_zyx),
        "current_spacing": np.array(bundle.spacing_zyx),
        "pool_op_kernel_sizes": pools,
        "conv_kernel_sizes": [list(kernel) for kernel in network.kernels],
        "do_dummy_2D_data_aug": False,
    }
    channels = range(network.in_channels)
    plans = {
        "plans_per_stage": {0: stage},
        "num_stages": 1,
        "data_identifier": "nnUNetData_plans_v2.1",
        "num_modalities": network.in_channels,
        "num_classes": len(LABELS),
        "all_classes": list(LABELS.values()),
        "base_num_features": network.features[0],
        "conv_per_stage": 2,
        "normalization_schemes": OrderedDict((k, "CT") for k in channels),
        "use_mask_for_norm": OrderedDict((k, False) for k in channels),
        "dataset_properties": {"intensityproperties": figures},
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "preprocessor_name": "GenericPreprocessor",
        "keep_only_largest_region": None,
        "min_region_size_per_class": None,
    }
    fold = folder / "fold_0"
    fold.mkdir(parents=True)
    (folder / "plans.pkl").write_bytes(pickle.dumps(plans))
    content = {"state_dict": v1_state(bundle), "epoch": 1000, "plot_stuff": ([], [], [], [])}
    torch.save(content, fold / CHECKPOINT)
    init = (str(folder / "plans.pkl"), 0, str(folder), str(folder), True, 0, False, True, False)
    about = OrderedDict(init=init, name="nnUNetTrainerV2", plans=plans)
    (fold / f"{CHECKPOINT}.pkl").write_bytes(pickle.dumps(about))


def v1_state(bundle: Bundle) -> OrderedDict[str, Tensor]:
    """The weights under Generic_UNet's names; two convolutions per stage and the way up, as gtvseg trains them."""
    state, network = bundle.states[0], bundle.network
    result: OrderedDict[str, Tensor] = OrderedDict()
    levels = len(network.features) - 1
    for level in range(levels + 1):
        there = context(level, levels)
        names = [
            f"{there[0]}.blocks.0",
            f"{there[0]}.blocks.1" if len(there) == 1 else f"{there[1]}.blocks.0",
        ]
        copy_convs(state, f"encoder.stages.{level}.0", names, result, network.kernels[level])
    for up in range(levels):
        names = [f"{stack}.blocks.0" for stack in localization(up)]
        copy_convs(state, f"decoder.stages.{up}", names, result, network.kernels[levels - up])
        for old, new in (("tu", "transpconvs"), ("seg_outputs", "seg_layers")):
            result[f"{old}.{up}.weight"] = state[f"decoder.{new}.{up}.weight"].float()
    return result


def copy_convs(
    state: dict[str, Tensor], here: str, there: list[str], result: dict[str, Tensor], kernel: tuple[int, ...]
) -> None:
    for number, name in enumerate(there):
        for old, new in LAYERS:
            for kind in ("weight", "bias"):
                tensor = state[f"{here}.convs.{number}.{new}.{kind}"].float()
                if tensor.ndim == 5:
                    spare = [(k - n) // 2 for k, n in zip(kernel, tensor.shape[2:], strict=True)]
                    tensor = torch.nn.functional.pad(tensor, [s for s in spare[::-1] for _ in range(2)])
                result[f"{name}.{old}.{kind}"] = tensor
