"""gtvseg's side of the bench beside nnU-Net prints figures, not words to be searched."""

import json

import numpy as np
import pytest

from bench.nnunet.gtvseg_side import main
from model.images.grid import Grid
from model.images.write import write_image
from model.network.bundle import Bundle, Normalisation, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(2, 3, (2, 4), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


def test_the_last_line_has_the_figures_of_the_last_case(tmp_path, capsys):
    scheme = Normalisation(-150.0, 250.0, 40.0, 60.0)
    bundle = Bundle(PLAN, (8, 8, 8), (2.0, 2.0, 2.0), (scheme, scheme), (2,), {}, (UNet(PLAN).state_dict(),))
    save_bundle(bundle, tmp_path / "w.pt")
    ct = np.full((8, 16, 16), -1000, np.int16)
    ct[:, 4:12, 4:12] = 40
    grid = Grid((16, 16, 8), (2.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    for case in ("another", "case"):
        for name in ("image", "image_contrast"):
            write_image(tmp_path / "in" / case / f"{name}.nii.gz", ct, grid)
    paths = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    options = ["--weights", str(tmp_path / "w.pt"), "--layout", "folder", "--device", "cpu", "--no-search"]
    assert main([*paths, *options]) == 0
    *log, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert list(figures) == ["total", "network", "rest", "passes", "peak bytes"]
    assert figures["total"] == pytest.approx(figures["network"] + figures["rest"])
    assert figures["network"] > 0 and figures["rest"] > 0 and figures["peak bytes"] > 1e8
    # Every window with its two mirrors, of the second case alone; the log counts the same.
    passes = [int(line.split()[1]) for line in log if line.startswith("predict: ")]
    assert len(passes) == 2 and figures["passes"] == passes[-1] > 0 and figures["passes"] % 2 == 0
    assert (tmp_path / "out" / "case.nii.gz").exists()
