"""From the host to the device: on a CPU nothing, on a GPU (a stand-in here) the right steps in the right order."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import training.run.transfer
from training.run.transfer import Transfer


class Stream:
    """Says what it is asked to do."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self.told = name, told

    def wait_event(self, event) -> None:
        self.told.append(f"{self.name} waits for {event.recorded}")

    def __enter__(self):
        self.told.append(f"to {self.name}")

    def __exit__(self, *_):
        self.told.append(f"from {self.name}")


class Event:
    def record(self, stream) -> None:
        self.recorded = f"the event of {stream.name}"


class Copied:
    """A tensor that is copied to a GPU, or lies there."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def to(self, device, *, non_blocking):
        self.told.append(f"to {device}, {'at once' if non_blocking else 'with a wait'}")
        return self

    def record_stream(self, stream) -> None:
        self.told.append(f"used by {stream.name}")


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """What a GPU is asked to do."""
    steps: list[str] = []
    cuda = training.run.transfer.torch.cuda
    monkeypatch.setattr(cuda, "Stream", lambda device: Stream("copies", steps))
    monkeypatch.setattr(cuda, "current_stream", lambda device: Stream("training", steps))
    monkeypatch.setattr(cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(cuda, "Event", Event)
    monkeypatch.setattr(cuda, "set_device", lambda device: steps.append(f"thread of {device}"))
    return steps


def test_on_a_cpu_nothing_is_copied():
    transfer = Transfer(torch.device("cpu"))
    array = transfer.empty((2, 3), np.uint8)
    with transfer.beside():
        tensor = transfer.to_device(array)
        batch = transfer.prepared(tensor, tensor)
    array[...] = 7
    assert all((part == 7).all() for part in transfer.take(batch))


def test_on_a_cpu_a_thread_that_prepares_has_no_helpers_and_the_training_keeps_its_own():
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=Transfer(torch.device("cpu")).begin_thread) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == before


def test_a_batch_is_copied_beside_the_training_which_waits_for_it_on_the_device(told, monkeypatch):
    transfer = Transfer(torch.device("cuda", 1))
    monkeypatch.setattr(training.run.transfer.torch, "from_numpy", lambda array: Copied(told))
    transfer.begin_thread()
    with transfer.beside():
        images, labels = transfer.to_device(np.zeros(1)), transfer.to_device(np.zeros(1))
        batch = transfer.prepared(images, labels)
    assert transfer.take(batch) == (images, labels)
    assert told == [
        "thread of cuda:1",
        "to copies",
        *["to cuda:1, at once"] * 2,
        "from copies",
        "training waits for the event of copies",
        *["used by training"] * 2,
    ]


def test_patches_are_cut_into_page_locked_memory(told, monkeypatch):
    asked = []

    def empty(shape, *, dtype, pin_memory):
        asked.append((shape, dtype, pin_memory))
        return torch.zeros(shape, dtype=dtype)

    monkeypatch.setattr(training.run.transfer, "torch", FakeTorch(empty))
    transfer = Transfer(torch.device("cuda", 0))
    assert transfer.empty((2, 3), np.float16).dtype == np.float16
    assert transfer.empty((3,), np.uint8).dtype == np.uint8
    assert asked == [((2, 3), torch.float16, True), ((3,), torch.uint8, True)]


class FakeTorch:
    """torch with another `empty`."""

    def __init__(self, empty) -> None:
        self.empty = empty

    def __getattr__(self, name: str):
        return getattr(torch, name)
