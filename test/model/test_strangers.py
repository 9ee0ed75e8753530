"""What may be a case of another layout is found, results and notes are not."""

import pytest

from model.strangers import strangers


def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        "b/image.hdr",
        "b/image.nii.bz2",
        "b/1.dcm",
        "b/ct/x/1.IMA",
        "b/deep/image.NII.GZ",
        "b_0.nrrd",
        "b.nhdr",
    ],
)
def test_what_may_be_a_ct_is_found(tmp_path, name):
    write(tmp_path / name)
    write(tmp_path / "a/image.mha")
    assert list(strangers(tmp_path, {tmp_path / "a"}, {"a"})) == [
        (tmp_path / name.split("/")[0], tmp_path / name)
    ]


def test_dicom_without_a_suffix_is_found_by_its_mark(tmp_path):
    write(tmp_path / "b/1", b"\0" * 128 + b"DICM")
    write(tmp_path / "c/1", b"\0" * 200)
    assert [path.name for path, _ in strangers(tmp_path, set(), set())] == ["b"]


def test_results_notes_and_hidden_files_are_not(tmp_path):
    for name in ("a.nii.gz", "out/a.nii.gz", "out/manifest.jsonl", "notes/x.txt", ".x/y.nii", "b/.y.nii"):
        write(tmp_path / name)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(strangers(tmp_path, set(), {"a"})) == []
