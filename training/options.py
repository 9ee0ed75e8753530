"""The command line of train.py."""

import argparse
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.options import (
    LARGEST_SEED,
    MOST_FEATURES,
    MOST_JOBS,
    OUT,
    Parser,
    above,
    add_device,
    refuse,
    spacing,
    whole,
)
from training.splits import ALL, fold_list

# What is not the default of a LossPlan.
LOSSES: dict[str, dict[str, Any]] = {
    "dice-focal": {},
    "dice-ce": {"gamma": 0.0},
    "tversky-focal": {"alpha": 0.3, "beta": 0.7},
}
# Learning rate, weight decay.
OPTIMISERS = {"sgd": (1e-2, 3e-5), "adamw": (1e-3, 1e-2)}
NETWORKS = ("plain", "residual")
USUAL_FOLDS = 5
EXAMPLES = (
    "python train.py CASES --out weights/mine.pt                     # a fifth of the cases is held out",
    "python train.py CASES --fold all --out weights/gtv.pt           # on all cases",
    "python train.py CASES --out weights/mine.pt --resume            # goes on where it was stopped",
    "python train.py --phantoms 6 --minutes 1 --memory-gb 1 --out build/try.pt",
)
EXITS = "0 done, 2 bad input or training failed, 130 stopped (--resume); torchrun makes 1 of all but 0"
# More than anybody trains with.
MOST_CASES, MOST_EPOCHS, MOST_MINUTES, MOST_GB, MOST_RATE = 100_000, 1_000_000, 1_000_000, 10_000, 10


def parse_arguments(arguments: list[str] | None, description: str | None) -> argparse.Namespace:
    """Ends the program with 2 where the options make no sense."""
    parser = Parser(description=description, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("data", type=Path, nargs="?", help="folder of cases, SegRap's raw layout or nnU-Net's")
    add("--phantoms", type=whole(1, MOST_CASES), metavar="N", help="generate N synthetic cases instead")
    add(
        *OUT,
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="the weights file to write; with several folds mine.pt becomes mine-fold0.pt and so on",
    )
    add(
        "--work",
        type=Path,
        default=Path("runs/train"),
        help="plan and cache; below it a folder for each fold: checkpoint, log, curves and the held-out cases' scores",
    )
    add("--config", type=Path, help="JSON that overrides parts of the plan; its keys: plan.json in --work")
    add(
        "--spacing",
        type=spacing,
        metavar="Z,Y,X",
        help="network grid in mm; decided from the data's if not given",
    )
    add(
        "--memory-gb",
        type=above(0, MOST_GB),
        help="memory of the GPU, or of the process on a CPU: decides patch and batch; what there is if not given",
    )
    add("--network", choices=NETWORKS, default="plain", help="encoder: convolutions, or residual blocks")
    add("--features", type=whole(1, MOST_FEATURES), default=32, help="of the first stage")
    _add_fold_options(parser)
    _add_run_options(parser)
    args = parser.parse_args(arguments)
    _read_recipe(args)
    _check_together(args)
    return args


def _read_recipe(args: argparse.Namespace) -> None:
    """Put it in the place of its file's name."""
    # These load torch, which takes seconds: not for --help.
    from training.run.loss import LossPlan
    from training.run.recipe import Recipe, read_recipe

    try:
        loss = LossPlan(**LOSSES[args.loss])
        args.recipe = read_recipe(args.recipe, loss) if args.recipe else Recipe(loss=loss)
    except InputError as error:
        refuse(str(error.where), error.fact, error.remedy)


def _check_together(args: argparse.Namespace) -> None:
    """What each makes sense but not with the others."""
    if (args.data is None) == (args.phantoms is None):
        refuse("data", "either a folder of cases or --phantoms N is needed", "give one of them")
    if args.minutes and args.recipe.sampling.late_share:
        refuse("--recipe", "late_share counts iterations", "give --epochs, not --minutes")
    if args.splits and args.folds:
        refuse("--folds", "--splits says how many there are", "leave one of them")
    folds = args.folds or USUAL_FOLDS
    if not args.splits and args.fold != (ALL,) and int(args.fold[-1]) >= folds:
        refuse("--fold", f"{args.fold[-1]} of {folds}", f"give numbers from 0 to {folds - 1}, or all")


def _add_fold_options(parser: argparse.ArgumentParser) -> None:
    """Which cases are held out."""
    add = parser.add_argument
    add(
        "--folds",
        type=whole(2, MOST_CASES),
        help=f"parts that the cases are cut into; {USUAL_FOLDS}, or as many as there are cases, if not given; "
        "cases of one patient (DATA/groups.json) stay together",
    )
    add(
        "--fold",
        type=fold_list,
        default="0",
        help="the one held out for validation; 0,2 or 0-4: several, one after the other; all: train on every case",
    )
    add(
        "--splits",
        type=Path,
        metavar="JSON",
        help='cases of each fold as in nnU-Net\'s splits_final.json: [{"train": [names], "val": [names]}, ...]; '
        "others are left out, with --fold all those that no list has",
    )
    add(
        "--no-validation", action="store_true", help="leave out the scores of whole held-out cases at the end"
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """What does not concern the data."""
    add = parser.add_argument
    add("--loss", choices=LOSSES, default="dice-focal", help="what is minimised")
    add(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="JSON that overrides parts of augmentation, sampling and loss (training/run/recipe.py)",
    )
    add("--optimiser", choices=OPTIMISERS, default="sgd", help="SGD with Nesterov momentum, or AdamW")
    add("--learning-rate", type=above(0, MOST_RATE), help="1e-2 for sgd, 1e-3 for adamw if not given")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=whole(1, MOST_EPOCHS), default=1000, help="of 250 iterations")
    length.add_argument(
        "--minutes",
        type=above(0, MOST_MINUTES),
        help="training time instead, resumed parts included, preparation and validation not",
    )
    add(
        "--seed",
        type=whole(0, LARGEST_SEED),
        default=0,
        help="of phantoms, folds, initial weights and patches",
    )
    add(
        "--start",
        type=Path,
        metavar="WEIGHTS",
        help="begin with these weights, of the same network, not at random",
    )
    before = parser.add_mutually_exclusive_group()
    before.add_argument(
        "--resume",
        action="store_true",
        help="go on with the plan and from the folds' checkpoints in --work, if there are any; not what is finished",
    )
    before.add_argument(
        "--overwrite", action="store_true", help="begin anew where the fold has a checkpoint in --work"
    )
    add_device(parser)
    add("--jobs", type=whole(1, MOST_JOBS), default=2, help="processes that prepare cases")
