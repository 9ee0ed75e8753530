"""nnU-Net's side of bench.nnunet.inference, run by the Python that has nnU-Net v2; gtvseg is not imported here.

inference_side.py MODEL CT CE OUT_WITHOUT_SUFFIX --device cpu|cuda [--logits FILE] [--exact-sums] [--warm]
[--passes N]: no more are run, and all say what stand_in.py says.
Prints one JSON line: seconds per step, forward passes, peak memory in bytes.
"""

import argparse
import json
import resource
import time

import numpy as np
import torch
from nnunetv2.inference import predict_from_raw_data, sliding_window_prediction
from nnunetv2.inference.export_prediction import export_prediction_from_logits
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from stand_in import StandIn  # beside this file


class FloatSums:
    """torch, except that half means float: nnU-Net adds up windows in half precision, whose rounding hides others."""

    half = torch.float32

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("ct")
    parser.add_argument("ce")
    parser.add_argument("out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--logits")
    parser.add_argument("--exact-sums", action="store_true")
    parser.add_argument("--warm", action="store_true", help="measure the second of two runs")
    parser.add_argument("--passes", type=int)
    args = parser.parse_args()
    if args.exact_sums:
        predict_from_raw_data.torch = FloatSums()
        sliding_window_prediction.torch = FloatSums()
    start = time.perf_counter()
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=True,
        perform_everything_on_device=args.device == "cuda",
        device=torch.device(args.device),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(args.model, ("0",))
    loading = time.perf_counter() - start
    stand_in = StandIn(predictor.network.forward, args.passes) if args.passes else None
    if stand_in:
        predictor.network.forward = stand_in
    for _ in range(2 if args.warm else 1):
        logits, figures = segment(predictor, args)
    if args.logits:
        np.save(args.logits, logits.float().numpy())
    figures["network"] += stand_in.missing_seconds() if stand_in else 0.0
    figures |= {"load": loading, "peak bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    print(json.dumps(figures), flush=True)


def segment(predictor: nnUNetPredictor, args: argparse.Namespace) -> tuple[torch.Tensor, dict[str, float]]:
    """One case: its logits, seconds per step and forward passes."""
    passes = [0]
    hook = predictor.network.register_forward_hook(lambda module, inputs, output: count(passes, output))
    start = time.perf_counter()
    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    managers = (predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json)
    data, _, properties = preprocessor.run_case([args.ct, args.ce], None, *managers)
    prepared = time.perf_counter()
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
    predicted = time.perf_counter()
    plans, configuration, dataset = managers
    export_prediction_from_logits(logits, properties, configuration, plans, dataset, args.out)
    written = time.perf_counter()
    hook.remove()
    figures = {
        "read and preprocess": prepared - start,
        "network": predicted - prepared,
        "restore and write": written - predicted,
        "passes": passes[0],
    }
    return logits, figures


def count(passes: list[int], output: torch.Tensor) -> None:
    passes[0] += len(output)


if __name__ == "__main__":
    main()
