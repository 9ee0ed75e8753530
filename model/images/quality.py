"""What is odd about a pair of CTs that can be used: each finding is a sentence, for the log and the manifest.

Arrays are (z, y, x) in canonical orientation, int16 HU. Everything is measured on a coarse copy, so that it costs a
part of a second whatever the scan's size. The limits were chosen on phantoms and public CTs: python -m bench.quality.
"""

import numpy as np
from scipy import fft, ndimage

# The coarse copy's voxels, and the fewest it needs along each axis for its figures to mean anything.
COARSE_MM, FEWEST = 3.0, 12
BODY_HU, AIR_HU, BONE_HU = -400, -800, 300
SAME_IMAGE = "both CTs are the same image: what contrast would show is missing"
# Of all voxels: so many have the HU 0 only where registration put it, as it does where it has no data.
LEAST_PADDING = 0.02
# Of the body: how much of it may have no tissue in the contrast CT.
LEAST_COVERED, LEAST_COMPARED = 0.8, 0.4
# Of the body: how much of it is soft tissue; of what is air: how much has the HU of air.
LEAST_SOFT, LEAST_AIR = 0.5, 0.05
SOFT_HU = 150
# Head: narrow slices with so much bone. Neck: slices below with so little, or shoulders.
HEAD_WIDTH_MM, HEAD_BONE, NECK_BONE = 280.0, 0.13, 0.10
# A head is never narrower.
LEAST_HEAD_MM = 90.0
METAL_HU, METAL_CM3 = 2900, 15.0
# Means of about 10 mm: what is brighter with contrast by so much; share of all soft tissue.
ENHANCED_HU, ENHANCED_SHARE = 40.0, 0.003
# Further than breathing and swallowing move the neck.
SHIFT_MM, LARGEST_SHIFT_MM = 5.0, 60.0
# Correlation of the two; good phantoms have 0.93 and more, mirrored ones 0.81 and less.
LEAST_ALIKE = 0.86
# How many times the difference of two slices may be that of the slices around.
JUMP = 3.0
# How alike neighbouring slices are, against slices four apart: out of order they are no more alike (0.4 is usual), and
# differ by more HU in the mean than noise does.
APART, IN_ORDER, DIFFERENT_HU = 4, 0.85, 40.0


