"""From the host's memory to the training device, beside what the device computes.

Batches are prepared by threads, not processes: cutting copies memory-mapped arrays and what follows runs in torch, both
of which leave Python's lock alone, and threads need neither a copy of the cases nor a start before CUDA's.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.network.placement import work_alone


@dataclass(frozen=True)
class Prepared:
    """A batch, and on a GPU the event that says when it is there."""

    images: Tensor
    labels: Tensor
    event: Any = None


class Transfer:
    """A GPU's stream for copies and augmentation; on a CPU nothing is copied, and all is done at once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream: Any = torch.cuda.Stream(device) if device.type == "cuda" else None

    def begin_thread(self) -> None:
        """In each thread that prepares: without it, page-locked memory would be asked of the first GPU."""
        if self.stream is not None:
            torch.cuda.set_device(self.device)
        work_alone(self.device)

    def empty(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """An array to cut a patch into: on a GPU's host page-locked, so that it is copied without a wait.

        torch keeps such memory for the next array of that size, not before the copy out of it is done.
        """
        if self.stream is None:
            return np.empty(shape, dtype)
        kind = torch.float16 if dtype == np.float16 else torch.uint8
        array: np.ndarray = torch.empty(shape, dtype=kind, pin_memory=True).numpy()
        return array

    def beside(self) -> AbstractContextManager[Any]:
        """What is copied and computed within goes to the stream of its own."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def to_device(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        if self.stream is None:
            return tensor
        return tensor.to(self.device, non_blocking=True)

    def prepared(self, images: Tensor, labels: Tensor) -> Prepared:
        """To be called where the batch was made, on the stream of its own."""
        if self.stream is None:
            return Prepared(images, labels)
        event = torch.cuda.Event()
        event.record(self.stream)
        return Prepared(images, labels, event)

    def take(self, batch: Prepared) -> tuple[Tensor, Tensor]:
        """A batch for the stream that trains, which waits for it; the host does not."""
        if batch.event is not None:
            training = torch.cuda.current_stream(self.device)
            training.wait_event(batch.event)
            for tensor in (batch.images, batch.labels):
                tensor.record_stream(training)  # not given away before the training is done with it
        return batch.images, batch.labels
