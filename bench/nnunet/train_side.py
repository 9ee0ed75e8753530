"""nnU-Net's side of bench.nnunet.train, run by the Python that has nnU-Net v2; gtvseg is not imported here.

train_side.py SPLIT FIGURES --minutes M --device cpu|cuda, with nnU-Net's three folders in the environment. Plans
and preprocesses data set 1, trains fold 0 of the split with the default trainer under a clock and writes what it did.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.run.run_training import get_trainer_from_args

CONFIGURATION = "3d_fullres"
# Of nnU-Net's polynomial decay.
POWER = 0.9


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("split", type=Path)
    parser.add_argument("figures", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    extract_fingerprints([1], num_processes=2)
    plan_experiments([1])
    preprocess([1], configurations=[CONFIGURATION], num_processes=[2])
    folder = next(Path(str(nnUNet_preprocessed)).glob("Dataset001_*"))
    shutil.copy(args.split, folder / "splits_final.json")
    trainer = get_trainer_from_args("1", CONFIGURATION, 0, device=torch.device(args.device))
    trainer.on_train_start()
    iterations, budget, start = 0, 60 * args.minutes, time.perf_counter()
    trainer.network.train()
    while (spent := time.perf_counter() - start) < budget:
        # nnU-Net lowers the rate epoch by epoch, of which there are 1000: under a clock, by the share of it
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - spent / budget) ** POWER
        loss = float(trainer.train_step(next(trainer.dataloader_train))["loss"])
        iterations += 1
        print(f"{spent:.0f} s, iteration {iterations}, loss {loss:.4f}", flush=True)
    trainer.disable_checkpointing = False
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, "_finish"):
            loader._finish()
    figures = {
        "iterations": iterations,
        "seconds": spent,
        "batch": trainer.batch_size,
        "patch": [int(n) for n in trainer.configuration_manager.patch_size],
        "folder": trainer.output_folder_base,
    }
    args.figures.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
