"""gtvseg against nnU-Net v1 itself: python -m bench.nnunet_v1 --nnunet-python VENV/bin/python.

The bundled network is rewritten as a v1 model, imported back and run on a small field of view in float32 with every
window and mirror, by both. Prints the largest difference of probabilities on the network's grid and the DSC between the
label maps. Generic_UNet knows no bias in transposed convolutions and heads, which are dropped, and its decoder has the
kernels of the stage below, to which ours are widened with zeros. nnU-Net v1 (nnunet==1.7.1, NumPy below 2) wants a
virtual environment of its own.
"""

import argparse
import pickle
import subprocess
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from bench.inference import CASES, read_back, write_case
from evaluation.metrics import dsc
from model.importing.v1 import CHECKPOINT, PARTS, context, localization, read_v1
from model.importing.v2 import to_bundle
from model.inference.predictor import Predictor
from model.network.bundle import Bundle, load_bundle
from model.preprocessing.gtvseg import restore_labels
from model.structures import LABELS

ROOT = Path(__file__).parents[1]
FLOOR = 0.999


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--nnunet-python", type=Path, required=True, help="the Python of a virtual environment with nnunet")
    add("--weights", type=Path, default=ROOT / "weights" / "gtv.pt")
    add("--case", choices=CASES, default="crop")
    add("--seed", type=int, default=2026, help="of the phantom")
    add("--pair", type=Path, nargs=2, metavar=("CT", "CE"), help="these two images instead of a phantom")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_case(work / "case", args)
        model = work / "model"
        write_v1(load_bundle(args.weights), model)
        predictor = Predictor(
            to_bundle(read_v1(model, ["0"]), model, None, None), "cpu", "fp32", True, False, lambda line: None
        )
        prepared = predictor.prepare(read_back(work))
        assert prepared is not None
        probabilities = predictor.logits(prepared.image, prepared.corners)  # v1 averages these
        labels = restore_labels(probabilities, prepared.region, prepared.part)
        given = [str(work / "case" / f"{stem}.nii.gz") for stem in ("image", "image_contrast")]
        side = [str(args.nnunet_python), str(ROOT / "bench" / "nnunet_v1_side.py"), str(model), *given]
        done = subprocess.run([*side, str(work / "v1")], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"nnU-Net v1 failed:\n{done.stderr}")
        difference = np.abs(np.load(work / "v1.npy") - probabilities.numpy()).max()
        theirs = sitk.GetArrayFromImage(sitk.ReadImage(work / "v1.nii.gz"))
    print(f"probabilities, largest difference: {difference:.1e}")
    agreements = [dsc(labels == value, theirs == value) for value in LABELS.values()]
    for name, agreement, value in zip(LABELS, agreements, LABELS.values(), strict=True):
        print(f"{name}: DSC between both {agreement:.5f}, {np.count_nonzero(theirs == value)} voxels")
    return 0 if min(agreements) >= FLOOR else 1


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
    found: OrderedDict[str, Tensor] = OrderedDict()
    levels = len(network.features) - 1
    for level in range(levels + 1):
        there = context(level, levels)
        names = [
            f"{there[0]}.blocks.0",
            f"{there[0]}.blocks.1" if len(there) == 1 else f"{there[1]}.blocks.0",
        ]
        copy_convs(state, f"encoder.stages.{level}.0", names, found, network.kernels[level])
    for up in range(levels):
        names = [f"{part}.blocks.0" for part in localization(up)]
        copy_convs(state, f"decoder.stages.{up}", names, found, network.kernels[levels - up])
        for old, new in (("tu", "transpconvs"), ("seg_outputs", "seg_layers")):
            found[f"{old}.{up}.weight"] = state[f"decoder.{new}.{up}.weight"].float()
    return found


def copy_convs(
    state: dict[str, Tensor], here: str, there: list[str], found: dict[str, Tensor], kernel: tuple[int, ...]
) -> None:
    for at, name in enumerate(there):
        for old, new in PARTS:
            for kind in ("weight", "bias"):
                tensor = state[f"{here}.convs.{at}.{new}.{kind}"].float()
                if tensor.ndim == 5:
                    spare = [(k - n) // 2 for k, n in zip(kernel, tensor.shape[2:], strict=True)]
                    tensor = torch.nn.functional.pad(tensor, [s for s in spare[::-1] for _ in range(2)])
                found[f"{name}.{old}.{kind}"] = tensor


if __name__ == "__main__":
    sys.exit(main())
