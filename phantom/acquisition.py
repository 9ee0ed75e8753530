"""The scan: couch, mask, dental streaks, noise, background; from the working grid to int16 volumes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from phantom.drawing.canvas import Canvas, Grid, Kind
from phantom.drawing.shapes import Array

BACKGROUNDS = (0, -1000, -1024, -2000, -3024)
_METAL_HU = 2700


@dataclass(frozen=True)
class Setting:
    """How one patient was scanned."""

    noise_hu: tuple[float, float]
    kernel_mm: tuple[float, float]
    background_hu: int | None
    couch_curve_per_mm: float
    has_couch: bool
    has_mask: bool
    streak_hu: float


@dataclass(frozen=True)
class Contrast:
    """How the contrast scan differs from a perfect one: factors on the enhancement, and how far it is off the other.

    shift_mm is (z, y, x), turn_deg is in plane about the volume's centre: what a registration leaves over.
    """

    artery: float = 1.0
    vein: float = 1.0
    tissue: float = 1.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: float = 0.0


def draw_contrast(rng: np.random.Generator) -> Contrast:
    """Mostly the usual phase; else early (arteries alone), late (washed out of the vessels) or hardly any contrast."""
    phase = rng.choice(["usual", "early", "late", "missing"], p=(0.66, 0.12, 0.16, 0.06))
    artery, vein, tissue = {
        "usual": (1.0, 1.0, 1.0),
        "early": (rng.uniform(1.1, 1.5), rng.uniform(0.15, 0.5), rng.uniform(0.4, 0.8)),
        "late": (rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.8), rng.uniform(0.9, 1.3)),
        "missing": (rng.uniform(0, 0.15),) * 3,
    }[phase]
    moved = rng.random() < 0.45
    shift = rng.normal(0, (0.8, 1.0, 1.0)) if moved else np.zeros(3)
    turn = rng.normal(0, 0.7) if moved else 0.0
    return Contrast(artery, vein, tissue, (float(shift[0]), float(shift[1]), float(shift[2])), float(turn))


def contrast_image(
    hu: Array, enhancement: Array, kind: NDArray[np.uint8], grid: Grid, contrast: Contrast
) -> Array:
    """What the contrast scan sees, HU on the working grid (z, y, x); the enhancement's memory is reused."""
    for k in range(len(hu)):
        factor = np.full(kind[k].shape, contrast.tissue, np.float32)
        factor[kind[k] == Kind.ARTERY] = contrast.artery
        factor[kind[k] == Kind.VEIN] = contrast.vein
        enhancement[k] *= factor
        enhancement[k] += hu[k]
    if contrast == Contrast(contrast.artery, contrast.vein, contrast.tissue):
        return enhancement
    spacing = np.array(grid.spacing_xyz[::-1])
    a = np.deg2rad(contrast.turn_deg)
    turn_mm = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    matrix = turn_mm * spacing[None] / spacing[:, None]  # of voxel indices
    middle = (np.array(hu.shape) - 1) / 2
    offset = middle - matrix @ (middle + np.array(contrast.shift_mm) / spacing)
    return ndimage.affine_transform(enhancement, matrix, offset, order=1, mode="nearest")


def draw_setting(rng: np.random.Generator) -> Setting:
    """Draw the scan's setting; a background of None means air up to the corners."""
    background = None if rng.random() < 0.2 else int(rng.choice(BACKGROUNDS))
    noise = tuple(float(v) for v in rng.uniform(7.07, 25.46, 2))
    return Setting(
        noise_hu=(noise[0], noise[1]),
        kernel_mm=(float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.5, 0.9))),
        background_hu=background,
        couch_curve_per_mm=float(rng.choice([0.0, rng.uniform(2e-4, 9e-4)])),
        has_couch=bool(rng.random() < 0.9),
        has_mask=bool(rng.random() < 0.65),
        streak_hu=float(rng.uniform(60, 320)),
    )


def add_surroundings(canvas: Canvas, outline: Array, setting: Setting, rng: np.random.Generator) -> None:
    """Thermoplastic mask, head rest and couch, where nothing of the patient is."""
    outside = canvas.kind == Kind.OUTSIDE
    canvas.hu[outside & (canvas.hu < -900)] = -1000
    if setting.has_mask:
        shell = outside & (np.abs(outline - rng.uniform(2.0, 3.5)) < 1.4)
        shell &= (canvas.y < 55) & (canvas.z > -185) & (canvas.texture < 1.3)
        canvas.hu[shell] = np.float32(rng.uniform(-300, 60))
    if setting.has_couch:
        _add_couch(canvas, outline, outside, setting, rng)


