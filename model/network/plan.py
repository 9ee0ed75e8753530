"""What describes a network wholly, in plain values; and plain values as they are stored.

All triples are (z, y, x).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from model.network.plain import check_whole, quoted

Triple = tuple[int, int, int]
Spacing = tuple[float, float, float]
# More than any network for CTs has: stages, features, layers of a stage, kernel and stride along an axis.
MOST_STAGES, MOST_FEATURES, MOST_CONVS, MOST_KERNEL, MOST_STRIDE = 12, 4096, 32, 15, 16


def triple(values: Iterable[Any]) -> Triple:
    """Three whole numbers (z, y, x) as a tuple. Raises ValueError where they are not three, or not whole."""
    z, y, x = (whole(value) for value in values)
    return (z, y, x)


def whole(value: Any) -> int:
    """A whole number of whatever type, 2.0 as 2. Raises ValueError for other numbers, booleans and text."""
    if isinstance(value, (bool, str)) or not float(value).is_integer():
        raise ValueError(f"{quoted(value)} is no whole number")
    return int(value)


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
        check_whole("number of stages", stages, 2, MOST_STAGES)
        for name, counts, most in (
            ("number of channels or classes", (self.in_channels, self.num_classes), MOST_FEATURES),
            ("number of features", self.features, MOST_FEATURES),
            ("number of convolutions", (*self.encoder_convs, *self.decoder_convs), MOST_CONVS),
        ):
            for count in counts:
                check_whole(name, count, 1, most)
        for name, triples, most in (
            ("stride", self.strides, MOST_STRIDE),
            ("kernel", (*self.kernels, *self.decoder_kernels), MOST_KERNEL),
        ):
            for sides in triples:
                if len(sides) != 3 or (name == "kernel" and any(side % 2 == 0 for side in sides)):
                    raise ValueError(f"{name} is {quoted(sides)}, expected three (odd ones for kernels)")
                for side in sides:
                    check_whole(name, side, 1, most)
        if type(self.residual) is not bool:
            raise ValueError(f"residual is {quoted(self.residual)}, expected True or False")

    @property
    def total_stride_zyx(self) -> Triple:
        """Product of all strides: an input's sides must be multiples of it."""
        product = [1, 1, 1]
        for stride in self.strides:
            product = [p * s for p, s in zip(product, stride, strict=True)]
        return (product[0], product[1], product[2])
