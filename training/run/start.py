"""The weights that a run begins with, where it does not begin at random."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InputError
from model.network.bundle import CHANNELS, Bundle, Normalisation, load_bundle
from training.data.plans import DataPlan

REMEDY = "give the plan.json of its run with --config"
# Relative: of spacing and normalisation, which may have been rounded on their way.
SAME = 1e-5


@dataclass(frozen=True)
class Start:
    """A weights file's name and content."""

    name: str
    bundle: Bundle

    @property
    def origin(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, as plain values: which weights they are, and their lineage.

        The lineage has the file's name and provenance; without scores, which are of those weights alone.
        """
        kept = {key: value for key, value in self.bundle.provenance.items() if key != "metrics"}
        return {"weights": self.bundle.fingerprint, "lineage": {"file": self.name} | kept}


def read_start(path: Path) -> Start:
    """Raises InputError where it is no weights file, or none of one network that has our channels."""
    bundle = load_bundle(path)
    if bundle.channels != CHANNELS or len(bundle.states) > 1:
        fact = f"its channels are {','.join(bundle.channels)}, its networks {len(bundle.states)}"
        raise InputError("--start", fact, f"give one network of {','.join(CHANNELS)}")
    return Start(path.name, bundle)


def check_start(start: Start, plan: DataPlan) -> None:
    """Raises InputError unless the weights are of the plan's network, spacing and normalisation."""
    bundle = start.bundle
    if bundle.network != plan.network:
        raise InputError("--start", "its network is not the plan's", REMEDY)
    if not np.allclose(bundle.spacing_zyx, plan.spacing_zyx, rtol=SAME, atol=0):
        theirs, ours = (", ".join(f"{mm:g}" for mm in s) for s in (bundle.spacing_zyx, plan.spacing_zyx))
        raise InputError("--start", f"its spacing is {theirs} mm, the plan's {ours}", REMEDY)
    for channel, theirs_of, ours_of in zip(CHANNELS, bundle.normalisation, plan.normalisation, strict=True):
        if not _alike(theirs_of, ours_of):
            fact = f"its normalisation of {channel} is {_words(theirs_of)}, the plan's {_words(ours_of)}"
            raise InputError("--start", fact, REMEDY)


def _figures(channel: Normalisation) -> tuple[float, ...]:
    return channel.lower, channel.upper, channel.mean, channel.std


def _alike(one: Normalisation, other: Normalisation) -> bool:
    return one.scheme == other.scheme and np.allclose(_figures(one), _figures(other), rtol=SAME, atol=SAME)


def _words(channel: Normalisation) -> str:
    """Such as "ct [-200, 300] 30 ± 70"."""
    return f"{channel.scheme} [{channel.lower:g}, {channel.upper:g}] {channel.mean:g} ± {channel.std:g}"