def _add_couch(
    canvas: Canvas, outline: Array, outside: NDArray[np.bool_], setting: Setting, rng: np.random.Generator
) -> None:
    x, y, z = canvas.grid.axis(0), canvas.grid.axis(1), canvas.grid.axis(2)
    rows = np.flatnonzero((outline < 0).any(axis=(0, 2)))
    surface = y[rows[-1]] + 2 + np.float32(setting.couch_curve_per_mm) * (0 - x[None] ** 2)
    depth = y[:, None] - surface
    thickness, half_width = np.float32(rng.uniform(25, 60)), np.float32(rng.uniform(205, 265))
    inside = (depth > 0) & (depth < thickness) & (np.abs(x[None]) < half_width)
    skin = inside & ((depth < 2.4) | (depth > thickness - 2.4) | (np.abs(x[None]) > half_width - 3))
    foam, shell = np.float32(rng.uniform(-985, -900)), np.float32(rng.uniform(-350, 120))
    rest_width = np.float32(rng.uniform(80, 120))
    rest = (np.abs(x[None]) < rest_width) & (y[:, None] > 50) & (depth < 0)
    for k in range(canvas.grid.shape_zyx[0]):
        free = outside[k]
        canvas.hu[k][free & inside] = foam
        canvas.hu[k][free & skin] = shell
        if z[k] > -120:
            canvas.hu[k][free & rest & (outline[k] > 4)] = foam
            edge = rest & (np.abs(np.abs(x[None]) - rest_width) < 3)
            canvas.hu[k][free & edge] = shell


