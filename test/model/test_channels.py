"""Names in nnU-Net's raw layout."""

import unicodedata
from pathlib import Path

from model.channels import channels_of, is_channel


def names_of(*names: str) -> dict[str, dict[str, list[str]]]:
    found = channels_of([Path(name) for name in names])
    return {case: {k: [f.name for f in v] for k, v in of.items()} for case, of in found.items()}


def test_a_channel_has_four_digits_and_an_images_suffix():
    for name, is_one in {
        "a_0000.nii.gz": True,
        "a_0001.MHA": True,
        "a_000.mha": False,
        "a_0000.txt": False,
    }.items():
        assert is_channel(Path(name)) is is_one
    assert names_of("a_0000.mha", "a_b_0001.mha", "b.mha") == {
        "a": {"0000": ["a_0000.mha"]},
        "a_b": {"0001": ["a_b_0001.mha"]},
    }


def test_results_that_are_called_as_channels_are_none():
    """Masks of cases seg_0000 and seg_0001 lie beside their CTs after a first run."""
    cts = [f"seg_000{case}_000{channel}.mha" for case in (0, 1) for channel in (0, 1)]
    assert names_of(*cts, "seg_0000.mha", "seg_0001.mha") == names_of(*cts)
    assert list(names_of("seg_0000.mha", "seg_0001.mha")) == ["seg"]


def test_one_name_in_both_forms_of_its_accents_is_one_case():
    first, second = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    assert first != second
    assert names_of(f"{first}_0000.mha", f"{second}_0001.mha") == {
        first: {"0000": [f"{first}_0000.mha"], "0001": [f"{second}_0001.mha"]}
    }
