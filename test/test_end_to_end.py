"""The whole job with the bundled weights: a phantom on disk, process.py as a user starts it, the file it leaves."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantom.__main__ import main as make_phantoms

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_phantom_in_masks_out(tmp_path):
    given, output = tmp_path / "input", tmp_path / "output"
    options = ["--cases", "1", "--seed", "77", "--geometry", "small", "--layout", "exec"]
    make_phantoms([str(given), *options])
    command = [sys.executable, "process.py", "--input", given, "--output", output, "--no-tta"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0 and run.stderr == ""

    (ct_path,) = (given / "images" / "head-neck-ct").iterdir()
    (result_path,) = (p for p in output.rglob("*") if p.is_file())
    assert result_path.relative_to(output) == Path("images/gross-tumor-volume-segmentation") / ct_path.name
    ct, result = sitk.ReadImage(ct_path), sitk.ReadImage(result_path)
    assert result.GetSize() == (*ct.GetSize(), 2) and result.GetPixelID() == sitk.sitkUInt8
    assert result.GetSpacing()[:3] == pytest.approx(ct.GetSpacing())
    assert result.GetOrigin()[:3] == pytest.approx(ct.GetOrigin())

    truth = sitk.GetArrayFromImage(sitk.ReadImage(given / "reference" / ct_path.name))
    found = sitk.GetArrayFromImage(result)
    dsc = [2 * np.sum(f & t) / (f.sum() + t.sum()) for f, t in zip(found, truth, strict=True)]
    assert dsc[0] > 0.5 and dsc[1] > 0.3  # far above chance, far below what the model card states
    voxel_cm3 = np.prod(ct.GetSpacing()) / 1000
    last = run.stdout.splitlines()[-1]
    assert (
        ct_path.stem in last
        and f"GTVp {found[0].sum() * voxel_cm3:.1f} cm³" in last
        and "peak memory" in last
    )
