"""What describes a network wholly, in plain values; and plain values as they are stored.

All triples are (z, y, x).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsInt

Triple = tuple[int, int, int]
Spacing = tuple[float, float, float]


def triple(values: Iterable[SupportsInt]) -> Triple:
    """Three whole numbers (z, y, x) as a tuple."""
    z, y, x = (int(value) for value in values)
    return (z, y, x)


def as_lists(value: Any) -> Any:
    """Tuples, however deep, as lists: the form in which plans are stored."""
    return [as_lists(item) for item in value] if isinstance(value, (tuple, list)) else value


def as_tuples(value: Any) -> Any:
    """Lists, however deep, as tuples: the form in which plans are compared and kept."""
    return tuple(as_tuples(item) for item in value) if isinstance(value, (tuple, list)) else value


@dataclass(frozen=True)
class NetworkPlan:
    """What describes the network wholly. Sequences have one entry per encoder stage, highest resolution first.

    kernels and strides are (z, y, x); the first stride is 1 where the network works at input resolution.
    decoder_convs and decoder_kernels alone are ordered as the decoder works, lowest resolution first (as in nnU-Net's
    plans), and have one entry fewer than features. decoder_kernels is empty where they are the encoder's at the same
    resolution. With residual, encoder_convs counts residual blocks (two convolutions each) after a stem.
    """

    in_channels: int
    num_classes: int
    features: tuple[int, ...]
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    encoder_convs: tuple[int, ...]
    decoder_convs: tuple[int, ...]
    decoder_kernels: tuple[Triple, ...] = ()
    residual: bool = False

    def __post_init__(self) -> None:
        stages = len(self.features)
        lengths = [len(self.kernels), len(self.strides), len(self.encoder_convs), len(self.decoder_convs) + 1]
        lengths += [len(self.decoder_kernels) + 1] if self.decoder_kernels else []
        if stages < 2 or any(length != stages for length in lengths):
            raise ValueError(
                f"a plan of {stages} stages needs as many kernels, strides and convolutions, got {lengths}"
            )

    @property
    def total_stride_zyx(self) -> Triple:
        """Product of all strides: an input's sides must be multiples of it."""
        product = [1, 1, 1]
        for stride in self.strides:
            product = [p * s for p, s in zip(product, stride, strict=True)]
        return (product[0], product[1], product[2])
