"""Which mirrors a window gets when not all: its own at first, then twice as many as long as it holds much of the doubt.

All arrays and tensors are (z, y, x), with the class axis in front; mirrored axes are those of (z, y, x).
"""

import itertools

import torch
from torch import Tensor

from model.inference.windows import Blend, Corner

MIRROR_DOUBT = 0.001  # a window gets further mirrors while its doubt, divided by those it has, is above this
KEPT_BYTES = 5 * 10**8  # of windows' results that are kept; others' passes are run again to take them back
LEAST_CM3 = 1.0  # a structure counts as at least so large when doubt is measured by its volume

Axes = tuple[int, ...]
Pass = tuple[Corner, Axes, float]  # a window's corner, mirrored axes, share in the window's mean


def mirror_combinations(axes: Axes) -> list[Axes]:
    """All subsets of the axes, the empty one first: 8 for three axes."""
    return [subset for n in range(len(axes) + 1) for subset in itertools.combinations(axes, n)]


def mirror_orders(corners: list[Corner], axes: Axes) -> dict[Corner, list[Axes]]:
    """All mirrors for each window of a grid, in the order in which it gets them.

    First the one along the axes where its place in the grid is odd, so that the eight windows that overlap at a voxel
    each look at it through another of the eight mirrors. Then those that differ from it in two axes, then the rest.
    """
    starts = [sorted({corner[axis] for corner in corners}) for axis in range(3)]
    steps = sorted(mirror_combinations(axes), key=lambda step: (len(step) % 2, len(step)))

    def order(corner: Corner) -> list[Axes]:
        own = {axis for axis in axes if starts[axis].index(corner[axis]) % 2}
        return [tuple(sorted(own.symmetric_difference(step))) for step in steps]

    return {corner: order(corner) for corner in corners}


def doubt(likelihoods: Tensor, voxel_cm3: float) -> Tensor:
    """How much of its structure is in doubt at each voxel: (classes, z, y, x) → (z, y, x), float32.

    p (1 - p), the variance of a label of likelihood p, as a part of the structure's expected volume: as in DSC, a small
    node weighs as much as a large primary. Summed over all structures.
    """
    total = torch.zeros_like(likelihoods[0])
    for likelihood in likelihoods[1:]:
        p = likelihood.nan_to_num(0.5)  # where a 16-bit pass overflows there is doubt, and not everywhere
        total += p * (1 - p) / p.sum().clamp(min=LEAST_CM3 / voxel_cm3)
    return total


class Spared:
    """The state of a prediction that spares mirrors: how many each window has had, and its part of the blend.

    What a window has in the blend is always the mean over its mirrors so far. To take some of it back when more come,
    it is kept in half precision where there is room, else its passes are run again.
    """

    def __init__(self, orders: dict[Corner, list[Axes]], blend: Blend) -> None:
        self.orders = orders
        self.blend = blend
        self.used: dict[Corner, int] = {}
        self.kept: dict[Corner, Tensor] = {}

    def first(self, corners: list[Corner]) -> list[Pass]:
        """The own mirror of windows that had none yet."""
        self.used.update(dict.fromkeys(corners, 1))
        return [(corner, self.orders[corner][0], 1.0) for corner in corners]

    def more(self, doubts: dict[Corner, float]) -> list[Pass]:
        """Twice as many mirrors as before for windows with much doubt, of which the blend loses half at once."""
        passes: list[Pass] = []
        for corner, part in doubts.items():
            used, order = self.used[corner], self.orders[corner]
            if used == len(order) or part <= MIRROR_DOUBT * used:
                continue
            if corner in self.kept:
                had = self.kept.pop(corner)
                self.blend.add(corner, had.float(), -0.5)
                if 2 * used < len(order):
                    self.kept[corner] = had * 0.5
            else:
                passes += [(corner, axes, -0.5 / used) for axes in order[:used]]
            passes += [(corner, axes, 0.5 / used) for axes in order[used : 2 * used]]
            self.used[corner] = 2 * used
        return passes

    def keep(self, corner: Corner, output: Tensor, share: float) -> None:
        """Notes what a pass has added to the blend."""
        if corner in self.kept:
            self.kept[corner] += share * output.cpu()
        elif share == 1 and (len(self.kept) + 1) * output.numel() * 2 <= KEPT_BYTES:
            self.kept[corner] = output.half().cpu()
