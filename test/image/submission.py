"""A submission as the platform mounts it: python submission.py make FOLDER; and what its metrics.json must say:
python submission.py check FOLDER OUTPUT. Exits with a message at the first fault.
"""

import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

RESULT = "images/gross-tumor-volume-segmentation"
# By case how many voxels the prediction lies beside the reference; the last one has no result.
SHIFTS = {"case_0": 0, "case_1": 2, "case_2": None}
STRUCTURES = ("GTVp", "GTVnd")


def labels() -> np.ndarray:
    array = np.zeros((12, 40, 40), np.uint8)
    array[2:8, 5:20, 5:20] = 1
    array[4:10, 25:35, 10:30] = 2
    return array


def make(folder: Path) -> None:
    truth = folder / "ground_truth"
    truth.mkdir(parents=True)
    jobs = []
    for number, (name, shift) in enumerate(SHIFTS.items()):
        sitk.WriteImage(sitk.GetImageFromArray(labels()), str(truth / f"{name}.nii.gz"))
        pk = f"{number}4ad4c51-9428-4c3f-b906-a81d610264de"
        jobs.append(job(pk, f"{name}.mha"))
        result = folder / "input" / pk / "output" / RESULT
        result.mkdir(parents=True)
        if shift is not None:
            moved = np.roll(labels(), shift, axis=2)
            channels = [sitk.GetImageFromArray((moved == value).astype(np.uint8)) for value in (1, 2)]
            sitk.WriteImage(sitk.JoinSeries(channels), str(result / "output.mha"), useCompression=True)
    (folder / "input" / "predictions.json").write_text(json.dumps(jobs[::-1]))


def job(pk: str, ct: str) -> dict:
    """The keys of the platform's own example."""
    slugs = ("head-neck-ct", "head-neck-contrast-enhanced-ct")
    given = [value(slug, f"images/{slug}", name) for slug, name in zip(slugs, (ct, f"ce_{ct}"), strict=True)]
    written = [value("gross-tumor-volume-segmentation", RESULT, "output.mha")]
    about = {"exec_duration": None, "invoke_duration": "PT1M2S", "status": "Succeeded"}
    return {"pk": pk, "inputs": given, "outputs": written, **about}


def value(slug: str, path: str, name: str) -> dict:
    kinds = {"is_image_kind": True, "is_panimg_kind": True, "is_dicom_image_kind": False}
    kinds |= {"is_json_kind": False, "is_file_kind": False}
    return {
        "socket": {"slug": slug, "relative_path": path, **kinds},
        "file": None,
        "image": {"name": name},
        "value": None,
    }


def check(folder: Path, output: Path) -> None:
    names = [path.name for path in output.rglob("*")]
    expect(names, ["metrics.json"], "files in /output")
    content = json.loads((output / "metrics.json").read_text())
    expect([result["case"] for result in content["results"]], list(SHIFTS), "cases")
    pks = {job["pk"] for job in json.loads((folder / "input" / "predictions.json").read_text())}
    expect({result["pk"] for result in content["results"]}, pks, "jobs")
    for number, structure in enumerate(STRUCTURES, 1):
        truth = labels() == number
        dsc = []
        for shift in SHIFTS.values():
            moved = np.zeros_like(truth) if shift is None else np.roll(truth, shift, axis=2)
            dsc.append(2 * np.sum(truth & moved) / (truth.sum() + moved.sum()))
        expect(
            [round(result[structure]["dsc"], 9) for result in content["results"]],
            np.round(dsc, 9).tolist(),
            "DSC",
        )
        mean = content["aggregates"][structure]["dsc"]["mean"]
        expect(round(mean, 9), round(float(np.mean(dsc)), 9), "mean DSC")
        print(f"  {structure} mean DSC {mean:.4f}, as expected")


def expect(found: object, expected: object, what: str) -> None:
    if found != expected:
        sys.exit(f"  fault: {what} {found}, expected {expected}")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*map(Path, sys.argv[2:]))
