"""python -m training.least writes the least volumes that cases gain by into a weights file, and nothing else."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

import training.validate
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training import least
from training.validate import LEAST_CM3, validate

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


@pytest.fixture
def weights(tmp_path):
    """Random weights, on a coarse grid."""
    torch.manual_seed(0)
    scheme = Normalisation(-1000, 1000, 0, 500)
    bundle = Bundle(
        PLAN,
        (8, 16, 16),
        (4.0, 4.0, 4.0),
        (scheme, scheme),
        (0, 1, 2),
        {"data": "x"},
        (UNet(PLAN).state_dict(),),
    )
    save_bundle(replace(bundle, least_cm3=(1.0, 1.0)), tmp_path / "w.pt")
    return tmp_path / "w.pt"


@pytest.fixture
def data(tmp_path):
    """One case of a body with a primary and no node, SegRap's layout."""
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:24, :48, :48]
    ct = np.where((y - 24) ** 2 + (x - 24) ** 2 < 20**2, rng.normal(40, 200, z.shape), -1000)
    masks = {"GTVp": abs(z - 12) + abs(y - 24) + abs(x - 24) < 8, "GTVnd": z < 0}
    (tmp_path / "data" / "case").mkdir(parents=True)
    for name, array in (("image", ct), ("image_contrast", ct), *masks.items()):
        image = sitk.GetImageFromArray(array.astype(np.int16))
        image.SetSpacing((2.0, 2.0, 2.0))
        sitk.WriteImage(image, tmp_path / "data" / "case" / f"{name}.nii.gz")
    return tmp_path / "data"


def run(*words) -> int:
    return least.main([*map(str, words), "--device", "cpu"])


def test_a_whole_run_counts_pieces_of_any_size(weights, data, monkeypatch, capsys):
    tables = []

    def noted(*given):
        for result, table in validate(*given):
            tables.append(table)
            yield result, table

    monkeypatch.setattr(training.validate, "validate", noted)
    assert run(weights, data) == 0
    (table,) = tables
    printed = [line.split() for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert [float(words[0]) for words in printed] == list(LEAST_CM3)
    np.testing.assert_allclose([[float(v) for v in words[2:]] for words in printed], table, atol=1e-4)
    chosen = load_bundle(weights).least_cm3
    for structure, cm3 in enumerate(chosen):
        assert table[LEAST_CM3.index(cm3), structure] >= table[:, structure].max() - 0.005
    assert load_bundle(weights).provenance == {"data": "x"}


def test_what_is_chosen_is_written(weights, data, monkeypatch, capsys):
    table = np.full((len(LEAST_CM3), 2), 0.5)
    table[4:, 1] = 0.9
    monkeypatch.setattr(training.validate, "validate", lambda *given: [(None, table)])
    before = load_bundle(weights)
    assert run(weights, data) == 0
    after = load_bundle(weights)
    assert after.least_cm3 == (0.0, LEAST_CM3[4])
    assert all(
        torch.equal(a, b) for a, b in zip(*(list(x.states[0].values()) for x in (before, after)), strict=True)
    )
    assert "GTVnd 0.3" in capsys.readouterr().out


def test_weights_stay_as_they_are(weights, data, monkeypatch):
    """Imported ones are float32."""
    save_bundle(load_bundle(weights), weights, torch.float32)
    monkeypatch.setattr(
        training.validate, "validate", lambda *given: [(None, np.full((len(LEAST_CM3), 2), 0.5))]
    )
    assert run(weights, data) == 0
    assert all(value.dtype == torch.float32 for value in load_bundle(weights).states[0].values())


def test_a_case_without_labels_is_refused(weights, data, capsys):
    for name in ("GTVp", "GTVnd"):
        (data / "case" / f"{name}.nii.gz").unlink()
    assert run(weights, data) == 2
    assert "no GTVp, GTVnd or label map" in capsys.readouterr().err


def test_bad_input_is_one_line(weights, tmp_path, capsys):
    assert run(weights, tmp_path / "nowhere") == 2
    assert capsys.readouterr().err.startswith("error: ") and load_bundle(weights).least_cm3 == (1.0, 1.0)


def test_asked_to_end_the_weights_stay(weights, data, monkeypatch, capsys):
    def ask(*given):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(training.validate, "validate", ask)
    before = weights.read_bytes()
    assert run(weights, data) == 130
    assert weights.read_bytes() == before and "stopped" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["w.pt"], ["a", "b", "c"], ["a", "b", "--device=tpu"]])
def test_a_command_line_that_makes_no_sense_is_one_line(capsys, words):
    with pytest.raises(SystemExit, match="2"):
        least.main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
