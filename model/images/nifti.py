"""NIfTI-1 in one file (.nii, .nii.gz): 348 bytes of header, extensions, then the voxels."""

import gzip
import math
from pathlib import Path

import numpy as np

from model.images.header import Header, longer_axes
from model.images.stored import MOST_BEHIND, Damage, Stored

HEADER_BYTES = 348
# What a header begins with: its length, in the file's byte order.
BYTE_ORDERS = {HEADER_BYTES.to_bytes(4, "little"): "<", HEADER_BYTES.to_bytes(4, "big"): ">"}
TYPES = {
    **{2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8"},
    **{256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"},
}
# Where the fields lie, from the format's definition, as far as they are read here.
FIELDS = [
    ("dim", "i2", 8, 40),
    ("datatype", "i2", 1, 70),
    ("pixdim", "f4", 8, 76),
    ("vox_offset", "f4", 1, 108),
    ("scl", "f4", 2, 112),
    ("units", "u1", 1, 123),
    ("codes", "i2", 2, 252),
    ("quatern", "f4", 3, 256),
    ("qoffset", "f4", 3, 268),
    ("srow", "f4", 12, 280),
]
# Of xyzt_units, the lowest three bits.
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
SCANNER = 1
NIFTI_2_BYTES = 540
# Two ways of saying where voxels lie agree up to here; columns of a matrix, and axes at right angles.
AGREE_MM, AGREE_SPACING, RIGHT_ANGLES = 0.1, 1e-3, 1e-4
# Up to here ITK takes two forms for the same one, in cosines and mm.
ALIKE = 1e-4
# NIfTI's x grows to the right and y to the front; SimpleITK's to the left and the back.
TO_LPS = np.diag([-1.0, -1.0, 1.0])


def read_header(path: Path) -> Header:
    """Raises Damage for whatever is no image that this reader understands wholly, OSError and EOFError for the rest."""
    packed = path.name.lower().endswith(".gz")
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(HEADER_BYTES)
    if NIFTI_2_BYTES in (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")):
        raise Damage("a NIfTI-2 file, which is not read: save it as NIfTI-1 (.nii.gz) or as .mha")
    if len(start) < HEADER_BYTES or start[:4] not in BYTE_ORDERS:
        raise Damage("no whole NIfTI-1 header")
    if start[344:348] != b"n+1\0":
        raise Damage("a NIfTI header without voxels, which are in another file, or none of NIfTI-1")
    order = BYTE_ORDERS[start[:4]]
    field = {name: np.frombuffer(start, order + kind, n, at).tolist() for name, kind, n, at in FIELDS}
    finite = np.isfinite([*field["pixdim"][:4], *field["quatern"], *field["qoffset"], *field["srow"]]).all()
    if not finite or np.isinf(field["scl"]).any():  # NaN there is how some programs say "no slope"
        raise Damage("a NIfTI header with numbers that are not finite")
    size = _size(field["dim"])
    unit = MM_PER_UNIT.get(field["units"][0] & 7)
    if unit is None:
        raise Damage("a unit of length that NIfTI does not have")
    spacing = tuple(s * unit for s in field["pixdim"][1:4])
    matrix, offset_mm, oddities = _geometry(field, size, unit)
    direction = tuple(map(float, (TO_LPS @ matrix).ravel()))
    origin = tuple(map(float, TO_LPS @ offset_mm))
    voxels = _voxels(path, field, order, packed=packed)
    if field["scl"][0] == 0 and voxels.intercept:
        oddities += (f"slope 0 with intercept {voxels.intercept:g}, which is added, as ITK does",)
    return Header(size, spacing, origin, direction, voxels, oddities)


def _size(dim: list[int]) -> tuple[int, ...]:
    """Raises Damage."""
    dimensions = dim[0]
    if not 3 <= dimensions <= 7:
        raise Damage(f"an image of {dimensions} dimensions")
    return longer_axes(tuple(dim[1 : dimensions + 1]))


def _geometry(
    field: dict[str, list[float]], size_xyz: tuple[int, ...], unit_mm: float
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Direction (columns are axes, unit length) and offset in mm, both RAS as NIfTI has it, and what is odd about them.

    As ITK chooses: the sform where it alone is given, is like the qform, or is the scanner's; else the qform.
    """
    qform_code, sform_code = (max(0, code) for code in field["codes"])
    if not (qform_code or sform_code):
        # ITK takes the axes as they are for left, back and head.
        return TO_LPS, np.zeros(3), ("its header does not say how the patient lies; taken as LPS",)
    rotation, spacing = _quaternion(field), np.array(field["pixdim"][1:4]) * unit_mm
    sform = np.reshape(field["srow"], (3, 4)) * unit_mm
    qform = np.column_stack([rotation * spacing, np.array(field["qoffset"]) * unit_mm])
    lengths = np.linalg.norm(sform[:, :3], axis=0)
    axes = sform[:, :3] / np.where(lengths > 0, lengths, 1)
    straight = bool(np.abs(axes.T @ axes - np.eye(3)).max() < RIGHT_ANGLES)
    if not qform_code and not straight:
        raise Damage("the axes of its sform are not at right angles")
    preferred = not qform_code or sform_code == SCANNER or _alike(sform, qform)
    use_sform = bool(sform_code and straight and preferred)
    if use_sform and not np.allclose(lengths, spacing, rtol=AGREE_SPACING, atol=AGREE_SPACING):
        pixdim, shown = (", ".join(f"{s:.4g}" for s in three) for three in (spacing, lengths))
        raise Damage(f"two voxel spacings: pixdim ({pixdim}) mm, sform ({shown}) mm")
    used, offset = (axes, sform[:, 3]) if use_sform else (rotation, qform[:, 3])
    corners = np.array(np.meshgrid(*((0, n - 1) for n in size_xyz[:3]), [1])).reshape(4, -1)
    apart = float(np.abs((sform - qform) @ corners).max())
    if not (qform_code and sform_code) or apart < AGREE_MM:
        return used, offset, ()
    name = "sform" if use_sform else "qform"
    return used, offset, (f"its qform and sform lie up to {apart:.1f} mm apart; the {name} is used",)


def _alike(sform: np.ndarray, qform: np.ndarray) -> bool:
    """Whether ITK takes two forms, (3, 4) in mm, for the same one, and so the sform, which is finer.

    It compares the left factors of their SVDs, where an axis and its reverse are the same: so a qform that lost its
    handedness is like its sform. QR gives the same factors, and without what rounding does to those of oblique axes.
    """
    with np.errstate(all="ignore"):  # what is not finite is refused by the checks of every grid
        # Signs at 0 as ITK has them: in float32, without -0.
        forms = [form.astype(np.float32) + np.float32(0) for form in (sform, qform)]
        turns = [np.linalg.qr(form[:, :3])[0] for form in forms]
        ends = [np.append(np.linalg.norm(form[:, :3], axis=0), form[:, 3]) for form in forms]
        same_axes = np.abs(turns[0] @ turns[1].T - np.eye(3)).max() < ALIKE
        return bool(same_axes and np.abs(ends[0] - ends[1]).max() < ALIKE)


def _quaternion(field: dict[str, list[float]]) -> np.ndarray:
    """The rotation of the qform, its third axis turned around where pixdim[0] is negative. After the format's text."""
    b, c, d = field["quatern"]
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < 1e-7:
        length = math.sqrt(b * b + c * c + d * d)
        a, b, c, d = 0.0, b / length, c / length, d / length
    else:
        a = math.sqrt(rest)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    return rotation * [1, 1, -1 if field["pixdim"][0] < 0 else 1]


def _voxels(path: Path, field: dict[str, list[float]], order: str, *, packed: bool) -> Stored:
    (datatype,), (begin,) = field["datatype"], field["vox_offset"]
    if datatype not in TYPES:
        raise Damage(f"voxels of type {datatype}, which is not read")
    if not (math.isfinite(begin) and begin == int(begin) and begin <= MOST_BEHIND):
        raise Damage(f"its voxels begin at byte {begin}")
    begin = max(int(begin), HEADER_BYTES)
    slope, intercept = (value if math.isfinite(value) else 0.0 for value in field["scl"])
    dtype = np.dtype(order + TYPES[int(datatype)])
    offset, skip = (0, begin) if packed else (begin, 0)
    return Stored(path, offset, "gzip" if packed else "raw", dtype, skip, slope or 1.0, intercept)
