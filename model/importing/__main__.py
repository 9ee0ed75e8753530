"""Turn a trained nnU-Net into a weights file: python -m model.importing MODEL_DIR --fold 0,1,2,3,4 --out FILE.

MODEL_DIR is a v2 trained-model folder (plans.json, dataset.json, fold_x/checkpoint_final.pth; PlainConvUNet and
ResidualEncoderUNet) or a v1 one (plans.pkl, fold_x/model_final_checkpoint.model and .model.pkl; Generic_UNet). Several
folds become an ensemble. Nothing in the files is executed.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import os
import re
import sys
from pathlib import Path

from model.errors import InputError
from model.options import OUT, Parser
from model.terminal import own_stderr, report, take_any_text

EXAMPLES = (
    "python -m model.importing MODEL_DIR --fold 0,1,2,3,4 --out weights/gtv.pt",
    "python -m model.importing MODEL_DIR --fold all --half --out weights/gtv.pt",
)
EXITS = "0 written, 2 it cannot be imported"
# As nnU-Net names them.
FOLD = re.compile("all|[0-9]{1,3}")


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    # They load torch, which takes seconds: not for --help.
    import torch

    from model.importing.convert import to_bundle
    from model.importing.read import read_model
    from model.network.bundle import save_bundle

    command = ["python", "-m", "model.importing", *(sys.argv[1:] if arguments is None else arguments)]
    try:
        check_options(args)
        model = read_model(args.model, args.folds.split(","), args.checkpoint, args.trainer)
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
    parser = Parser("python -m model.importing", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="trained-model folder of nnU-Net, v2 or v1")
    add("--fold", dest="folds", metavar="FOLD", default="0", help="0,1,2,3,4 for several, or all")
    add(*OUT, type=Path, required=True, help="the weights file to write")
    add(
        "--channels",
        help="what the input channels are, ct,ce or ce,ct (ct: non-contrast); ct,ce if not given",
    )
    add("--labels", help="values of GTVp and GTVnd, 1,2 or 2,1; by their names in dataset.json if not given")
    add("--checkpoint", default="checkpoint_final.pth", help="v2: file in each fold's folder")
    add(
        "--trainer",
        help="a trainer of nnU-Net's own that has the same network and mirrors as the model's, where that is not known",
    )
    add("--half", action="store_true", help="store weights in half precision: half the size")
    return parser.parse_args(arguments)


def check_options(args: argparse.Namespace) -> None:
    """Raise InputError for options that make no sense, before any work."""
    folds = args.folds.split(",")
    if not all(FOLD.fullmatch(fold) for fold in folds) or len(set(folds)) < len(folds):
        raise InputError("--fold", f"{args.folds!r} are no folds", "give numbers such as 0,1,2,3,4, or all")
    if args.checkpoint != Path(args.checkpoint).name or args.checkpoint in ("", ".."):
        raise InputError(
            "--checkpoint", f"{args.checkpoint!r} is no file's name", "give one such as checkpoint_best.pth"
        )
    if not args.out.name:
        raise InputError("--out", "no file's name", "give one such as weights/mine.pt")
    model, out = Path(os.path.realpath(args.model)), Path(os.path.realpath(args.out))
    if model in out.parents and os.path.exists(out):
        raise InputError("--out", f"{args.out} is a file of the model", "choose another")


if __name__ == "__main__":
    own_stderr()
    take_any_text()
    sys.exit(main())
