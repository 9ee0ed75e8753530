"""TensorBoard where it is there."""

import importlib
import sys
from types import SimpleNamespace

from training.run.board import BOARD, Board

ROW = {"iteration": 25, "seconds": 1.0, "loss": 0.5, "dsc_GTVp": 0.25}


def test_without_it_nothing_is_written(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    board = Board(tmp_path, 0)
    board.show(ROW)
    board.close()
    assert not list(tmp_path.iterdir())


def test_with_it_the_figures_are_shown_by_iteration(tmp_path, monkeypatch):
    calls = []

    class Writer:
        def __init__(self, folder, purge_step):
            calls.append((folder, purge_step))

        def add_scalar(self, *given):
            calls.append(given)

        flush = close = lambda self: None

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    board = Board(tmp_path, 10)
    board.show(ROW)
    board.close()
    assert calls == [(str(tmp_path / BOARD), 11), ("loss", 0.5, 25), ("dsc_GTVp", 0.25, 25)]
