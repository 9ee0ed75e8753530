"""Train a network on phantoms and write a weights file: python train.py --phantoms 120 --minutes 60 --out FILE."""

import argparse
import datetime
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from model.bundle import Bundle, Normalisation, save_bundle
from model.predict import choose_device
from model.unet import NetworkPlan
from model.volume import Grid, Pair
from phantom import make_phantom
from training.dataset import cache_case, cached_folders, load_case
from training.loop import TrainPlan, train

SPACING_ZYX = (3.0, 2.0, 2.0)
PATCH_ZYX = (32, 128, 128)
SOFT_TISSUE = Normalisation(lower=-200, upper=300, mean=30, std=70)  # HU; tumours enhance by 20 to 50
NORMALISATION = (SOFT_TISSUE, SOFT_TISSUE)
FULL_SIZE_EVERY = 10  # one case in so many has SegRap's own grid, the others a coarser one, quick to make
NETWORK = NetworkPlan(
    in_channels=2,
    num_classes=3,
    features=(16, 32, 64, 128, 256),
    kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
    encoder_convs=(2, 2, 2, 2, 2),
    decoder_convs=(2, 2, 2, 2),
)


def main() -> None:
    args = arguments()
    cache_phantoms(args.phantoms, args.seed, args.work / "cache", args.jobs)
    cases = [load_case(folder) for folder in cached_folders(args.work / "cache")]
    plan = TrainPlan(NETWORK, PATCH_ZYX, args.minutes, seed=args.seed)
    network = train(plan, cases, args.work, choose_device(args.device), args.resume)
    bundle = Bundle(
        network=NETWORK,
        patch_zyx=PATCH_ZYX,
        spacing_zyx=SPACING_ZYX,
        normalisation=NORMALISATION,
        mirror_axes=(0, 1, 2),
        provenance=provenance(args, len(cases)),
        state=network.state_dict(),
    )
    save_bundle(bundle, args.out)
    print(f"wrote {args.out}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the weights file to write")
    parser.add_argument("--phantoms", type=int, default=140, help="number of synthetic training cases")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the phantoms, the initialisation and the patches"
    )
    parser.add_argument("--minutes", type=float, default=60, help="training time, resumed parts included")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/phantoms"), help="cache, checkpoint and loss log"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes that generate phantoms")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")
    return parser.parse_args()


def cache_phantoms(count: int, seed: int, cache: Path, jobs: int) -> None:
    """Generate and preprocess those phantoms that the cache does not hold yet."""
    missing = [k for k in range(count) if not (cache / f"phantom_{k:04d}" / "label.npy").exists()]
    with ProcessPoolExecutor(jobs) as pool:
        done = pool.map(cache_phantom, missing, [seed] * len(missing), [cache] * len(missing))
        list(tqdm(done, total=len(missing), desc="phantoms", unit="case"))


def cache_phantom(k: int, seed: int, cache: Path) -> None:
    """Case k of `python -m phantom --seed S`, on the network's grid."""
    phantom = make_phantom(np.random.SeedSequence((seed, k)), "small" if k % FULL_SIZE_EVERY else "segrap")
    z, y, x = phantom.ct.shape
    grid = Grid((x, y, z), phantom.spacing_xyz, phantom.origin_xyz, phantom.direction)
    pair = Pair(phantom.ct, phantom.ce, phantom.spacing_xyz[::-1], grid)
    label = np.where(phantom.gtvp, 1, np.where(phantom.gtvnd, 2, 0)).astype(np.uint8)
    cache_case(cache / f"phantom_{k:04d}", pair, label, SPACING_ZYX, NORMALISATION)


def provenance(args: argparse.Namespace, cases: int) -> dict[str, object]:
    """Data, command, commit, date and library, as plain values."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "data": f"{cases} synthetic phantoms, seed {args.seed}; no patient data. Research use, not clinical.",
        "command": "python " + " ".join(sys.argv),
        "commit": commit.stdout.strip() or "unknown",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "torch": str(torch.__version__),
        "loss": "Dice (Tversky 0.5, 0.5) + focal (gamma 2)",
    }


if __name__ == "__main__":
    main()
