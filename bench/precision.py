"""One pass of a network on the CPU in each number format and memory order: python -m bench.precision [--passes 8].

Seconds are the median, with freed memory kept as in process.py; error is the largest difference of the logits to
float32 as `--precision fp32` has it. The input is noise, which takes as long as a CT.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from model.bundle import load_bundle
from model.memory import kept_memory

ORDERS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}


def main() -> None:
    args = arguments()
    bundle = load_bundle(args.weights)
    image = torch.randn(1, bundle.network.in_channels, *bundle.patch_zyx, generator=torch.manual_seed(0))
    exact = None
    print(f"patch {bundle.patch_zyx}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    with torch.no_grad(), kept_memory():
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            for order, memory_format in ORDERS.items():
                network = bundle.build_networks()[0].to(dtype).to(memory_format=memory_format)  # type: ignore[call-overload]
                seconds = []
                for _ in range(args.passes + 1):
                    start = time.perf_counter()
                    logits = network(image.to(dtype)).float()
                    seconds.append(time.perf_counter() - start)
                exact = logits if exact is None else exact
                name = str(dtype).removeprefix("torch.")
                error = float((logits - exact).abs().max())
                print(
                    f"{name:<10}{order:<15}{np.median(seconds[1:]):>6.3f} s   error {error:.1e}", flush=True
                )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--weights", type=Path, default=Path("weights/gtv.pt"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
