"""Where tumour was drawn in patients of whom targets are known, against volumes counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench import real_patients
from bench.real_patients import Row, figures, find_patients, level_of, lines_of, main, write_pairs
from model.errors import InputError
from model.images.grid import Grid
from model.images.write import write_image

# Voxels of 1 cm³, so that volumes are numbers of them.
GRID = Grid((12, 12, 10), (10.0, 10.0, 10.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
SHAPE = (10, 12, 12)


def write_patient(folder: Path, **boxes: tuple[slice, slice, slice]) -> None:
    write_image(folder / "image.nii.gz", np.full(SHAPE, 40, np.int16), GRID)
    for name, box in boxes.items():
        mask = np.zeros(SHAPE, np.uint8)
        mask[box] = 1
        write_image(folder / f"{name}.nii.gz", mask, GRID)


@pytest.fixture
def cases(tmp_path) -> Path:
    ten = slice(0, 10)
    for name in ("a", "b"):
        write_patient(tmp_path / "cases" / name, PTV70=(ten, slice(0, 4), ten), PTV56=(ten, slice(6, 8), ten))
    return tmp_path / "cases"


def test_a_folder_of_patients_is_measured(cases, tmp_path, capsys, monkeypatch):
    def segment(work: Path, weights: Path, device: str) -> None:
        """In a 8 cm³ of GTVp, 2 of them inside, and 4 of GTVnd, half of it inside PTV56; in b nothing."""
        links = sorted(str(path.relative_to(work / "input")) for path in (work / "input").glob("*/*"))
        assert links == [f"{case}/{name}.nii.gz" for case in "ab" for name in ("image", "image_contrast")]
        labels = np.zeros(SHAPE, np.uint8)
        write_image(work / "output" / "b.nii.gz", labels, GRID)
        labels[0, 2:10, 0] = 1
        labels[5, 7:9, :2] = 2
        write_image(work / "output" / "a.nii.gz", labels, GRID)

    monkeypatch.setattr(real_patients, "segment", segment)
    work = tmp_path / "work"
    assert main([str(cases), "--work", str(work)]) == 0
    content = json.loads((work / "real_patients.json").read_text())
    assert content["patients"] == [
        {
            "patient": "a",
            "split": "",
            "nasopharynx_level": None,
            "gtvp_cm3": 8.0,
            "gtvp_in_ptv70_cm3": 2.0,
            "gtvnd_cm3": 4.0,
            "gtvnd_in_ptv_cm3": 2.0,
        },
        content["patients"][1] | {"patient": "b", "gtvp_cm3": 0.0, "gtvnd_cm3": 0.0},
    ]
    assert "| patients with stray GTVp | 1 |" in capsys.readouterr().out


def row(name: str, gtvp: float, inside: float, level: bool | None) -> Row:
    return Row(name, "test", level, gtvp, inside, 0.0, 0.0)


def test_shares_are_pooled_by_volume_and_taken_by_patient():
    rows = [row("a", 10, 9, True), row("b", 30, 3, True), row("c", 0, 0, True), row("d", 1, 0.5, None)]
    values = figures(rows)
    assert values["share of GTVp inside PTV70, pooled"] == pytest.approx(12.5 / 41)
    assert values["share of GTVp inside PTV70, median of patients"] == 0.5
    assert values["share of GTVnd inside any PTV, pooled"] is None
    assert (values["with GTVp"], values["patients with stray GTVp"]) == (3, 1)
    assert (values["patients of nasopharynx level"], values["of these with GTVp in PTV70"]) == (3, 2)
    assert "| share of GTVnd inside any PTV, pooled | - |" in lines_of(values)


def test_patients_are_found_by_the_table_and_its_split(cases):
    assert [patient.name for patient in find_patients(cases, None)] == ["a", "b"]
    with pytest.raises(InputError, match="split test"):
        find_patients(cases, "test")
    (cases / "patients.csv").write_text("pt,split\npt_1,train\npt_2,test\n")
    assert [patient.name for patient in find_patients(cases, "test")] == ["pt_2"]


def test_the_level_is_the_tables_or_the_brainstems(cases):
    patient = find_patients(cases, None)[0]
    target = np.zeros(SHAPE, bool)
    assert level_of(patient, target) is None
    patient.row["nasopharynx_level"] = "1"
    assert level_of(patient, target)
    patient.row.clear()
    organs = np.zeros(SHAPE, np.uint8)
    organs[8, 8, 6] = 1
    write_image(patient.folder / "organs.nii.gz", organs, GRID)
    assert level_of(patient, target) is False
    target[5:7, 4:6, 5:8] = True
    assert level_of(patient, target) is True


def test_links_of_other_patients_go(cases, tmp_path):
    first, second = find_patients(cases, None)
    write_pairs(tmp_path / "input", [first, second])
    write_pairs(tmp_path / "input", [second])
    assert [path.parent.name for path in (tmp_path / "input").glob("*/image.nii.gz")] == ["b"]
