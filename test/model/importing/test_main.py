"""The command line of the importer."""

import os
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
        [*command, "--fold", "0,1", "--channels", "ce,ct", "--half", "--out", str(out)],
        capture_output=True, encoding="utf-8", cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(out)
    assert len(bundle.states) == 2 and bundle.channels == ("ce", "ct")
    assert bundle.provenance["command"].startswith(f"python -m model.importing {folder} --fold 0,1 ")
    assert "2 network(s)" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [["--fold", "7"], ["--channels", "ct"], ["--channels", "ct,ct"], ["--labels", "1,1"], ["--labels", "a,b"],
     ["--out", "dataset.json/x.pt"], ["--out", "fold_0"], ["--fold", ""], ["--fold", "0,0"], ["--fold", "0,"],
     ["--fold=-1"], ["--fold", "../0"], ["--fold", "1e3"], ["--fold", "0,1"], ["--fold", "all"],
     ["--checkpoint", ""], ["--checkpoint", ".."], ["--checkpoint", "/dev/zero"], ["--checkpoint", "../../x.pth"],
     ["--checkpoint", "n" * 300], ["--channels", ""], ["--channels", "ct,ce,ct"], ["--labels", ""], ["--out", ""],
     ["--out", "/dev/null"], ["--out", "plans.json"], ["--out", "fold_0/checkpoint_final.pth"], ["--out", "n" * 300],
     ["--trainer", ""], ["--trainer", "mine"], ["--trainer", "nnUNetTrainerV2"]],
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


def test_folders_that_are_none_are_one_line(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "v1").mkdir()
    os.mkfifo(tmp_path / "v1" / "plans.pkl")
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "plans.json").symlink_to("/dev/zero")
    for name in ("pipe", "loop", "none", "v1", "v2", "", "n" * 300):
        assert main([str(tmp_path / name), "--out", str(tmp_path / "x.pt")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["/dev/zero", "--out", str(tmp_path / "x.pt")]) == 2
    assert not (tmp_path / "x.pt").exists()
