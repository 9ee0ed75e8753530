"""The command line as it is typed."""

import subprocess
import sys

import pytest

import dicom.__main__ as program


def said(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, and what was printed on either stream."""
    try:
        code = program.main(list(map(str, arguments)))
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


@pytest.mark.parametrize("command", program.COMMANDS)
def test_every_command_has_its_help_and_is_listed(capsys, command):
    code, out, _ = said(capsys, command, "--help")
    assert code == 0 and f"python -m dicom {command}" in out and "Returns" not in out
    code, out, _ = said(capsys, "--help")
    assert code == 0 and command in out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "error: COMMAND: missing; give it\n"),
        (("to-seg",), "error: MASK, CT_FOLDER, OUT.dcm: missing; give it\n"),
        (("to-rtstruct", "a", "b", "c", "--x"), "error: --x: not known; see --help\n"),
    ],
)
def test_options_that_make_no_sense_are_one_line(capsys, arguments, error):
    assert said(capsys, *arguments) == (2, "", error)


def test_mistakes_are_one_line(capsys, tmp_path):
    code, out, err = said(capsys, "to-rtstruct", tmp_path / "m.nii.gz", tmp_path / "ct", tmp_path / "o.dcm")
    assert code == 2 and not out
    assert (
        err == f"error: {tmp_path / 'ct'}: no such folder; give the folder with the files of the CT series\n"
    )


def test_a_missing_package_is_said(capsys, monkeypatch):
    monkeypatch.setitem(program.COMMANDS, "to-seg", ("dicom.no_such_module", ""))
    code, _, err = said(capsys, "to-seg", "--help")
    assert code == 2 and err.startswith(
        "error: package dicom.no_such_module: not installed; python -m pip install"
    )


def test_packages_are_those_that_the_tests_have(root):
    own, all_of_them = (
        set((root / name).read_text().splitlines())
        for name in ("dicom/requirements.txt", "requirements-dev.txt")
    )
    pinned = {line for line in own if not line.startswith("#")}
    assert pinned and pinned <= all_of_them and all("==" in line for line in pinned)


def test_asked_to_end(capsys, monkeypatch, a_series, tmp_path):
    import dicom.to_rtstruct

    def stop(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom.to_rtstruct, "read_reference", stop)
    code, out, err = said(capsys, "to-rtstruct", a_series.mask, a_series.folder, tmp_path / "o.dcm")
    assert (code, out, err) == (130, "stopped; what is written is whole\n", "")


def test_contours_need_no_torch(root, a_series, tmp_path):
    """Of what is loaded when masks become contours."""
    code = (
        "import sys, dicom.__main__ as m; done = m.main(sys.argv[1:]);"
        "sys.exit(done or 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "to-rtstruct", a_series.mask, a_series.folder, tmp_path / "o.dcm"]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr and (tmp_path / "o.dcm").is_file()
