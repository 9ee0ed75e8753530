"""The command, from published files to patients, and to cases that train.py reads."""

import csv
import json

import numpy as np

from training.data.sources import find_training_cases, read_training_case
from training.openkbp.__main__ import main
from training.openkbp.folders import find_converted


def test_a_download_becomes_patients_and_those_become_cases(download, tmp_path, capsys):
    assert main([str(download), str(tmp_path / "patients")]) == 0
    with (tmp_path / "patients" / "patients.csv").open(newline="") as file:
        assert [row["pt"] for row in csv.DictReader(file)] == ["pt_1", "pt_2", "pt_201", "pt_241"]
    assert len(find_converted(tmp_path / "patients")) == 4
    assert main([str(tmp_path / "patients"), str(tmp_path / "cases"), "--targets"]) == 0
    root = tmp_path / "cases"
    cases = find_training_cases(root)
    assert [case.name for case in cases] == ["pt_1", "pt_2", "pt_201", "pt_241"]
    pair, label = read_training_case(cases[0])
    np.testing.assert_array_equal(pair.ct, pair.ce)
    # 20 slices of 8 x 8 and of 4 x 8 voxels.
    assert [int(np.count_nonzero(label == value)) for value in (1, 2)] == [1280, 640]
    assert label[127 - 50 - 58, 60, 55] == 1 and label[127 - 50 - 58, 67, 55] == 2
    for held_out, names in (("validation", ["pt_201"]), ("test", ["pt_241"])):
        content = json.loads((root / f"split-{held_out}.json").read_text())
        assert content == [{"train": ["pt_1", "pt_2"], "val": names}]
    assert "4 patients: 2 train, 1 validation, 1 test" in capsys.readouterr().out


def test_a_damaged_patient_is_one_line_and_the_others_are_written(download, tmp_path, capsys):
    damaged = download / "provided-data" / "train-pats" / "pt_2" / "ct.csv"
    damaged.write_text(",data\n5,nan\n")
    assert main([str(download), str(tmp_path / "out")]) == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"error: {damaged}: a value is no finite number; ")
    )
    assert [patient.name for patient in find_converted(tmp_path / "out")] == ["pt_1", "pt_201", "pt_241"]


def test_too_short_a_patient_is_left_out_with_a_word(download, tmp_path, capsys):
    folder = download / "provided-data" / "validation-pats" / "pt_201"
    (folder / "voxel_dimensions.csv").write_text("5\n6\n1.5\n")
    assert main([str(download), str(tmp_path / "out"), "--targets"]) == 0
    assert "pt_201 is left out: whole over 60 mm only" in capsys.readouterr().out
    assert not (tmp_path / "out" / "split-validation.json").exists()
    assert [case.name for case in find_training_cases(tmp_path / "out")] == ["pt_1", "pt_2", "pt_241"]


def test_nothing_to_do_is_refused(download, tmp_path, capsys):
    assert main([str(tmp_path / "none"), str(tmp_path / "out")]) == 2
    assert main([str(download), str(tmp_path / "out")]) == 0
    assert main([str(tmp_path / "out"), str(tmp_path / "again")]) == 2
    assert "is converted already" in capsys.readouterr().err
