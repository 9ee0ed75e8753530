"""One training case from a real patient: the CT as it is, or with synthetic tumours set in."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.structures import LABELS
from training.grafts.pair import Scans, made_pair, moved, paint
from training.grafts.patient import AIR_HU, BONE_HU, NASOPHARYNX_MM, RealPatient, head_frame, kinds
from training.grafts.tumours import node_fields, primary_field

# Of what is certainly tumour in a PTV70 around the nasopharynx: how deep in it, how near to the nasopharynx's centre.
CORE_DEPTH_MM, CORE_REACH_MM = 8.0, 25.0
# Chances of a primary tumour, of nodes, of other tissues, of a contrast CT that is a little off, of a shorter image.
PRIMARY, NODES, REPAINTED, MOVED, SHORTER = 0.85, 0.9, 0.4, 0.3, 0.2
# What a shorter image keeps at least [mm].
LEAST_MM = 120.0

# The pair and label map, and what is not to be counted.
Case = tuple[Scans, NDArray[np.bool_]]


def as_it_is(patient: RealPatient) -> Case:
    """The CT twice. Nothing in PTV70 counts but its core at the nasopharynx, which is GTVp."""
    return Scans(patient.hu, patient.hu, _known(patient)), patient.high_dose


def as_pair(patient: RealPatient, rng: np.random.Generator) -> Case | None:
    """The same with the other CT of the pair made up. None where places are not known."""
    if patient.brainstem_zyx is None:
        return None
    ct, ce = made_pair(patient, kinds(patient), False, rng)
    return Scans(ct, ce, _known(patient)), patient.high_dose


def _known(patient: RealPatient) -> NDArray[np.uint8]:
    label = np.zeros(patient.hu.shape, np.uint8)
    if patient.nasopharynx_level and patient.brainstem_zyx is not None:
        label[core(patient)] = LABELS["GTVp"]
    return label


def core(patient: RealPatient) -> NDArray[np.bool_]:
    """Soft tissue deep in PTV70 and near the nasopharynx's centre."""
    depth = ndimage.distance_transform_edt(patient.high_dose, patient.spacing_zyx)
    x, y, z = (axis - mm for axis, mm in zip(head_frame(patient), NASOPHARYNX_MM, strict=True))
    tissue = (patient.hu > AIR_HU / 4) & (patient.hu < BONE_HU)
    found: NDArray[np.bool_] = (
        (depth > CORE_DEPTH_MM) & (x * x + y * y + z * z < CORE_REACH_MM**2) & ndimage.binary_opening(tissue)
    )
    return found


def with_tumours(patient: RealPatient, rng: np.random.Generator) -> Case | None:
    """None where the places are not known.

    Where PTV70 takes in the nasopharynx no primary is set in: there is one already, whose border nobody knows.
    """
    if patient.brainstem_zyx is None:
        return None
    kind = kinds(patient)
    wanted = not patient.nasopharynx_level and rng.random() < PRIMARY
    primary = primary_field(patient, kind, rng) if wanted else None
    nodes = node_fields(patient, kind, primary, rng) if rng.random() < NODES else []
    ct, ce = made_pair(patient, kind, bool(rng.random() < REPAINTED), rng)
    edge_mm = float(patient.spacing_zyx[2] * rng.uniform(0.8, 1.8))
    scans = paint(ct, ce, primary, nodes, edge_mm, rng)
    if rng.random() < MOVED and not np.array_equal(scans.ct, scans.ce):
        scans = Scans(scans.ct, moved(scans.ce, patient.spacing_zyx, rng), scans.label)
    ignored = patient.high_dose & (scans.label == 0)
    if rng.random() < SHORTER:
        _shorten(scans, ignored, patient, rng)
    return scans, ignored


def _shorten(
    scans: Scans, ignored: NDArray[np.bool_], patient: RealPatient, rng: np.random.Generator
) -> None:
    """Slices at one end show nothing, as if the scan had ended there; unless neither tumour nor PTV70 were left."""
    slices, least = len(ignored), int(LEAST_MM / patient.spacing_zyx[0])
    if slices <= least:
        return
    lost = int(rng.integers(0, slices - least + 1))
    gone, kept = slice(0, lost), slice(lost, None)
    if rng.random() >= 0.5:
        gone, kept = slice(slices - lost, None), slice(0, slices - lost)
    if not ((scans.label[kept] > 0) | ignored[kept]).any():
        return  # training refuses a case that says nothing of a tumour
    scans.ct[gone] = scans.ce[gone] = -1000
    scans.label[gone] = 0
    ignored[gone] = False
