"""The tensors of networks as a weights file holds them: whether they fit the plan, and their fingerprint."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from model.network.plain import quoted
from model.network.plan import NetworkPlan
from model.network.unet import UNet

DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def check_states(states: tuple[Any, ...], plan: NetworkPlan) -> None:
    """Raises ValueError, naming the first tensor, where weights are not those of the plan's network or not finite.

    No memory is taken for the network: it is built without values, and compared by shapes.
    """
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in UNet(plan).state_dict().items()}
    for state in states:
        if not isinstance(state, dict) or set(state) != set(shapes):
            names = set(state) if isinstance(state, dict) else set()
            other = sorted(names ^ set(shapes), key=str)
            raise ValueError(f"{len(other)} parameters missing or unknown, first: {quoted(other[0])}")
        for name, shape in shapes.items():
            check_tensor(name, state[name])
            if state[name].shape != shape:
                raise ValueError(f"size mismatch for {name}: {tuple(state[name].shape)}, not {tuple(shape)}")
    parts = [tensor.data_ptr() for state in states for tensor in state.values()]
    if len(set(parts)) < len(parts):
        raise ValueError("parameters that share their memory")
    for state in states:
        for name, tensor in state.items():
            if not torch.isfinite(tensor).all():
                raise ValueError(f"{name} has values that are not finite")


def check_tensor(name: str, tensor: Any) -> None:
    """Raises ValueError unless this is a dense tensor in memory of its own, in a number format of weights."""
    if type(tensor) is not Tensor or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError(f"{name} is no dense tensor")
    if tensor.dtype not in DTYPES:
        raise ValueError(f"{name} is {tensor.dtype}, expected float16, bfloat16 or float32")
    if not tensor.is_contiguous() or tensor.untyped_storage().nbytes() != tensor.nbytes:
        raise ValueError(f"{name} is a view of another tensor")


def fingerprint(values: Any, states: Iterable[dict[str, Tensor]]) -> str:
    """SHA-256 over plain values and over names, number formats, shapes and bytes of tensors on the CPU."""
    digest = hashlib.sha256(repr(values).encode())
    for state in states:
        for name, tensor in sorted(state.items()):
            digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
            digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
