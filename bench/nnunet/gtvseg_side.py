"""gtvseg's side of bench.nnunet.inference: process.py's own steps in a process of their own.

gtvseg_side.py OPTIONS OF process.py: prints process.py's log and then one JSON line about the last case: seconds as a
whole, in the network and besides, forward passes, peak memory in bytes. The first window's end can be timed instead:
with FIRST_WINDOW=1 in the environment the process ends there. GPU_MEMORY_GB=15 lets it have no more of the GPU's.
PASSES=9: no more are run, and all say what bench/nnunet/stand_in.py says.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import process  # noqa: E402
from model.cases import find_cases  # noqa: E402
from model.cohort.reading import ReadAhead  # noqa: E402
from model.cohort.segmenting import segment  # noqa: E402
from model.network.memory import peak_bytes  # noqa: E402
from model.terminal import take_any_text  # noqa: E402
from model.writing import output_folders  # noqa: E402

if TYPE_CHECKING:  # torch, which process.py imports when it is needed
    from bench.nnunet.stand_in import StandIn


def main(arguments: list[str] | None = None) -> int:
    args = process.parse_arguments(arguments)
    cases = find_cases(args.input, args.output, args.layout)
    with output_folders([case.output for case in cases]):
        reader = ReadAhead(cases[0])
        predictor = process.load_predictor(args)
        if gb := os.environ.get("GPU_MEMORY_GB"):
            limit_gpu(float(gb))
        if os.environ.get("FIRST_WINDOW"):
            end_after_the_first_window()
        stand_in = replace_network(int(passes)) if (passes := os.environ.get("PASSES")) else None
        outcomes = [segment(case, predictor, reader) for case in cases]
    last = outcomes[-1]
    missing = stand_in.missing_seconds() if stand_in else 0.0
    figures = {
        "total": last.seconds + missing,
        "network": last.network_seconds + missing,
        "rest": last.seconds - last.network_seconds,
        "passes": last.passes,
        "peak bytes": peak_bytes(),
    }
    print(json.dumps(figures | gpu_peak()), flush=True)
    return 0


def replace_network(passes: int) -> "StandIn":
    from bench.nnunet.stand_in import StandIn
    from model.network.unet import UNet

    stand_in = StandIn(UNet.forward, passes)
    UNet.forward = lambda *arguments: stand_in(*arguments)  # type: ignore[method-assign, assignment]
    return stand_in


def limit_gpu(gb: float) -> None:
    import torch

    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gb * 1e9 / total))


def gpu_peak() -> dict[str, float]:
    """What torch took of the GPU at most; nothing where there is none."""
    import torch

    return {"gpu peak bytes": torch.cuda.max_memory_reserved()} if torch.cuda.is_initialized() else {}


def end_after_the_first_window() -> None:
    from model.network.unet import UNet

    forward = UNet.forward

    def forward_once(*arguments: object) -> None:
        forward(*arguments)  # type: ignore[arg-type]
        os._exit(0)

    UNet.forward = forward_once  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    take_any_text()
    sys.exit(main())
