"""The command that makes training cases of real patients."""

import numpy as np
import pytest

from model.images.write import write_image
from training.data.groups import read_groups
from training.data.sources import find_training_cases
from training.data.survey import survey_case
from training.grafts.__main__ import main


@pytest.fixture
def data(patient, tmp_path):
    masks = {"PTV70": patient.high_dose, "organs": patient.organs}
    folder = tmp_path / "data" / "patients" / "pt_1"
    write_image(folder / "image.nii.gz", patient.hu.astype(np.int16), patient.grid)
    for name, mask in masks.items():
        write_image(folder / f"{name}.nii.gz", mask.astype(np.uint8), patient.grid)
    (tmp_path / "data" / "patients.csv").write_text("pt,split,nasopharynx_level\npt_1,train,1\npt_2,test,0\n")
    return tmp_path / "data"


def test_training_reads_what_it_writes(data, tmp_path):
    command = [str(data), str(tmp_path / "out"), "--variants", "1", "--jobs", "1"]
    assert main(command) == 0
    cases = find_training_cases(tmp_path / "out")
    assert [case.name for case in cases] == ["pt_1_as_it_is", "pt_1_pair_1", "pt_1_set_1"]
    assert not any(survey_case(case).problem for case in cases)
    assert read_groups(tmp_path / "out") == {case.name: "pt_1" for case in cases}
    kept = (tmp_path / "out" / "pt_1_set_1" / "image.nii.gz").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "out" / "pt_1_set_1" / "image.nii.gz").stat().st_mtime_ns == kept


def test_whose_cases_they_are_is_known_before_they_are_there(data, tmp_path, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.grafts.__main__.on_workers", stop)
    command = [str(data), str(tmp_path / "out"), "--variants"]
    assert main([*command, "0"]) == 130
    assert main([*command, "1", "--split", "test"]) == 130
    first, second = ("as_it_is", "pair_1"), ("as_it_is", "pair_1", "set_1")
    assert read_groups(tmp_path / "out") == {f"pt_1_{kind}": "pt_1" for kind in first} | {
        f"pt_2_{kind}": "pt_2" for kind in second
    }
    (tmp_path / "out" / "groups.json").write_text("{")
    assert main([*command, "0"]) == 2


def test_what_is_no_such_data_is_one_line(data, tmp_path, capfd):
    assert main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "patients.csv" in capfd.readouterr().err
    assert main([str(data), str(tmp_path / "out"), "--split", "validation"]) == 2
    assert "no patient of the split validation" in capfd.readouterr().err
    assert main([str(data), str(tmp_path / "out"), "--split", "test", "--jobs", "1"]) == 2
    assert "pt_2" in capfd.readouterr().err
