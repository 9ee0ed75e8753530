"""What bench.evaluator runs in the peers' own environment: one package on the masks of a file, timed.

    VENV/bin/python bench/peers.py NAME MASKS.npz LIMIT

It needs nothing of this project. Prints one line of JSON: processor seconds, and values by structure and measure. The
process ends itself after LIMIT processor seconds.
"""

import json
import resource
import sys
import time
from typing import Any

import numpy as np

Values = dict[str, float]


def surface_distance(reference: np.ndarray, prediction: np.ndarray, spacing_zyx: tuple[float, ...]) -> Values:
    import surface_distance as package

    distances = package.compute_surface_distances(reference, prediction, spacing_zyx)
    return {
        "dsc": package.compute_dice_coefficient(reference, prediction),
        "nsd": package.compute_surface_dice_at_tolerance(distances, 1.0),
        "hd95_mm": package.compute_robust_hausdorff(distances, 95.0),
    }


def monai(reference: np.ndarray, prediction: np.ndarray, spacing_zyx: tuple[float, ...]) -> Values:
    import torch
    from monai.metrics import compute_average_surface_distance as average
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

    torch.set_num_threads(1)
    ours, theirs = (torch.from_numpy(mask)[None, None] for mask in (prediction, reference))
    way: dict[str, Any] = {"include_background": True, "spacing": spacing_zyx}
    return {
        "dsc": float(compute_dice(ours, theirs)),
        "nsd": float(compute_surface_dice(ours, theirs, [1.0], use_subvoxels=True, **way)),
        "hd95_mm": float(compute_hausdorff_distance(ours, theirs, percentile=95, **way)),
        "hd100_mm": float(compute_hausdorff_distance(ours, theirs, **way)),
        "assd_mm": float(average(ours, theirs, symmetric=True, **way)),
    }


def seg_metrics(reference: np.ndarray, prediction: np.ndarray, spacing_zyx: tuple[float, ...]) -> Values:
    import SimpleITK as sitk
    from seg_metrics.seg_metrics import write_metrics

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    names = {"dice": "dsc", "hd95": "hd95_mm", "hd": "hd100_mm", "msd": "assd_mm", "jaccard": "iou"}
    found = write_metrics(
        [1],
        gdth_img=reference.astype(np.uint8),
        pred_img=prediction.astype(np.uint8),
        metrics=list(names),
        spacing=spacing_zyx,
        TPTNFPFN=False,
    )
    found = found[0] if isinstance(found, list) else found
    return {ours: float(np.ravel(found[theirs])[0]) for theirs, ours in names.items()}


PEERS = {"surface-distance": surface_distance, "MONAI": monai, "seg-metrics": seg_metrics}


def main() -> None:
    name, path, limit = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
    content = np.load(path)
    spacing_zyx = tuple(float(mm) for mm in content["spacing_zyx"])
    structures = sorted({key.split("/")[0] for key in content.files if "/" in key})
    masks = {s: (content[f"{s}/reference"], content[f"{s}/prediction"]) for s in structures}
    tiny = np.zeros((4, 4, 4), bool)
    tiny[1:3, 1:3, 1:3] = True
    PEERS[name](tiny, tiny, spacing_zyx)  # imports, tables that are made once
    start = time.process_time()
    values = {
        s: PEERS[name](reference, prediction, spacing_zyx) for s, (reference, prediction) in masks.items()
    }
    print(json.dumps({"seconds": time.process_time() - start, "values": values}))


if __name__ == "__main__":
    main()
