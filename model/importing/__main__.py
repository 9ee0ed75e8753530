"""Turn a trained nnU-Net into a weights file: python -m model.importing MODEL_DIR --folds 0,1,2,3,4 --out FILE.

MODEL_DIR is a v2 trained-model folder (plans.json, dataset.json, fold_x/checkpoint_final.pth; PlainConvUNet and
ResidualEncoderUNet) or a v1 one (plans.pkl, fold_x/model_final_checkpoint.model and .model.pkl; Generic_UNet). Several
folds become an ensemble. Nothing in the files is executed. Exit codes: 0 written, 2 it cannot be imported.
"""

import argparse
import sys
from argparse import ArgumentDefaultsHelpFormatter as DefaultsInHelp
from pathlib import Path

import torch

from model.errors import InputError
from model.importing.convert import to_bundle
from model.importing.read import read_model
from model.network.bundle import save_bundle
from model.terminal import report, take_any_text


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    command = ["python", "-m", "model.importing", *(sys.argv[1:] if arguments is None else arguments)]
    try:
        model = read_model(args.model, args.folds.split(","), args.checkpoint)
        bundle = to_bundle(
            model, args.model, channels=args.channels, labels=args.labels, command=" ".join(command)
        )
        save_bundle(bundle, args.out, torch.float16 if args.half else torch.float32)
    except InputError as error:
        report(error)
        return 2
    for name in ("postprocessing.pkl", "postprocessing.json"):
        if list(args.model.rglob(name)):
            print(f"note: {name} is not applied: largest-component rules stay outside the container")
    size = args.out.stat().st_size / 1e6
    channels = ", ".join(bundle.channels)
    print(f"wrote {args.out}: {len(bundle.states)} network(s), channels {channels}, {size:.0f} MB")
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m model.importing", description=__doc__, formatter_class=DefaultsInHelp
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR")
    add("--folds", default="0", help="comma-separated, or all")
    add("--out", type=Path, required=True, help="the weights file to write")
    add(
        "--channels",
        help="what the input channels are, ct,ce or ce,ct (ct: non-contrast); ct,ce if not given",
    )
    add("--labels", help="values of GTVp and GTVnd, 1,2 or 2,1; by their names in dataset.json if not given")
    add("--checkpoint", default="checkpoint_final.pth", help="v2: file in each fold's folder")
    add("--half", action="store_true", help="store weights in half precision: half the size")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    take_any_text()
    sys.exit(main())
