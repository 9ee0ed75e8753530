"""One patient named on the command line. Files need no content here."""

from pathlib import Path

import pytest

from model.cases import CE_SLUG, CT_SLUG, Case, find_cases
from model.errors import InputError
from model.one_patient import into_one_file, is_one_file, one_patient, with_single_cts


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("ct", "result"), [("a.nii.gz", "a.nii.gz"), ("a.b.mhd", "a.b.mha"), ("a.NRRD", "a.nrrd")]
)
def test_the_result_is_called_after_the_non_contrast_ct(tmp_path, ct, result):
    ct, ce = touch(tmp_path, ct, "z.mha")
    case = one_patient(ct, ce, Path("out"))
    assert (case.ct, case.ce, case.kind, case.fault) == (ct, ce, "label_map", None)
    assert case.output == Path("out") / result and case.name == result.rpartition(".")[0].removesuffix(".nii")


def test_a_result_may_lie_beside_the_cts_under_a_name_of_its_own(tmp_path):
    ct, ce = touch(tmp_path, "ct.mha", "ce.mha")
    assert one_patient(ct, ce, tmp_path / "mask.mha").output == tmp_path / "mask.mha"
    with pytest.raises(InputError, match="ce.mha: the result would replace an input"):
        one_patient(ct, ce, ce)


def test_a_dicom_folder_gives_its_name(tmp_path, monkeypatch):
    (tmp_path / "plain 1.2").mkdir()
    monkeypatch.chdir(tmp_path / "plain 1.2")
    case = one_patient(Path("."), Path(".."), Path("out"))
    assert (case.name, case.output) == ("plain 1.2", Path("out/plain 1.2.nii.gz"))


def test_a_ct_that_is_not_there_or_would_be_replaced_is_refused(tmp_path):
    ct, ce = touch(tmp_path, "ct.mha", "ce.mha")
    with pytest.raises(InputError, match="none.mha: no such file or folder; give"):
        one_patient(ct, tmp_path / "none.mha", tmp_path / "out")
    with pytest.raises(InputError, match="ct.mha: the result would replace an input"):
        one_patient(ct, ce, tmp_path)


def test_an_image_is_one_file_unless_it_is_a_folder(tmp_path):
    (tmp_path / "a.mha").mkdir()
    assert is_one_file(Path("x/mask.nii.gz")) and is_one_file(Path("mask.mha"))
    assert not is_one_file(Path("masks")) and not is_one_file(tmp_path / "a.mha")


def test_one_file_takes_one_label_map(tmp_path):
    ct, ce = touch(tmp_path, "ct.mha", "ce.mha")
    case = Case("a", ct, ce, Path("a.mha"), "label_map")
    (named,) = into_one_file([case], tmp_path / "mask.nrrd")
    assert (named.name, named.output) == ("a", tmp_path / "mask.nrrd")
    channels = Case("a", ct, ce, Path("a.mha"), "channels")
    for cases, output, fact in (
        ([case, case], "mask.mha", "2 cases"),
        ([channels], "mask.mha", "exec"),
        ([case], "mask.mhd", "two files"),
        ([case], "ce.mha", "would replace an input"),
    ):
        with pytest.raises(InputError, match=fact):
            into_one_file(cases, tmp_path / output)


def test_one_ct_stands_for_both_only_where_the_other_is_missing(tmp_path):
    ct, ce = touch(tmp_path, "ct.mha", "ce.mha")
    none, fault = tmp_path / "none.mha", InputError("a", "is odd", "mend it")
    pairs = [(ct, ce, None), (ct, none, None), (none, none, None), (ct, none, fault)]
    cases = [
        Case(str(k), first, second, Path("x"), "label_map", why)
        for k, (first, second, why) in enumerate(pairs)
    ]
    assert [case.ce for case in with_single_cts(cases)] == [ce, ct, none, none]
    assert [case.single for case in with_single_cts(cases)] == [False, True, False, False]
    assert [case.ct for case in with_single_cts(cases)] == [case.ct for case in cases]


def test_a_contrast_ct_behind_a_link_that_leads_nowhere_is_not_missing(tmp_path):
    (ct,) = touch(tmp_path, "ct.mha")
    (tmp_path / "ce.mha").symlink_to(tmp_path / "not mounted")
    (case,) = with_single_cts([Case("a", ct, tmp_path / "ce.mha", Path("x"), "label_map")])
    assert not case.single and case.ce == tmp_path / "ce.mha"


@pytest.mark.parametrize(
    ("files", "single"), [(None, True), ((), True), (("a.mha", "b.mha"), False), (("a.mha",), False)]
)
def test_the_platforms_folder_without_a_contrast_ct_is_a_missing_one(tmp_path, files, single):
    plain, contrast = (tmp_path / "images" / slug for slug in (CT_SLUG, CE_SLUG))
    plain.mkdir(parents=True)
    touch(plain, "ct.mha")
    if files is not None:
        contrast.mkdir()
        touch(contrast, *files)
    (case,) = with_single_cts(find_cases(tmp_path, tmp_path / "out", "exec"))
    assert case.single is single and (case.ce == case.ct) is single
    assert bool(case.fault) is (files == ("a.mha", "b.mha"))  # two of them are a fault still
