"""The search: which windows are looked into, and in which order. Start reading at `search`.

Tensors are (z, y, x), with the class axis in front.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from model.inference.blend import BACKGROUND_LOGIT, Blend
from model.inference.mirrors import Doubts, Mirrors, doubt, expected_volumes
from model.inference.passes import Passes
from model.inference.windows import Corner, Windows, covering, near
from model.network.plan import Spacing

# A voxel is a candidate if tumour has at least this probability there,
SEARCH_PROBABILITY = 0.003
# or within this distance of it.
SEARCH_MARGIN_MM = 10.0
# A window is skipped if its part of the weighted mean is below this at every candidate.
SEARCH_SHARE = 0.05

Log = Callable[[str], None]


def search(
    windows: Windows, passes: Passes, mirrors: Mirrors, blend: Blend, spacing_zyx: Spacing, log: Log
) -> Tensor:
    """Logits (classes, z, y, x), or probabilities as the blend has them: background outside the candidates.

    A coarse look covers everything with few windows. Then come the windows at the candidates that it finds, then those
    at candidates that only these windows show. At last windows in doubt get more mirrors.
    """
    state = SearchState(windows, passes, mirrors, blend, spacing_zyx)
    state.look_into("search", covering(windows.corners, windows.patch))
    state.look_into("predict", state.promising())
    state.look_into("second look", state.promising())
    log(f"search: looked into {len(blend.shares)} of {len(windows.corners)} windows")
    while more := mirrors.further_passes(state.doubts):
        passes.run("mirrors", more)
        state.measure_doubt()
    logits = blend.last_mean()
    logits[0].masked_fill_(~state.candidates.to(logits.device), BACKGROUND_LOGIT)
    return logits


class SearchState:
    """What is known so far: candidate voxels (bool), and each window's part of the doubt there.

    The windows seen are those that have a share in the blend.
    """

    def __init__(
        self, windows: Windows, passes: Passes, mirrors: Mirrors, blend: Blend, spacing_zyx: Spacing
    ) -> None:
        self.windows = windows
        self.passes = passes
        self.mirrors = mirrors
        self.blend = blend
        self.spacing_zyx = spacing_zyx
        self.candidates = torch.zeros(windows.shape, dtype=torch.bool)
        self.doubts: Doubts = {}

    def look_into(self, name: str, corners: list[Corner]) -> None:
        """The first passes of these windows, and what they change."""
        if not corners:
            return
        self.passes.run(name, self.mirrors.first_passes(corners))
        likely = torch.zeros(self.windows.shape, dtype=torch.bool)
        for planes in self.blend.slabs():
            likely[planes] = (self.blend.likelihoods(planes)[0] < 1 - SEARCH_PROBABILITY).cpu()
        self.candidates |= near(likely, self.spacing_zyx, SEARCH_MARGIN_MM)
        self.measure_doubt(self.unseen())
        self.mirrors.forget(self.doubts)

    def measure_doubt(self, unseen: Sequence[Corner] = ()) -> None:
        """Of the windows seen, and of these others: the parts that they would have if all had been seen."""
        voxel_cm3 = float(np.prod(self.spacing_zyx)) / 1000
        slabs = list(self.blend.slabs())
        volumes = torch.stack([expected_volumes(self.blend.likelihoods(planes)) for planes in slabs]).sum(0)
        seen, once = self.blend.shares, self.windows.once
        self.doubts = dict.fromkeys((*seen, *unseen), 0.0)
        for planes in slabs:
            candidates = self.candidates[planes]
            if not candidates.any():
                continue
            doubts = doubt(self.blend.likelihoods(planes), voxel_cm3, volumes).cpu() * candidates
            for corners, counted in ((seen, seen), (unseen, once)):
                if corners:
                    total_weight = self.windows.total_weight(counted, planes)
                    parts = self.windows.shared_out(corners, doubts, total_weight, planes)
                    for corner, part in parts.items():
                        self.doubts[corner] += part

    def unseen(self) -> list[Corner]:
        return [corner for corner in self.windows.corners if corner not in self.blend.shares]

    def promising(self) -> list[Corner]:
        """Windows not seen yet that would count at a candidate."""
        unseen = self.unseen()
        if not unseen:
            return []
        shares = self.windows.largest_shares(unseen, self.candidates, self.blend.slabs())
        corners = [corner for corner, share in shares.items() if share > SEARCH_SHARE]
        return self.mirrors.worthwhile(corners, self.doubts)
