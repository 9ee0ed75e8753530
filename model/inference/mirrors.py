"""Which mirrors a window gets: the same for all, or by doubt.

Both kinds answer the same questions: which passes come first, which windows are worth looking into, which passes come
later; and both are shown what a pass has added. All arrays and tensors are (z, y, x), with the class axis in front;
mirrored axes are those of (z, y, x).
"""

import itertools
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from model.inference.blend import Blend
from model.inference.shortcuts import Shortcuts
from model.inference.windows import Corner, Windows

# Windows with less than this part of the doubt are not looked into.
WINDOW_DOUBT = 0.0005
# A window gets further mirrors while its part of the doubt, divided by the mirrors it has, is above this.
MIRROR_DOUBT = 0.001
# Bytes of windows' results that are kept; other windows' passes are run again to take their results back.
KEPT_BYTES = 5 * 10**8
# A structure counts as at least so large when doubt is measured by its volume.
LEAST_CM3 = 1.0

Axes = tuple[int, ...]
Doubts = dict[Corner, float]


class Pass(NamedTuple):
    """One window, mirrored along these axes, through the network.

    share: its weight in the window's mean; below 0 where it takes back what an earlier pass has added.
    """

    corner: Corner
    axes: Axes
    share: float


class Mirrors(Protocol):
    """Which passes windows get, and when. doubts: of each window, its part of what `doubt` says."""

    def first_passes(self, corners: list[Corner]) -> list[Pass]:
        """For windows that had none yet."""

    def worthwhile(self, corners: list[Corner], doubts: Doubts) -> list[Corner]:
        """Those of the windows that should be looked into at all."""

    def further_passes(self, doubts: Doubts) -> list[Pass]:
        """Further ones for windows looked into already; none when all have what they deserve."""

    def record(self, corner: Corner, output: Tensor, share: float) -> None:
        """Called with what a pass has added to the blend."""

    def forget(self, doubts: Doubts) -> None:
        """Give back the memory of what will hardly be needed any more."""


def choose_mirrors(shortcuts: Shortcuts, axes: Axes, windows: Windows, blend: Blend) -> Mirrors:
    """As the shortcuts say, for weights that may be mirrored along these axes."""
    if shortcuts.mirrors == "one" or not axes:
        return SameMirrors([()])
    if shortcuts.mirrors == "all":
        return SameMirrors(mirror_combinations(axes))
    return MirrorsByDoubt(axes, windows, blend)


class SameMirrors:
    """Every window gets all of these mirrors at once."""

    def __init__(self, mirrors: list[Axes]) -> None:
        self.mirrors = mirrors

    def first_passes(self, corners: list[Corner]) -> list[Pass]:
        return [Pass(corner, axes, 1 / len(self.mirrors)) for corner in corners for axes in self.mirrors]

    def worthwhile(self, corners: list[Corner], doubts: Doubts) -> list[Corner]:
        return corners

    def further_passes(self, doubts: Doubts) -> list[Pass]:
        return []

    def record(self, corner: Corner, output: Tensor, share: float) -> None:
        pass

    def forget(self, doubts: Doubts) -> None:
        pass


