"""One patient from a seed: grid, anatomy, lesions, and the two scans."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.images.grid import Grid as ImageGrid
from phantom import acquisition
from phantom.anatomy import airway, muscles, organs, skeleton, spine, surface, tumour
from phantom.anatomy.patient import draw_patient
from phantom.drawing.canvas import Canvas, Grid, OrganSum, apart, smooth_noise
from phantom.drawing.pose import template_points

GEOMETRIES = ("segrap", "small")
_FRONT_MM, _BACK_MM = -165.0, 205.0


@dataclass(frozen=True)
class Geometry:
    """Output grid: size and spacing (x, y, z), where it lies in the patient; and the working grid.

    `first_xyz` is the first voxel's centre in the patient frame (mm). The working grid is `coarsening` times
    coarser in plane and covers the rows that can hold the patient, from `first_row` of the output grid on.
    """

    size_xyz: tuple[int, int, int]
    spacing_xyz: tuple[float, float, float]
    first_xyz: tuple[float, float, float]
    origin_xyz: tuple[float, float, float]
    coarsening: int

    @property
    def rows(self) -> slice:
        """Output rows that the working grid covers."""
        step = self.spacing_xyz[1] * self.coarsening
        low = max(0, int((_FRONT_MM - self.first_xyz[1]) / step))
        high = min(self.size_xyz[1] // self.coarsening, int((_BACK_MM - self.first_xyz[1]) / step) + 1)
        return slice(low * self.coarsening, high * self.coarsening)

    @property
    def working(self) -> Grid:
        """The grid on which the patient is painted."""
        c, (dx, dy, dz) = self.coarsening, self.spacing_xyz
        rows = self.rows
        first = (
            self.first_xyz[0] + (c - 1) / 2 * dx,
            self.first_xyz[1] + rows.start * dy + (c - 1) / 2 * dy,
            self.first_xyz[2],
        )
        shape = (self.size_xyz[2], (rows.stop - rows.start) // c, self.size_xyz[0] // c)
        return Grid(shape, first, (dx * c, dy * c, dz))


@dataclass(frozen=True)
class Phantom:
    """A paired CT with its truth. Arrays (z, y, x): `ct`, `ce` int16 HU; `gtvp`, `gtvnd` uint8 0/1.

    Spacing and origin in mm, (x, y, z); `direction` row-major 3x3, as SimpleITK has it.
    """

    ct: NDArray[np.int16]
    ce: NDArray[np.int16]
    gtvp: NDArray[np.uint8]
    gtvnd: NDArray[np.uint8]
    spacing_xyz: tuple[float, float, float]
    origin_xyz: tuple[float, float, float]
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @property
    def grid(self) -> ImageGrid:
        """Where its voxels lie."""
        z, y, x = self.ct.shape
        return ImageGrid((x, y, z), self.spacing_xyz, self.origin_xyz, self.direction)


def make_phantom(
    seed: int, number: int, geometry: str, contrast: acquisition.Contrast | None = None
) -> Phantom:
    """Case `number` of a seed; `geometry` is "segrap" (1024 x 1024 x 127, 0.54 x 0.54 x 3 mm) or "small".

    The contrast scan's phase and misregistration are drawn from the seed too, unless given.
    """
    rng = _random_numbers(seed, number)
    frame = _draw_geometry(rng, geometry)
    if contrast is None:
        contrast = acquisition.draw_contrast(apart(rng, 1))
    canvas, lesions = _paint(frame.working, rng)
    primary = tumour.merged([lesions.primary], canvas.grid.shape_zyx)
    nodes = tumour.merged(lesions.nodes, canvas.grid.shape_zyx)
    np.maximum(nodes, -primary, out=nodes)
    setting = acquisition.draw_setting(rng)
    acquisition.add_surroundings(canvas, lesions.outline, setting, rng)
    del lesions
    hu, enhancement, kind, grid = canvas.hu, canvas.enhancement, canvas.kind, canvas.grid
    del canvas
    scanner = acquisition.Scanner(frame.size_xyz, frame.spacing_xyz, frame.rows, frame.coarsening, setting)
    contrasted = acquisition.contrast_image(hu, enhancement, kind, grid, contrast)
    del enhancement
    ct, ce = scanner.scan_pair(hu, contrasted, kind, grid, rng)
    del hu, contrasted, kind
    return Phantom(ct, ce, scanner.mask(primary), scanner.mask(nodes), frame.spacing_xyz, frame.origin_xyz)


def organ_sums(seed: int, number: int, geometry: str) -> dict[str, OrganSum]:
    """Volume and centre of each named organ of the phantom that `make_phantom` makes from the same seed."""
    rng = _random_numbers(seed, number)
    return _paint(_draw_geometry(rng, geometry).working, rng)[0].organs


def case_name(number: int) -> str:
    """What case `number` of any seed is called."""
    return f"phantom_{number:04d}"


def _random_numbers(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((seed, number)))


@dataclass(frozen=True)
class _Lesions:
    primary: tumour.Lesion
    nodes: list[tumour.Lesion]
    outline: NDArray[np.float32]


def _paint(grid: Grid, rng: np.random.Generator) -> tuple[Canvas, _Lesions]:
    patient = draw_patient(rng)
    points = template_points(grid, rng)
    relief, texture = smooth_noise(grid, 9.0, rng), smooth_noise(grid, 4.0, rng)
    canvas = Canvas(grid, points, texture, relief)
    plans = tumour.plan_nodes(canvas, rng)
    tumour.displace(canvas, plans)
    outline = surface.paint_surface(canvas, patient)
    muscles.paint_muscles(canvas, patient)
    surface.paint_chest(canvas, patient)
    spine.paint_girdle(canvas, patient)
    muscles.paint_tongue(canvas, patient)
    airway.paint_throat_walls(canvas, patient)
    skeleton.paint_skull(canvas, patient)
    organs.paint_brain(canvas, patient)
    skeleton.paint_skull_base(canvas, patient)
    skeleton.paint_ethmoid(canvas, patient)
    organs.paint_eyes(canvas, patient)
    spine.paint_spine(canvas, patient)
    organs.paint_glands(canvas, patient)
    skeleton.paint_mandible(canvas, patient)
    skeleton.paint_hyoid(canvas, patient)
    organs.paint_normal_nodes(canvas, patient)
    organs.paint_vessels(canvas, patient)
    airway.paint_airway(canvas, patient)
    skeleton.paint_teeth(canvas, patient)
    primary = tumour.paint_primary(canvas, patient)
    nodes = tumour.paint_nodes(canvas, patient, plans, outline, primary)
    return canvas, _Lesions(primary, nodes, outline)


def _draw_geometry(rng: np.random.Generator, geometry: str) -> Geometry:
    thickness = apart(rng, 2)
    if geometry == "segrap":
        size, spacing, coarsening = (1024, 1024, 127), (0.54, 0.54, 3.0), 2
    elif geometry == "small":
        across = int(rng.choice([240, 256, 256, 272]))
        in_plane = round(float(rng.uniform(1.7, 2.3)), 3)
        size = (across, across, int(rng.integers(90, 103)))
        spacing, coarsening = (in_plane, in_plane, round(float(rng.uniform(3, 4)), 2)), 1
        if thickness.random() < 0.25:  # the same extent in fewer, thicker slices
            thicker = round(float(thickness.uniform(4, 5.5)), 2)
            size = (across, across, int(size[2] * spacing[2] / thicker))
            spacing = (in_plane, in_plane, thicker)
    else:
        raise ValueError(f"unknown geometry {geometry!r}; choose one of {', '.join(GEOMETRIES)}")
    length = size[2] * spacing[2]
    top = float(rng.uniform(55, np.clip(length - 200, 70, 142)))
    centre = rng.normal((0, 20, 0), (5, 8, 0))
    first = (
        centre[0] - (size[0] - 1) / 2 * spacing[0],
        centre[1] - (size[1] - 1) / 2 * spacing[1],
        top - (size[2] - 1) * spacing[2],
    )
    origin = tuple(round(float(value), 2) for value in np.add(first, rng.normal(0, (20, 60, 400))))
    return Geometry(size, spacing, tuple(map(float, first)), origin, coarsening)  # type: ignore[arg-type]
