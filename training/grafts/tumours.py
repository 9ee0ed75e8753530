"""Where synthetic tumours lie in a real patient: the phantoms' shapes, held back by what the CT shows there.

Arrays are (z, y, x); distance fields in mm, negative inside.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phantom.anatomy.organs import NODE_CHAINS
from phantom.anatomy.tumour import (
    NodeShape,
    cut,
    draw_nodes,
    keep_largest,
    primary_shape,
    primary_volume,
    resistance,
    to_volume,
)
from phantom.drawing.canvas import Grid, Kind, smooth_noise
from phantom.drawing.shapes import Array, Ellipsoid, Shape, Union
from training.grafts.patient import NASOPHARYNX_MM, RealPatient, head_frame, neck_frame

# A tumour that the patient leaves less room than this share of its volume, or less than so much, is not there.
LEAST_SHARE, LEAST_CM3 = 0.35, 0.15
# How much (mm) of the patient around the nasopharynx's centre must be in the image for a primary tumour.
ROOM_MM = 20.0
UNDER_SKIN_MM = 3.5
# How far heads differ from the phantoms' in size, and in how they are bowed (degrees, about x).
SIZE_SD, BOW_SD_DEG, PLACE_SD_MM = 0.06, 8.0, 2.5
# How often primary tumours and nodes are of any shape, size and place instead of the phantoms': else a network learns
# how the phantoms' tumours look, and draws that wherever one begins. Volumes are drawn by their logarithm.
FREE = 0.6
FREE_PRIMARY_CM3, FREE_NODE_CM3 = (2.0, 70.0), (0.4, 25.0)


@dataclass(frozen=True)
class Field:
    """A tumour as a distance field over the whole image; relief: smooth noise that roughens what is in it."""

    distance: Array
    relief: Array


def primary_field(patient: RealPatient, kind: NDArray[np.uint8], rng: np.random.Generator) -> Field | None:
    """A nasopharyngeal tumour, or None where its place is not in the image."""
    x, y, z = head_frame(patient)
    if min(z.max() - NASOPHARYNX_MM[2], NASOPHARYNX_MM[2] - z.min()) < ROOM_MM:
        return None
    relief, texture = (smooth_noise(canvas_grid(patient), mm, rng) for mm in (9.0, 4.0))
    free = rng.random() < FREE
    volume = _drawn(FREE_PRIMARY_CM3, rng) if free else primary_volume(rng)
    shape = free_primary(rng, volume) if free else primary_shape(rng, volume)
    x, y, z = _varied(x, y, z, rng)
    distance = shape.distance(x, y, z)
    distance = distance + np.float32(rng.uniform(1.0, 3.2)) * relief + np.float32(0.8) * texture
    distance = distance + resistance(kind, patient.grid.spacing_xyz, rng)
    barred = near(kind == Kind.NERVOUS, patient, 2.0) | (kind == Kind.OUTSIDE) | (y < -96)
    distance = to_volume(distance.astype(np.float32), barred, volume, voxel_cm3(patient))
    return Field(distance, relief)


def node_fields(
    patient: RealPatient, kind: NDArray[np.uint8], primary: Field | None, rng: np.random.Generator
) -> list[Field]:
    """Involved nodes under the skin, outside bone, airway and the primary tumour."""
    x, y, z = _varied(*neck_frame(patient), rng)
    relief = smooth_noise(canvas_grid(patient), 5.0, rng)
    inside = ndimage.distance_transform_edt(kind != Kind.OUTSIDE, patient.spacing_zyx)
    barred = np.isin(kind, (Kind.BONE, Kind.AIRWAY, Kind.OUTSIDE, Kind.NERVOUS)) | (inside < UNDER_SKIN_MM)
    if primary is not None:
        barred |= primary.distance < 1
    fields = []
    for node in free_nodes(rng) if rng.random() < FREE else draw_nodes(rng):
        distance = node.shape.distance(x, y, z) + np.float32(node.rough_mm) * relief
        wanted = np.count_nonzero(distance < 0)
        distance = keep_largest(cut(distance, barred)).astype(np.float32)
        left = np.count_nonzero(distance < 0)
        if left >= max(LEAST_SHARE * wanted, LEAST_CM3 / voxel_cm3(patient), 1):
            fields.append(Field(distance, relief))
    return fields


def free_primary(rng: np.random.Generator, volume_cm3: float) -> Shape:
    """One to four ellipsoids of any direction about a place beside, above or below the nasopharynx's middle."""
    radius = _radius_mm(volume_cm3)
    seat = np.add(NASOPHARYNX_MM, (rng.uniform(-22, 22), rng.normal(0, 6), rng.normal(0, 8)))
    centres = [seat, *(seat + rng.normal(0, 0.6 * radius, 3) for _ in range(int(rng.integers(0, 4))))]
    return Union(tuple(_ellipsoid(centre, radius, rng) for centre in centres), 0.4 * radius)


def free_nodes(rng: np.random.Generator) -> list[NodeShape]:
    """One to five, along the chains of all levels and off them."""
    nodes = []
    for _ in range(int(rng.integers(1, 6))):
        start, stop = (np.asarray(point) for point in NODE_CHAINS[str(rng.choice(list(NODE_CHAINS)))])
        side = np.array([rng.choice([-1, 1]), 1, 1])
        spot = side * (start + rng.random() * (stop - start) + rng.normal(0, 5, 3))
        radius = _radius_mm(_drawn(FREE_NODE_CM3, rng))
        nodes.append(NodeShape(_ellipsoid(spot, radius, rng), tuple(spot), radius, 0.1 * radius))
    return nodes


def _ellipsoid(centre: np.ndarray, radius: float, rng: np.random.Generator) -> Ellipsoid:
    x, y, z = map(float, centre)
    radii = tuple(map(float, radius * np.exp(rng.normal(0, 0.22, 3))))
    tilt, turn = rng.uniform(-90, 90, 2)
    return Ellipsoid((x, y, z), radii, float(tilt), float(turn))  # type: ignore[arg-type]


def _drawn(range_cm3: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(range_cm3))))


def _radius_mm(volume_cm3: float) -> float:
    """Of a ball."""
    return float(np.cbrt(3000 * volume_cm3 / (4 * np.pi)))


def near(mask: NDArray[np.bool_], patient: RealPatient, mm: float) -> NDArray[np.bool_]:
    """What lies within so many mm of a mask."""
    if not mask.any():
        return mask
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask, patient.spacing_zyx) <= mm
    return near


def voxel_cm3(patient: RealPatient) -> float:
    return float(np.prod(patient.spacing_zyx)) / 1000


def canvas_grid(patient: RealPatient) -> Grid:
    """The image's voxels as the phantoms' drawing has them."""
    z, y, x = patient.hu.shape
    return Grid((z, y, x), (0.0, 0.0, 0.0), patient.grid.spacing_xyz)


def _varied(x: Array, y: Array, z: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The frame of another head: of another size, bowed, and a little off."""
    bow = np.deg2rad(rng.normal(0, BOW_SD_DEG))
    size = np.exp(rng.normal(0, SIZE_SD, 3)).astype(np.float32)
    off = rng.normal(0, PLACE_SD_MM, 3).astype(np.float32)
    turned_y = np.float32(np.cos(bow)) * y - np.float32(np.sin(bow)) * z
    turned_z = np.float32(np.sin(bow)) * y + np.float32(np.cos(bow)) * z
    return x / size[0] + off[0], turned_y / size[1] + off[1], turned_z / size[2] + off[2]