class MirrorsByDoubt:
    """Every window gets a mirror of its own, then twice as many as before for as long as it holds much of the doubt.

    What a window has in the blend is always the mean over its mirrors so far. To take some of it back when more come,
    it is kept in half precision where there is room and doubt, else its passes are run again.
    """

    def __init__(self, axes: Axes, windows: Windows, blend: Blend) -> None:
        self.blend = blend
        self.orders = mirror_orders(windows.corners, axes)
        self.used: dict[Corner, int] = {}
        self.kept: dict[Corner, Tensor] = {}

    def first_passes(self, corners: list[Corner]) -> list[Pass]:
        self.used.update(dict.fromkeys(corners, 1))
        return [Pass(corner, self.orders[corner][0], 1.0) for corner in corners]

    def worthwhile(self, corners: list[Corner], doubts: Doubts) -> list[Corner]:
        return [corner for corner in corners if doubts[corner] > WINDOW_DOUBT]

    def further_passes(self, doubts: Doubts) -> list[Pass]:
        """Twice as many mirrors as before for windows with much doubt, of which the blend loses half at once."""
        passes: list[Pass] = []
        for corner in self._in_doubt(doubts):
            used, order = self.used[corner], self.orders[corner]
            if corner in self.kept:
                result = self.kept.pop(corner)
                self.blend.add(corner, result.float(), -0.5)
                if 2 * used < len(order):
                    self.kept[corner] = result * 0.5
            else:
                passes += [Pass(corner, axes, -0.5 / used) for axes in order[:used]]
            passes += [Pass(corner, axes, 0.5 / used) for axes in order[used : 2 * used]]
            self.used[corner] = 2 * used
        return passes

    def record(self, corner: Corner, output: Tensor, share: float) -> None:
        if corner in self.kept:
            self.kept[corner] += share * output.to(self.kept[corner].device)
        elif share == 1 and (len(self.kept) + 1) * output.numel() * 2 <= KEPT_BYTES:
            self.kept[corner] = output.half().to(self.blend.sums.device)

    def forget(self, doubts: Doubts) -> None:
        """Results of windows that would get no more mirrors as it is now; with more windows around they get fewer."""
        in_doubt = set(self._in_doubt(doubts))
        self.kept = {corner: result for corner, result in self.kept.items() if corner in in_doubt}

    def _in_doubt(self, doubts: Doubts) -> list[Corner]:
        """Windows that deserve more mirrors than they had."""
        return [
            corner
            for corner, used in self.used.items()
            if used < len(self.orders[corner]) and doubts[corner] > MIRROR_DOUBT * used
        ]


def mirror_combinations(axes: Axes) -> list[Axes]:
    """All subsets of the axes, the empty one first: 8 for three axes."""
    return [subset for n in range(len(axes) + 1) for subset in itertools.combinations(axes, n)]


def mirror_orders(corners: list[Corner], axes: Axes) -> dict[Corner, list[Axes]]:
    """All mirrors for each window of a grid, in the order in which it gets them.

    First the one along the axes where the window is an odd one in the grid, so that the eight windows that overlap at a
    voxel each look at it through another of the eight mirrors. Then those that differ from it in two axes, then the
    rest.
    """
    starts = [sorted({corner[axis] for corner in corners}) for axis in range(3)]
    steps = sorted(mirror_combinations(axes), key=lambda step: (len(step) % 2, len(step)))

    def order(corner: Corner) -> list[Axes]:
        own = {axis for axis in axes if starts[axis].index(corner[axis]) % 2}
        return [tuple(sorted(own.symmetric_difference(step))) for step in steps]

    return {corner: order(corner) for corner in corners}


def doubt(likelihoods: Tensor, voxel_cm3: float, volumes: Tensor | None = None) -> Tensor:
    """How much of its structure is in doubt at each voxel: (classes, z, y, x) → (z, y, x), float32.

    p (1 - p), the variance of a label of likelihood p, as a part of the structure's expected volume: as in DSC, a small
    node weighs as much as a large primary. Summed over all structures. volumes: the expected ones, where the
    likelihoods are of a part alone.
    """
    volumes = expected_volumes(likelihoods) if volumes is None else volumes
    total = torch.zeros_like(likelihoods[0])
    for likelihood, volume in zip(likelihoods[1:], volumes, strict=True):
        p = likelihood.nan_to_num(0.5)  # where a 16-bit pass overflows there is doubt, and not everywhere
        total += p * (1 - p) / volume.clamp(min=LEAST_CM3 / voxel_cm3)
    return total


def expected_volumes(likelihoods: Tensor) -> Tensor:
    """Of each structure, in voxels: (classes, z, y, x) → (structures,)."""
    return torch.stack([likelihood.nan_to_num(0.5).sum() for likelihood in likelihoods[1:]])
