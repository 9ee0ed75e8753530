"""Check what a container run left: python check_output.py INPUT OUTPUT. Exits with a message at the first fault."""

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from model.network.bundle import load_bundle  # noqa: E402

# DSC: far above chance, far below what the model card states.
FLOOR = {"GTVp": 0.5, "GTVnd": 0.3}


def main(given: Path, output: Path) -> None:
    (ct_path,) = (given / "images" / "head-neck-ct").iterdir()
    files = [path for path in output.rglob("*") if path.is_file()]
    expected = output / "images" / "gross-tumor-volume-segmentation" / ct_path.name
    check(files == [expected], f"files are {files}, expected {expected} alone")
    ct = sitk.ReadImage(ct_path)
    check_header(expected, ct)
    result = sitk.ReadImage(expected)
    check(np.allclose(result.GetOrigin()[:3], ct.GetOrigin()), "the origin is not the CT's")
    direction = np.reshape(result.GetDirection(), (4, 4))[:3, :3]
    check(np.allclose(direction.ravel(), ct.GetDirection()), "the direction is not the CT's")
    masks = sitk.GetArrayFromImage(result)
    truth = sitk.GetArrayFromImage(sitk.ReadImage(given / "reference" / ct_path.name))
    check(set(np.unique(masks)) <= {0, 1}, "values other than 0 and 1")
    data = load_bundle(ROOT / "weights" / "gtv.pt").provenance.get("data", "")
    judged = "phantom" in data  # other weights owe nothing to a phantom
    for (name, floor), mask, reference in zip(FLOOR.items(), masks, truth, strict=True):
        dsc = 2 * np.sum(mask & reference) / max(1, mask.sum() + reference.sum())
        print(f"  {name} DSC {dsc:.3f}" + ("" if judged else f" (not judged: weights of {data})"))
        check(dsc > floor or not judged, f"{name} overlaps the truth by {dsc:.3f} only")


def check_header(path: Path, ct: sitk.Image) -> None:
    with path.open("rb") as file:
        text = file.read(2000).partition(b"ElementDataFile")[0].decode()
    header = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    size = " ".join(str(n) for n in (*ct.GetSize(), 2))
    for key, value in {
        "NDims": "4",
        "ElementType": "MET_UCHAR",
        "CompressedData": "True",
        "DimSize": size,
    }.items():
        check(header.get(key) == value, f"{key} is {header.get(key)}, expected {value}")
    spacing = [float(s) for s in header["ElementSpacing"].split()]
    check(np.allclose(spacing, (*ct.GetSpacing(), 1)), f"ElementSpacing is {spacing}")


def check(holds: bool, message: str) -> None:
    if not holds:
        sys.exit(f"  fault: {message}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
