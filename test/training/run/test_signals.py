"""Ctrl-C and SIGTERM end a run, not the process."""

import os
import signal
import threading
from dataclasses import replace

from training.run.loop import train
from training.run.signals import asked_to_end


def test_ctrl_c_handler_is_the_old_one_afterwards(tiny_plan, tiny_cases, alone, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    train(replace(tiny_plan, iterations=1), tiny_cases, [], tmp_path, alone, resume=False)
    assert signal.getsignal(signal.SIGINT) is before and threading.active_count() < 10


def test_signals_are_noted():
    with asked_to_end() as asked:
        assert not asked
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert asked == [signal.SIGTERM, signal.SIGINT]
