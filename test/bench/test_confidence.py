"""The calibration on cases whose expected DSC says how good they are, and what is printed of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from bench.confidence import (
    Known,
    by_the_others,
    calibrate,
    calibration_error,
    main,
    rank_correlation,
    reliability,
)
from model.inference.confidence import calibrated
from model.installed import sha256_of
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(2, 3, (4, 8), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))


@pytest.fixture
def weights(tmp_path):
    scheme = Normalisation(-1000, 1000, 0, 100)
    bundle = Bundle(
        PLAN, (4, 8, 8), (3, 2, 2), (scheme, scheme), (0, 1, 2), {"n": 1}, (UNet(PLAN).state_dict(),)
    )
    save_bundle(bundle, tmp_path / "w.pt")
    return tmp_path / "w.pt"


LINE = (-1.0, 0.7, 0.4, 0.8)


@pytest.fixture
def known() -> Known:
    """Many cases: too sure, by a known line, with some noise; in some nothing is drawn."""
    rng = np.random.default_rng(4)
    expected, volume = rng.uniform(0.6, 0.99, 200), np.exp(rng.uniform(-1, 4, 200))
    volume[::10] = 0
    dsc = (calibrated(expected, volume, *LINE) + rng.normal(0, 0.05, 200)).clip(0, 1)
    return Known(expected, volume, None, dsc)


def part(known: Known, cases: slice) -> Known:
    return Known(known.expected[cases], known.volume_cm3[cases], None, known.dsc[cases])


def test_the_line_is_found_again(known):
    values, volumes = np.linspace(0.6, 0.99, 9), np.array([0, *np.geomspace(0.5, 50, 8)])
    found = calibrated(values, volumes, *calibrate(known))
    np.testing.assert_allclose(found, calibrated(values, volumes, *LINE), atol=0.03)


def test_more_trust_is_never_less_confidence(known):
    assert calibrate(replace(known, dsc=1 - known.dsc))[1] == 0


def test_where_nothing_or_something_is_drawn_in_all_cases_there_is_a_line(known):
    nothing = replace(known, volume_cm3=0 * known.volume_cm3)
    assert calibrate(nothing) == (0, 1, 0, pytest.approx(known.dsc.mean()))
    always = replace(known, volume_cm3=known.volume_cm3 + 1)
    assert len(calibrate(always)) == 3  # of nothing that was never seen, it is as of very little


def test_calibration_mends_the_error(known):
    first = part(known, slice(60))
    before = calibration_error(reliability(first.expected, first.dsc))
    after = calibration_error(reliability(by_the_others(first), first.dsc))
    assert before > 0.1
    assert after < 0.04


def test_curve_and_error_of_known_cases():
    confidence = np.array([0.9, 0.1, 0.5, 0.3, 0.7, 0.6])
    dsc = np.array([0.8, 0.0, 0.5, 0.4, 0.7, 0.6])
    curve = reliability(np.repeat(confidence, 2), np.repeat(dsc, 2))
    assert [count for count, _, _ in curve] == [2] * 6
    assert [mean for _, mean, _ in curve] == pytest.approx(sorted(confidence))
    assert calibration_error(curve) == pytest.approx(0.3 / 6)
    assert rank_correlation(confidence, dsc) == pytest.approx(1)
    assert rank_correlation(confidence, 0 * dsc) == 0


def write_cases(folder, weights, count=12, confidence=None) -> None:
    """A bar of GTVp each, of which less and less is found; GTVnd found always."""
    lines = []
    for k in range(count):
        truth = np.zeros((3, 4, 40), np.uint8)
        truth[1, 1, :30], truth[1, 3, :10] = 1, 2
        mask = truth.copy()
        mask[1, 1, 30 - 2 * k :] = 0
        for name, array in (("true", truth), ("masks", mask)):
            (folder / name).mkdir(exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / name / f"c{k:02d}.nii.gz"))
        expected = {"GTVp": 0.99 - 0.01 * k, "GTVnd": 0.9}
        told = {
            "case": f"c{k:02d}",
            "status": "done",
            "weights": sha256_of(weights),
            "expected_dsc": expected,
            "gtvp_cm3": (30 - 2 * k) / 1000,
            "gtvnd_cm3": 0.01,
        }
        lines.append(json.dumps(told | {"confidence": confidence}))
    (folder / "masks/manifest.jsonl").write_text("\n".join(lines))
    # A map that lies beside them is no mask of theirs.
    (folder / "masks/probability_GTVp").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(255 * truth), str(folder / "masks/probability_GTVp/c00.nii.gz"))


def test_one_run_is_enough_to_calibrate_weights(tmp_path, weights, capsys):
    write_cases(tmp_path, weights)
    folders = [str(tmp_path / "masks"), str(tmp_path / "true")]
    assert main(folders) == 0
    out = capsys.readouterr().out
    assert "GTVp, 12 cases, confidence calibrated on the other cases" in out
    assert out.count("rank correlation with the DSC 1.00") == 1
    before = load_bundle(weights)
    assert main([*folders, "--write", str(weights), "--data", "bars"]) == 0
    after = load_bundle(weights)
    found = calibrated(np.array([0.99, 0.88]), np.array([0.03, 0.008]), *after.confidence[0])
    assert found == pytest.approx([1, 16 / 38], abs=0.2)
    assert after.provenance["confidence"]["data"] == "12 cases: bars"
    assert after.fingerprint_of_tensors == before.fingerprint_of_tensors
    assert main([*folders, "--write", str(weights)]) == 0  # again, with the same predictions


def test_the_weights_own_confidence_is_judged_where_there_is_one(tmp_path, weights, capsys):
    write_cases(tmp_path, weights, confidence={"GTVp": 0.5, "GTVnd": 1.0})
    assert main([str(tmp_path / "masks"), str(tmp_path / "true")]) == 0
    out = capsys.readouterr().out
    assert "GTVnd, 12 cases, confidence as the weights say" in out
    assert "expected calibration error 0.000 (uncalibrated 0.100)" in out


def test_other_weights_and_runs_without_probabilities_are_refused(tmp_path, weights, capsys):
    write_cases(tmp_path, weights)
    folders = [str(tmp_path / "masks"), str(tmp_path / "true")]
    bundle = load_bundle(weights)
    save_bundle(replace(bundle, provenance={"n": 2}), weights)
    assert main([*folders, "--write", str(weights)]) == 2
    assert "not the weights that made the predictions" in capsys.readouterr().err
    (tmp_path / "masks/manifest.jsonl").write_text("")
    assert main(folders) == 2
    assert "run process.py on the cases with --probabilities" in capsys.readouterr().err
