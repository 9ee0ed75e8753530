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


def test_a_link_that_leads_nowhere_is_told_without_a_file(tmp_path):
    """A patient on a disk that is not mounted, for example."""
    (tmp_path / "gone").symlink_to(tmp_path / "disk")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    write(tmp_path / "there/note.txt")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert list(strangers(tmp_path, set(), set())) == [(tmp_path / "gone", None), (tmp_path / "self", None)]
