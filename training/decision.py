"""From the command line and what the cases hold to the plan, said in the log."""

import argparse
import os

import torch

from model.terminal import log
from training.data.memory import training_memory
from training.data.planning import explained, fingerprint, override, plan_for
from training.data.plans import DataPlan
from training.data.survey import Survey
from training.run.state import training_dtype


def decided_plan(args: argparse.Namespace, surveys: list[Survey], device: torch.device) -> DataPlan:
    """For the memory of this device or as much as --memory-gb says, with what --config says instead."""
    data = fingerprint(surveys)
    memory_gb, whence = args.memory_gb, "as --memory-gb says"
    if memory_gb is None:
        memory_gb, whence = training_memory(device, processes_here())
    log(f"planning for {memory_gb:.1f} GB: {whence}")
    number_bytes = training_dtype(device).itemsize
    residual = args.network == "residual"
    plan = plan_for(data, memory_gb, args.features, args.spacing, number_bytes, residual=residual)
    for line in explained(plan, data, memory_gb, number_bytes):
        log(line)
    return override(plan, args.config) if args.config else plan


def processes_here() -> int:
    """How many processes of torchrun share this machine."""
    count = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, int(count)) if count.isascii() and count.isdecimal() and len(count) < 6 else 1
