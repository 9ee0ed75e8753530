"""The loop learns a trivial task, leaves a checkpoint and goes on from it."""

import csv

import numpy as np
import pytest
import torch

import training.loop
from model.unet import NetworkPlan
from training.dataset import CachedCase, draw_patch
from training.loop import TrainPlan, train

PLAN = NetworkPlan(2, 3, (4, 8), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))


def bright_box_case(rng: np.random.Generator) -> CachedCase:
    label = np.zeros((8, 24, 24), np.uint8)
    label[2:6, 4:14, 4:14] = 1
    label[2:6, 16:22, 16:22] = 2
    image = rng.normal(0, 0.1, (2, *label.shape)) + np.stack([label == 1, label == 2]) * 2.0
    return CachedCase(image.astype(np.float16), label, tuple(np.argwhere(label == v) for v in (1, 2)))


def losses(folder):
    with (folder / "losses.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_learns_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(training.loop, "LOG_EVERY", 1)
    cases = [bright_box_case(np.random.default_rng(k)) for k in range(2)]
    device = torch.device("cpu")
    train(TrainPlan(PLAN, (8, 16, 16), minutes=0.06), cases, tmp_path, device, resume=False)
    first = losses(tmp_path)
    assert min(first) < 0.95 * first[0]
    before = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    network = train(TrainPlan(PLAN, (8, 16, 16), minutes=0.08), cases, tmp_path, device, resume=True)
    after = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert after["iteration"] > before["iteration"] and after["seconds"] > before["seconds"]
    torch.testing.assert_close(network.state_dict(), after["network"])


@pytest.mark.parametrize("patch", [(8, 16, 16), (16, 16, 40), (4, 24, 24)])
def test_patch_shows_the_case_it_was_cut_from(patch):
    rng = np.random.default_rng(0)
    case = bright_box_case(rng)
    for _ in range(20):
        image, label = draw_patch(case, patch, rng)
        assert image.shape == (2, *patch) and label.shape == patch
        inside = image[0][label == 1]
        assert inside.size == 0 or inside.mean() > 1.5  # image and label moved together


def test_nonsense_loss_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    case = bright_box_case(np.random.default_rng(0))
    broken = CachedCase(np.full_like(case.image, np.nan), case.label, case.tumour)
    train(TrainPlan(PLAN, (8, 16, 16), minutes=0.01), [case], tmp_path, torch.device("cpu"), resume=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(FloatingPointError, match="resume"):
        train(TrainPlan(PLAN, (8, 16, 16), minutes=1), [broken], tmp_path, torch.device("cpu"), resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