def findings(ct: np.ndarray, ce: np.ndarray, spacing_zyx: tuple[float, float, float]) -> list[str]:
    """All that is odd about a pair on one grid. Empty for ordinary ones, and for images too small to say anything."""
    steps = [max(1, round(COARSE_MM / spacing)) for spacing in spacing_zyx]
    coarse = [array[tuple(slice(s // 2, None, s) for s in steps)] for array in (ct, ce)]
    if min(coarse[0].shape) < FEWEST:
        return []
    coarse_ct, coarse_ce = map(_inside, coarse)
    if coarse_ct.min() == coarse_ct.max() or coarse_ce.min() == coarse_ce.max():
        return []
    spacing = np.multiply(spacing_zyx, steps)
    if found := [*_scale("non-contrast CT", coarse_ct), *_scale("contrast CT", coarse_ce)]:
        return found  # the rest takes values for HU
    found += [*_metal(coarse_ct, spacing), *_field_of_view(coarse_ct, spacing)]
    found += _jumps(ct[:, steps[1] // 2 :: steps[1], steps[2] // 2 :: steps[2]])
    if np.array_equal(coarse_ct, coarse_ce) and np.array_equal(ct, ce):
        return [*found, SAME_IMAGE]
    if (covered := covered_share(coarse_ct, coarse_ce)) < LEAST_COVERED:
        found.append(f"the contrast CT shows only {covered:.0%} of the body")
    else:
        found += _enhancement(coarse_ct, coarse_ce, spacing)
    if covered >= LEAST_COMPARED:  # what is shifted looks unlike as well
        found += _shift(coarse_ct, coarse_ce, spacing) or _likeness(coarse_ct, coarse_ce)
    return found


def covered_share(ct: np.ndarray, ce: np.ndarray) -> float:
    """The part of the body in the non-contrast CT where the contrast CT has tissue as well; 1 without a body."""
    body = ct > BODY_HU
    return float(np.mean(ce[body] > BODY_HU)) if body.any() else 1.0


def _inside(array: np.ndarray) -> np.ndarray:
    """A copy with air where there are no data.

    Columns of one value in all slices lie outside a scanner's circle. Whole regions of 0 are what registration leaves.
    """
    result = array.copy()
    result[:, (array == array[0]).all(0)] = -1000
    zero = array == 0
    if np.mean(zero) >= LEAST_PADDING:
        result[
            ndimage.binary_opening(np.pad(zero, 1, "edge"), np.ones((3, 3, 3), bool))[1:-1, 1:-1, 1:-1]
        ] = -1000
    return result


def _scale(name: str, array: np.ndarray) -> list[str]:
    """Whether values look like HU: air, and a body mostly of soft tissue."""
    low = array[array < (BODY_HU + AIR_HU) // 2]
    inner = low[low != array[0, 0, 0]]
    body = array[array > BODY_HU]
    soft = np.mean(np.abs(body) < SOFT_HU) if body.size else 0.0
    hu_of_air = (inner > -1100) & (inner < -850)
    air = float(np.mean(hu_of_air)) if inner.size > array.size // 1000 else float(low.size > 0)
    if soft < LEAST_SOFT or air < LEAST_AIR:
        return [
            f"the {name}'s values look unlike HU: {soft:.0%} of the body is soft tissue, {air:.0%} of the air is air"
        ]
    return []


def _metal(ct: np.ndarray, spacing_zyx: np.ndarray) -> list[str]:
    volume = float(np.count_nonzero(ct > METAL_HU) * spacing_zyx.prod() / 1000)
    return [f"much metal: {volume:.0f} cm³ above {METAL_HU} HU"] if volume > METAL_CM3 else []


def _field_of_view(ct: np.ndarray, spacing_zyx: np.ndarray) -> list[str]:
    """Whether there is a head: narrow slices with much bone; and below it a neck: with little, or shoulders."""
    body = ndimage.binary_opening(ct > BODY_HU, np.ones((1, 3, 3), bool))
    area = body.sum((1, 2))
    columns = body.any(1)
    first, last = columns.argmax(1), columns.shape[1] - columns[:, ::-1].argmax(1)
    width_mm = np.where(area > 0, last - first, 0) * spacing_zyx[2]
    bone = ((ct > BONE_HU) & body).sum((1, 2)) / np.maximum(area, 1)
    large = area * spacing_zyx[1] * spacing_zyx[2] > 4000  # mm²; smaller is the tip of something
    head = large & (width_mm < HEAD_WIDTH_MM) & (bone > HEAD_BONE)
    if not head.any():
        return ["the field of view seems to be without the head"]
    if (width := float(np.median(width_mm[head]))) < LEAST_HEAD_MM:
        return [f"the head is only {width:.0f} mm wide: is the voxel spacing right?"]
    shoulders = large & (width_mm > HEAD_WIDTH_MM)
    if shoulders.any() and np.median(np.flatnonzero(shoulders)) > np.median(np.flatnonzero(head)):
        return ["the scan seems to be upside down: the shoulders lie above the head"]
    below = slice(0, int(np.flatnonzero(head).max()))
    neck = large & ((bone < NECK_BONE) | (width_mm > HEAD_WIDTH_MM))
    return [] if neck[below].any() else ["the field of view seems to be without the neck"]


def _jumps(planes: np.ndarray) -> list[str]:
    """Where two neighbouring slices differ far more than those around: as if slices were missing, or repeated."""
    smooth = ndimage.uniform_filter(planes.clip(-200, 300).astype(np.float32), (0, 3, 3))
    steps, far = (_differences(planes, smooth, apart) for apart in (1, APART))
    if np.median(steps) > max(DIFFERENT_HU, IN_ORDER * float(np.median(far))):
        return ["the slices seem to be out of order: neighbours are no more alike than slices further apart"]
    found = []
    for z, step in enumerate(steps):
        around = np.median([*steps[max(0, z - 4) : z], *steps[z + 1 : z + 5]])
        if step > JUMP * around > 0 and 1 < z < len(steps) - 2:  # at the ends there is too little around
            found.append(f"slices seem to be missing between {z} and {z + 1} of {len(planes)}")
        elif step == 0 and around > 0 and planes[z].min() < planes[z].max():
            found.append(f"slices {z} and {z + 1} of {len(planes)} are the same")
    return found[:3]


def _differences(planes: np.ndarray, smooth: np.ndarray, apart: int) -> np.ndarray:
    """Mean absolute difference in the body of slices so far apart."""
    body = (planes[apart:] > BODY_HU) | (planes[:-apart] > BODY_HU)
    differences = np.abs(smooth[apart:] - smooth[:-apart]) * body
    return np.asarray(differences.sum((1, 2)) / np.maximum(body.sum((1, 2)), 1))


def _likeness(ct: np.ndarray, ce: np.ndarray) -> list[str]:
    """Whether both show the same anatomy: by the correlation of their tissue, smoothed against noise."""
    plain, contrast = (
        ndimage.gaussian_filter(array.clip(-300, 300).astype(np.float32), 1) for array in (ct, ce)
    )
    tissue = (plain > -250) & (contrast > -250)
    if np.count_nonzero(tissue) < tissue.size // 1000:
        return []
    alike = float(np.corrcoef(plain[tissue], contrast[tissue])[0, 1])
    if alike >= LEAST_ALIKE:
        return []
    return [
        f"the two CTs hardly look alike (correlation {alike:.2f}): is one mirrored, or of another patient?"
    ]


def _enhancement(ct: np.ndarray, ce: np.ndarray, spacing_zyx: np.ndarray) -> list[str]:
    """Whether vessels are brighter with contrast: by the volumes that are brighter, and darker, in means of 10 mm."""
    size = [max(1, round(mm / spacing)) for mm, spacing in zip((9.0, 6.0, 6.0), spacing_zyx, strict=True)]
    plain, contrast = (ndimage.uniform_filter(array.astype(np.float32), size) for array in (ct, ce))
    soft = (plain > -50) & (contrast > -50) & (plain < 250) & (contrast < 250)
    gain = (contrast - plain)[soft]
    if gain.size and (everywhere := float(np.median(gain))) > ENHANCED_HU:
        return [
            f"the contrast CT's soft tissue is {everywhere:.0f} HU brighter everywhere: is its scale right?"
        ]
    share = np.mean(gain > ENHANCED_HU) - np.mean(gain < -ENHANCED_HU) if gain.size else 0.0
    if share < -ENHANCED_SHARE:
        return ["the two CTs seem to be swapped: the non-contrast CT has the brighter vessels"]
    return ["the contrast CT shows hardly any contrast"] if share < ENHANCED_SHARE else []


def _shift(ct: np.ndarray, ce: np.ndarray, spacing_zyx: np.ndarray) -> list[str]:
    """How far the contrast CT lies off, by the peak of the phase correlation (Kuglin and Hines 1975)."""
    reach = [int(LARGEST_SHIFT_MM / spacing) for spacing in spacing_zyx]
    shape = [fft.next_fast_len(n + r, real=True) for n, r in zip(ct.shape, reach, strict=True)]
    spectra = []
    for array in (ct, ce):
        windowed = array.clip(-200, 300).astype(np.float32)
        windowed -= windowed.mean()
        for axis, n in enumerate(array.shape):  # edges of the field of view would correlate with each other
            windowed *= (
                np.hanning(n + 2)[1:-1].astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
            )
        spectra.append(fft.rfftn(windowed, shape))
    # Each is as large as both CTs: in place, and given back when it is used.
    product = np.conj(spectra[0], out=spectra.pop(0))
    product *= spectra.pop()
    size = np.abs(product)
    size += 1e-3 * size.max()
    product /= size
    del size
    correlation = fft.irfftn(product, shape, overwrite_x=True)
    near = [np.r_[0 : r + 1, -r:0] for r in reach]
    peak = np.unravel_index(int(correlation[np.ix_(*near)].argmax()), [len(n) for n in near])
    shift_mm = [float(n[p] * s) for n, p, s in zip(near, peak, spacing_zyx, strict=True)]
    if max(map(abs, shift_mm)) <= SHIFT_MM:
        return []
    z, y, x = (f"{mm:+.0f}" for mm in shift_mm)
    return [f"the contrast CT seems to lie {x}, {y}, {z} mm (left, back, head) off the non-contrast CT"]
