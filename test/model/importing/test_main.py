"""The command line of the importer."""

import subprocess
import sys

import pytest
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from model.importing.__main__ import main
from model.network.bundle import load_bundle


def test_command_line(root, v2_network, v2_folder, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet), v2_network(PlainConvUNet)])
    command = [sys.executable, "-m", "model.importing", str(folder)]
    out = tmp_path / "w.pt"
    done = subprocess.run(
        [*command, "--folds", "0,1", "--channels", "ce,ct", "--half", "--out", str(out)],
        capture_output=True, encoding="utf-8", cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(out)
    assert len(bundle.states) == 2 and bundle.channels == ("ce", "ct")
    assert bundle.provenance["command"].startswith(f"python -m model.importing {folder} --folds 0,1 ")
    assert "2 network(s)" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [["--folds", "7"], ["--channels", "ct"], ["--channels", "ct,ct"], ["--labels", "1,1"], ["--labels", "a,b"],
     ["--out", "dataset.json/x.pt"], ["--out", "fold_0"]],
)  # fmt: skip
def test_wrong_arguments_are_one_line_and_leave_nothing(
    v2_network, v2_folder, wrong, tmp_path, monkeypatch, capsys
):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)])
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder)
    assert main([".", "--out", "x.pt", *wrong]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before
