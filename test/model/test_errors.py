"""The one form of errors, and reasons in one short line."""

import pickle
from pathlib import Path

import pytest
import SimpleITK as sitk
import torch

from model.errors import LONGEST_REASON, InputError, reason


def test_an_error_is_where_fact_and_remedy():
    error = InputError(Path("a/b.mha"), "truncated", "replace the file")
    assert str(error) == "a/b.mha: truncated; replace the file"
    assert (error.where, error.fact, error.remedy) == (Path("a/b.mha"), "truncated", "replace the file")


def test_an_error_is_one_line_whatever_is_in_it():
    error = InputError(Path("a\nb/cm³ \udcff.mha"), "no \x00 file", "rename\tit")
    assert str(error) == "a\\nb/cm³ \\udcff.mha: no \\x00 file; rename\\tit"


def test_an_error_passes_between_processes():
    error = pickle.loads(pickle.dumps(InputError("--fold", "no such fold", "give another")))
    assert str(error) == "--fold: no such fold; give another"


def test_the_reason_of_itk_is_on_its_last_line_without_addresses(tmp_path):
    (tmp_path / "a.mha").write_bytes(b"no image")
    with pytest.raises(RuntimeError) as caught:
        sitk.ReadImage(str(tmp_path / "a.mha"))
    words = reason(caught.value)
    assert "\n" not in words and "0x" not in words and "a.mha" in words


def test_the_reason_of_others_is_on_their_first_line():
    with pytest.raises(RuntimeError) as caught:
        torch.nn.Linear(2, 3).load_state_dict({})
    assert reason(caught.value) == 'Missing key(s) in state_dict: "weight", "bias".'  # not its heading
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 1000))) == LONGEST_REASON


def test_the_reason_of_the_system_is_without_the_files_name(tmp_path):
    with pytest.raises(OSError) as caught:
        (tmp_path / "nothing").read_bytes()
    assert reason(caught.value) == "No such file or directory"
