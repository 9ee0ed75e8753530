"""The tissues of one patient: every HU and enhancement drawn around its usual value."""

from dataclasses import dataclass

import numpy as np

from phantom.drawing.canvas import Kind, Tissue, apart


@dataclass(frozen=True)
class Palette:
    """Tissues of one patient."""

    skin: Tissue
    fat: Tissue
    muscle: Tissue
    tongue: Tissue
    mucosa: Tissue
    cortical: Tissue
    dense: Tissue
    marrow: Tissue
    diploe: Tissue
    tooth: Tissue
    cartilage: Tissue
    disc: Tissue
    grey: Tissue
    white: Tissue
    stem: Tissue
    fluid: Tissue
    vitreous: Tissue
    lens: Tissue
    nerve: Tissue
    parotid: Tissue
    submandibular: Tissue
    thyroid: Tissue
    node: Tissue
    artery: Tissue
    vein: Tissue
    air: Tissue
    lung: Tissue
    marrow_shell_mm: float


def draw_palette(rng: np.random.Generator) -> Palette:
    """Draw the tissues; literature values with a generous spread, in some patients beyond what is usual."""
    spread = float(apart(rng, 3).choice([1.0, 1.8], p=(0.7, 0.3)))

    def tissue(
        kind: Kind, hu: float, sd: float, enhancement: float = 0, esd: float = 0, texture: float = 4
    ) -> Tissue:
        added = max(0.0, float(rng.normal(enhancement, spread * esd)))
        return Tissue(float(rng.normal(hu, spread * sd)), added, texture * float(rng.uniform(0.6, 1.4)), kind)

    soft, bone = Kind.SOFT, Kind.BONE
    muscle_hu, muscle_added = float(rng.normal(54, spread * 7)), float(rng.uniform(4, 22))
    vessel_hu, arterial = float(rng.normal(42, 5)), float(rng.uniform(90, 300))
    muscle = Tissue(muscle_hu, muscle_added, float(rng.uniform(4, 10)), soft)
    return Palette(
        skin=tissue(soft, 5, 20, 8, 4),
        fat=tissue(Kind.FAT, -102, 9, 2, 1, 9),
        muscle=muscle,
        tongue=Tissue(
            muscle_hu - float(rng.uniform(2, 25)), muscle_added + float(rng.uniform(0, 10)), 14, soft
        ),
        mucosa=tissue(soft, 40, 6, 45, 15),
        cortical=tissue(bone, 1050, 170, texture=90),
        dense=tissue(bone, 780, 130, texture=110),
        marrow=tissue(bone, 270, 60, 4, 3, 60),
        diploe=tissue(bone, 480, 110, 4, 3, 90),
        tooth=tissue(bone, 1900, 250, texture=100),
        cartilage=tissue(soft, 110, 50, 5, 3, 50),
        disc=tissue(soft, 85, 12, 5, 3, 8),
        grey=tissue(Kind.NERVOUS, 38, 3, 6, 2, 3),
        white=tissue(Kind.NERVOUS, 30, 3, 4, 1.5, 2),
        stem=tissue(Kind.NERVOUS, 33, 3, 4, 2, 2),
        fluid=tissue(Kind.NERVOUS, 9, 4, texture=2),
        vitreous=tissue(Kind.NERVOUS, 10, 5, texture=1),
        lens=tissue(Kind.NERVOUS, 75, 12, texture=2),
        nerve=tissue(Kind.NERVOUS, 32, 6, 8, 4, 2),
        parotid=tissue(soft, -5, 22, 28, 9, 13),
        submandibular=tissue(soft, 42, 9, 42, 12, 7),
        thyroid=tissue(soft, 112, 18, 85, 25, 8),
        node=tissue(soft, 38, 6, 32, 9, 4),
        artery=Tissue(vessel_hu, arterial, 2, Kind.ARTERY),
        vein=Tissue(vessel_hu, arterial * float(rng.uniform(0.5, 1.1)), 3, Kind.VEIN),
        air=Tissue(-1000, 0, 0, Kind.AIRWAY),
        lung=Tissue(float(rng.normal(-830, 40)), float(rng.uniform(3, 15)), 25, Kind.AIRWAY),
        marrow_shell_mm=float(rng.uniform(1.2, 2.0)),
    )