@dataclass(frozen=True)
class Scanner:
    """Turns working-grid arrays into output volumes; `rows` are the output rows the working grid covers."""

    size_xyz: tuple[int, int, int]
    spacing_xyz: tuple[float, float, float]
    rows: slice
    coarsening: int
    setting: Setting

    def scan_pair(
        self, hu: Array, contrasted: Array, kind: NDArray[np.uint8], grid: Grid, rng: np.random.Generator
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """The scan without and the scan with contrast, int16 HU, (z, y, x); noise is independent."""
        shape = self.size_xyz[::-1]
        scans = np.empty(shape, np.int16), np.empty(shape, np.int16)
        noises = [NoiseSource(shape[1:], self.spacing_xyz, blur) for blur in self.setting.kernel_mm]
        outside = self._outside_circle()
        biases = [self._bias(rng) for _ in scans]
        streaks = dental_streaks(hu, self.setting.streak_hu, rng)
        for k in range(shape[0]):
            streak = streaks.get(k, np.float32(0))
            width_mm = float((kind[k] != Kind.OUTSIDE).any(axis=0).sum()) * grid.spacing_xyz[0]
            parts = zip((hu, contrasted), scans, noises, biases, self.setting.noise_hu, strict=True)
            for tissue, scan, noise, bias, sd in parts:
                image = tissue[k] + streak
                image[kind[k] != Kind.OUTSIDE] += np.float32(rng.normal(0, 1))
                image += np.where(image > -500, bias, np.float32(0))
                image += _shoulder_streaks(image.shape, width_mm, sd, grid, rng)
                full = sd * _width_factor(width_mm) * noise.draw(rng) - np.float32(1000)
                full[self.rows] += self._refined(image) + np.float32(1000)
                np.clip(np.rint(full), -1024, 3071, out=full)
                if self.setting.background_hu is not None:
                    full[outside] = self.setting.background_hu
                scan[k] = full
        return scans

    def mask(self, distance: Array) -> NDArray[np.uint8]:
        """Where a distance field on the working grid is negative, on the output grid (z, y, x)."""
        mask = np.zeros(self.size_xyz[::-1], np.uint8)
        for k in range(mask.shape[0]):
            if distance[k].min() < 0:
                mask[k, self.rows] = self._refined(distance[k]) < 0
        return mask

    def _bias(self, rng: np.random.Generator) -> Array:
        """Cupping and a tilt of a few HU over the working grid's slice, as of imperfect calibration."""
        step = self.coarsening
        v = np.linspace(-1, 1, (self.rows.stop - self.rows.start) // step, dtype=np.float32)[:, None]
        u = np.linspace(-1, 1, self.size_xyz[0] // step, dtype=np.float32)[None]
        a, b, c = rng.normal(0, (10, 4, 4)).astype(np.float32)
        return a * (u * u + v * v) + b * u + c * v

    def _refined(self, image: Array) -> Array:
        return doubled(doubled(image, 0), 1) if self.coarsening == 2 else image

    def _outside_circle(self) -> NDArray[np.bool_]:
        nx, ny, _ = self.size_xyz
        y, x = np.ogrid[:ny, :nx]
        radius = (x - (nx - 1) / 2) ** 2 + (y - (ny - 1) / 2) ** 2
        return radius > (min(nx, ny) / 2) ** 2


def doubled(image: Array, axis: int) -> Array:
    """Linear interpolation to twice as many samples along an axis, centres kept."""
    image = np.moveaxis(image, axis, 0)
    before = np.concatenate([image[:1], image[:-1]])
    after = np.concatenate([image[1:], image[-1:]])
    fine = np.empty((2 * image.shape[0], *image.shape[1:]), np.float32)
    fine[0::2] = np.float32(0.75) * image + np.float32(0.25) * before
    fine[1::2] = np.float32(0.75) * image + np.float32(0.25) * after
    return np.moveaxis(fine, 0, axis)


class NoiseSource:
    """Noise of unit variance: white times the root of a ramp, rolled off by a Gaussian (`blur_mm`)."""

    def __init__(
        self, shape: tuple[int, ...], spacing_xyz: tuple[float, float, float], blur_mm: float
    ) -> None:
        self._shape = shape
        fy, fx = fft.fftfreq(shape[0], spacing_xyz[1])[:, None], fft.rfftfreq(shape[1], spacing_xyz[0])[None]
        frequency = np.sqrt(fx**2 + fy**2)
        gain = np.sqrt(frequency + 0.02) * np.exp(-0.5 * (2 * np.pi * frequency * blur_mm) ** 2)
        # Parseval: real and imaginary part have unit variance, and the half spectrum counts twice.
        self._gain = (gain * np.prod(shape) / (2 * np.sqrt(np.sum(gain**2)))).astype(np.float32)

    def draw(self, rng: np.random.Generator) -> Array:
        white = rng.standard_normal((*self._gain.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        return fft.irfft2(white * self._gain, s=self._shape)


def _width_factor(width_mm: float) -> np.float32:
    """Noise grows with the exponential of half the attenuation along the longest way through the body."""
    return np.float32(0.75 + 0.25 * np.exp(max(0.0, width_mm - 160) / 150))


def _shoulder_streaks(
    shape: tuple[int, ...], width_mm: float, sd_hu: float, grid: Grid, rng: np.random.Generator
) -> Array | np.float32:
    """Noise drawn out from left to right where the shoulders starve the detector of photons."""
    if width_mm < 270:
        return np.float32(0)
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.uniform_filter1d(noise, max(3, int(60 / grid.spacing_xyz[0])), axis=1)
    noise = ndimage.gaussian_filter1d(noise, 1.0 / grid.spacing_xyz[1], axis=0)
    noise /= max(float(noise.std()), 1e-6)
    return noise * np.float32(sd_hu * min(0.85, (width_mm - 270) / 184))


def dental_streaks(hu: Array, streak_hu: float, rng: np.random.Generator) -> dict[int, Array]:
    """Bright and dark rays from metal in the slices that contain it and, weaker, in their neighbours."""
    streaks: dict[int, Array] = {}
    rows, columns = np.meshgrid(np.arange(hu.shape[1]), np.arange(hu.shape[2]), indexing="ij")
    for k in range(hu.shape[0]):
        metal = np.argwhere(hu[k] > _METAL_HU)
        if not len(metal):
            continue
        for row, column in metal[rng.choice(len(metal), min(3, len(metal)), replace=False)]:
            down, right = rows - row, columns - column
            angle = np.arctan2(down, right) / (2 * np.pi) + 0.5
            profile = ndimage.gaussian_filter1d(rng.standard_normal(360), 2.0, mode="wrap")
            ray = np.interp(angle, np.linspace(0, 1, 361), np.append(profile, profile[0]) / profile.std())
            radius = np.hypot(down, right) / hu.shape[2]
            fall = streak_hu * np.exp(-radius / 0.09) * np.clip(radius / 0.008, 0, 1)
            pattern = (ray * fall).astype(np.float32)
            for other, share in ((k - 1, 0.3), (k, 0.6), (k + 1, 0.3)):
                streaks[other] = streaks.get(other, np.float32(0)) + np.float32(share) * pattern
    return streaks
