"""What a patch is changed by, and how much: geometry (geometry.py) and intensities (intensities.py)."""

from dataclasses import dataclass

from model.network.plan import Triple

# From, to.
Range = tuple[float, float]
# Probability that a change happens in a sample, and then in each of its channels.
Chance = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """Chances and ranges. Kinds and values are those of nnU-Net v2 (Isensee et al., Nature Methods 2021; its trainer).

    Ours is a contrast CT that never came. Where a patch is flat, its largest side more than anisotropic_from times
    that along z, it is turned about z alone, by up to anisotropic_degrees, and scaled in plane.
    """

    rotation: float = 0.2  # chance of a sample
    degrees: float = 30.0  # about z, each way
    tilt_degrees: float = 30.0  # about y and x
    anisotropic_from: float = 3.0
    anisotropic_degrees: float = 180.0
    scaling: float = 0.2  # chance of a sample
    scales: Range = (0.7, 1.4)  # above 1 what is seen grows
    mirror: float = 0.5  # chance of each axis, as test-time augmentation does
    noise: Chance = (0.1, 1.0)
    noise_deviation: Range = (0.0, 0.1)  # of the normalised values, as all that follows
    blur: Chance = (0.2, 0.5)
    blur_sigma: Range = (0.5, 1.0)  # voxels, drawn for each axis
    through_plane: bool = True  # blur along z too, and a coarser z where the patch is not flat
    brightness: Chance = (0.15, 1.0)
    brightness_factor: Range = (0.75, 1.25)
    brightness_shift: Range = (0.0, 0.0)
    contrast: Chance = (0.15, 1.0)
    contrast_factor: Range = (0.75, 1.25)
    contrast_keeps_range: bool = True
    low_resolution: Chance = (0.25, 0.5)
    low_resolution_factor: Range = (0.5, 1.0)
    gamma_inverted: Chance = (0.1, 1.0)  # of the values turned upside down
    gamma: Chance = (0.3, 1.0)
    gamma_exponent: Range = (0.7, 1.5)
    gamma_keeps_statistics: bool = True  # mean and deviation
    no_contrast: float = 0.05  # chance of a sample

    def is_flat(self, patch_zyx: Triple) -> bool:
        """Whether a patch counts as anisotropic."""
        return max(patch_zyx) > self.anisotropic_from * patch_zyx[0]
