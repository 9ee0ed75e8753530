"""What distinguishes one patient's normal anatomy from another's."""

from dataclasses import dataclass

import numpy as np

from phantom.anatomy.palette import Palette, draw_palette
from phantom.drawing.canvas import Tissue
from phantom.drawing.shapes import Point

# Height (z) -> depth (y) of the spinal cord's centre in the template, from the radiographers' contours
# summarised in the anatomy table (centre y about +24 at z about -155, extent 76 mm over 240 mm).
CORD_ROWS = (
    (-340, 88),
    (-290, 71),
    (-250, 57),
    (-200, 39),
    (-160, 25),
    (-120, 15),
    (-80, 9),
    (-45, 5),
    (-28, 2),
)


@dataclass(frozen=True)
class Patient:
    """Drawn traits: tissues, build and which teeth are there."""

    palette: Palette
    fatness: float
    muscularity: float
    gland_size: float
    teeth: tuple[bool, ...]
    metal_teeth: tuple[int, ...]
    septum_bend_mm: float
    sinus_opacity: tuple[float, float]
    sphenoid_air: float
    rng: np.random.Generator

    def jitter(self, point: Point, sd_mm: float) -> Point:
        """A point moved by a normal amount in each direction."""
        moved = np.asarray(point) + self.rng.normal(0, sd_mm, 3)
        return float(moved[0]), float(moved[1]), float(moved[2])

    def scale(self, radii: Point, sd: float) -> Point:
        """Radii multiplied by independent factors around 1."""
        scaled = np.asarray(radii) * np.exp(self.rng.normal(0, sd, 3))
        return float(scaled[0]), float(scaled[1]), float(scaled[2])

    def vary(self, tissue: Tissue, hu_sd: float, enhancement_sd: float) -> Tissue:
        """A tissue a little different from its kind's mean, as one vessel or node is from another."""
        added = max(0.0, tissue.enhancement + float(self.rng.normal(0, enhancement_sd)))
        return Tissue(tissue.hu + float(self.rng.normal(0, hu_sd)), added, tissue.texture, tissue.kind)


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient's traits."""
    toothless = rng.random() < 0.12
    keep = 0.0 if toothless else rng.uniform(0.6, 1.0)
    teeth = tuple(bool(t) for t in rng.random(28) < keep)
    present = np.flatnonzero(teeth)
    count = min(len(present), int(rng.integers(1, 6))) if rng.random() < 0.33 else 0
    metal = tuple(int(t) for t in rng.choice(present, count, replace=False)) if count else ()
    return Patient(
        palette=draw_palette(rng),
        fatness=float(np.exp(rng.normal(0, 0.3))),
        muscularity=float(np.exp(rng.normal(0, 0.12))),
        gland_size=float(np.exp(rng.normal(0, 0.1))),
        teeth=teeth,
        metal_teeth=metal,
        septum_bend_mm=float(rng.normal(0, 2)),
        sinus_opacity=(float(rng.choice([0, rng.uniform(0, 1)])), float(rng.choice([0, rng.uniform(0, 1)]))),
        sphenoid_air=float(rng.uniform(0.5, 1.15)),
        rng=rng,
    )


def cord_depth(z: float) -> float:
    """Depth (y, mm) of the spinal cord's centre at height z in the template."""
    rows = np.asarray(CORD_ROWS, float)
    return float(np.interp(z, rows[:, 0], rows[:, 1]))
