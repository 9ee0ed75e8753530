"""nnU-Net's side of bench.train_vs_nnunet, run by the Python that has nnU-Net v2; gtvseg is not imported here.

train_side.py WORK (--minutes M | --iterations N) --device cpu|cuda, with nnU-Net's three folders in the environment.
WORK holds split.json, and like.json: a plan of gtvseg's, or null. Plans and preprocesses data set 1, trains fold 0 of
the split with the default trainer and writes figures.json. Stopped, by Ctrl-C or SIGTERM or worse, it goes on from its
last checkpoint when it is started again.
"""

import argparse
import json
import math
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch

CONFIGURATION, PLANS = "3d_fullres", "nnUNetPlans"
# Of what is done with our plan: what was prepared or trained by another way is done anew.
FORMAT = 2
# Of the median image's voxels, as nnU-Net has it (its lowres_creation_threshold): patches of less see so little of a
# case that Dice is taken over the batch.
BATCH_DICE_BELOW = 0.25
# Of nnU-Net's polynomial decay.
POWER = 0.9
# Between checkpoints.
SECONDS = 120.0
STOPPED = 130


def main() -> int:
    args = parse_arguments()
    prepare(args.work)
    return train(args)


def prepare(work: Path) -> None:
    """Plan and preprocess, unless that is done, for the same plan of ours."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.paths import nnUNet_preprocessed

    like, done = wanted_plan(work), work / "prepared.json"
    if not done.exists() or done.read_text() != like:
        done.unlink(missing_ok=True)
        extract_fingerprints([1], num_processes=2)
        plan_experiments([1])
        folder = next(Path(str(nnUNet_preprocessed)).glob("Dataset001_*"))
        if wanted := json.loads((work / "like.json").read_text()):
            plans = json.loads((folder / f"{PLANS}.json").read_text())
            (folder / f"{PLANS}.json").write_text(json.dumps(matched(plans, wanted), indent=1))
        preprocess([1], configurations=[CONFIGURATION], num_processes=[2])
        done.write_text(like)
    folder = next(Path(str(nnUNet_preprocessed)).glob("Dataset001_*"))
    shutil.copy(work / "split.json", folder / "splits_final.json")


def wanted_plan(work: Path) -> str:
    """What was prepared and trained belongs to: our plan, and how it is carried over."""
    return f"{(work / 'like.json').read_text()}\n{FORMAT}"


def matched(plans: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """nnU-Net's plans with spacing, patch, batch and network of a plan.json of ours; changed in place too.

    Axes are ours, (z, y, x): nnU-Net puts the coarsest first, and would take our figures for those of its own order.
    Dice is taken over the batch where it does so itself: where a patch is a small part of the median image.
    """
    if like.get("residual"):
        raise SystemExit("error: --config: a residual network; nnU-Net's default has none; give a plain one")
    configuration = plans["configurations"][CONFIGURATION]
    voxels = math.prod(configuration["median_image_size_in_voxels"]) * math.prod(configuration["spacing"])
    median = voxels / math.prod(like["spacing_zyx"])
    plans["transpose_forward"], plans["transpose_backward"] = [0, 1, 2], [0, 1, 2]
    stages = len(like["features"])
    configuration |= {
        "batch_dice": math.prod(like["patch_zyx"]) < BATCH_DICE_BELOW * median,
        "spacing": like["spacing_zyx"],
        "patch_size": like["patch_zyx"],
        "batch_size": like["batch"],
    }
    configuration["architecture"]["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": like["features"],
        "kernel_sizes": like["kernels"],
        "strides": like["strides"],
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }
    return plans


def train(args: argparse.Namespace) -> int:
    """The default trainer's steps under a clock or a count; 0 when all is done, else STOPPED."""
    from nnunetv2.run.run_training import get_trainer_from_args

    trainer = get_trainer_from_args("1", CONFIGURATION, 0, device=torch.device(args.device))
    trainer.on_train_start()
    checkpoint = args.work / "checkpoint.pt"
    of = json.dumps([args.minutes, args.iterations, wanted_plan(args.work)])
    iterations, before = load(trainer, checkpoint, of, args.device)
    if iterations:
        print(f"goes on after {iterations} iterations, {before:.0f} s", flush=True)
    stop = asked_to_stop()
    trainer.network.train()
    spent, start, saved = before, time.perf_counter(), time.perf_counter()
    while (done := share(args, iterations, spent)) < 1 and not stop:
        # nnU-Net lowers the rate epoch by epoch, of which there are 1000: here by the share that is done
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - done) ** POWER
        loss = float(trainer.train_step(next(trainer.dataloader_train))["loss"])
        iterations += 1
        spent = before + time.perf_counter() - start
        print(f"{spent:.0f} s, iteration {iterations}, loss {loss:.4f}", flush=True)
        if time.perf_counter() - saved > SECONDS:
            save(trainer, checkpoint, of, iterations, spent)
            saved = time.perf_counter()
    save(trainer, checkpoint, of, iterations, spent)
    if share(args, iterations, spent) >= 1:
        finish(trainer, args.work, iterations, spent)
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, "_finish"):
            loader._finish()
    return 0 if share(args, iterations, spent) >= 1 else STOPPED


def share(args: argparse.Namespace, iterations: int, seconds: float) -> float:
    """Of the budget that is used."""
    return iterations / args.iterations if args.iterations else seconds / (60 * args.minutes)


def asked_to_stop() -> list[int]:
    """Fills itself when a signal to end comes."""
    signals: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return signals


def plain(trainer: Any) -> torch.nn.Module:
    """The network itself where it was compiled."""
    return getattr(trainer.network, "_orig_mod", trainer.network)


def save(trainer: Any, path: Path, of: str, iterations: int, seconds: float) -> None:
    """All of it or nothing."""
    content = {
        "of": of,
        "network": plain(trainer).state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.grad_scaler.state_dict() if trainer.grad_scaler else None,
        "iterations": iterations,
        "seconds": seconds,
    }
    torch.save(content, path.with_suffix(".writing"))
    os.replace(path.with_suffix(".writing"), path)


def load(trainer: Any, path: Path, of: str, device: str) -> tuple[int, float]:
    """Iterations and seconds so far; none where there is no checkpoint, or one of another budget or plan."""
    if not path.exists():
        return 0, 0.0
    content = torch.load(path, map_location=device, weights_only=True)
    if content["of"] != of:
        return 0, 0.0
    plain(trainer).load_state_dict(content["network"])
    trainer.optimizer.load_state_dict(content["optimizer"])
    if trainer.grad_scaler and content["scaler"]:
        trainer.grad_scaler.load_state_dict(content["scaler"])
    return content["iterations"], content["seconds"]


def finish(trainer: Any, work: Path, iterations: int, seconds: float) -> None:
    """nnU-Net's own checkpoint, and the figures."""
    trainer.disable_checkpointing = False
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    figures = {
        "iterations": iterations,
        "seconds": seconds,
        "batch": trainer.batch_size,
        "patch": [int(n) for n in trainer.configuration_manager.patch_size],
        "folder": trainer.output_folder_base,
        "format": FORMAT,
    }
    (work / "figures.json").write_text(json.dumps(figures))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--iterations", type=int)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
