"""gtvseg against nnU-Net v1 itself: python -m bench.nnunet.v1 --nnunet-python VENV/bin/python.

The bundled network is rewritten as a v1 model (see v1_format.py), imported back and run on a small field of view in
float32 with every window and mirror, by both. Prints the largest difference of probabilities on the network's grid and
the DSC between the label maps. nnU-Net v1 (nnunet==1.7.1, NumPy below 2) wants a virtual environment of its own.
"""

import argparse
import sys
from pathlib import Path

from bench.nnunet.case import FILES, add_options, read_case, write_case
from model.installed import BUNDLED
from model.options import Parser

EXAMPLES = ("python -m bench.nnunet.v1 --nnunet-python VENV/bin/python",)
EXITS = "0 done, 1 they differ, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.nnunet.v1", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--nnunet-python", type=Path, required=True, help="the Python of a virtual environment with nnunet")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    add_options(parser, "crop")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import subprocess
import tempfile

import numpy as np
import SimpleITK as sitk

from bench.nnunet.v1_format import write_v1
from evaluation.metrics import dsc
from model.importing.convert import to_bundle
from model.importing.v1 import read_v1
from model.inference.predictor import Predictor
from model.inference.shortcuts import EXHAUSTIVE
from model.network.bundle import load_bundle
from model.structures import LABELS

# DSC between both.
FLOOR = 0.999


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_case(work / "case", args)
        model = work / "model"
        write_v1(load_bundle(args.weights), model)
        bundle = to_bundle(read_v1(model, ["0"]), model)
        predictor = Predictor(bundle, "cpu", "fp32", EXHAUSTIVE, lambda line: None)
        prepared = predictor.prepare(read_case(work / "case"))
        assert prepared is not None
        probabilities = predictor.predict(prepared).logits  # v1 averages these
        labels = predictor.restore(prepared, probabilities)
        given = [str(work / "case" / name) for name in FILES]
        side = [str(args.nnunet_python), str(Path(__file__).parent / "v1_side.py"), str(model), *given]
        done = subprocess.run([*side, str(work / "v1")], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"nnU-Net v1 failed:\n{done.stderr}")
        difference = np.abs(np.load(work / "v1.npy") - probabilities.numpy()).max()
        theirs = sitk.GetArrayFromImage(sitk.ReadImage(work / "v1.nii.gz"))
    print(f"probabilities, largest difference: {difference:.1e}")
    agreements = [dsc(labels == value, theirs == value) for value in LABELS.values()]
    for name, agreement, value in zip(LABELS, agreements, LABELS.values(), strict=True):
        print(f"{name}: DSC between both {agreement:.5f}, {np.count_nonzero(theirs == value)} voxels")
    return 0 if min(agreements) >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
