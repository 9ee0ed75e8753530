"""Read, crop, resample, restore, write, read: labels are where they were, up to a voxel at their edges.

In place of the network: the labels themselves, once sampled on its grid by their definition, and once as HU that each
pipeline brings there.
"""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from model.images.grid import difference, to_canonical
from model.images.itk import to_image
from model.images.pair import read_pair
from model.images.read import read_grid
from model.images.write import write_label_map
from model.network.bundle import Bundle, Normalisation
from model.network.plan import NetworkPlan
from model.preprocessing.pipelines import PIPELINES
from model.preprocessing.restore import restore_labels

PLAN = NetworkPlan(2, 3, (4, 8), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))
AS_HU = Normalisation(-1024, 3071, 0, 1)
AIR, TISSUE, TUMOUR = -1000, 0, 1000


def drawn(size_xyz, seed: int) -> np.ndarray:
    """GTVp and GTVnd, two ellipsoids in the middle, uint8 (z, y, x)."""
    random = np.random.default_rng(seed)
    shape = np.array(size_xyz[::-1])
    labels = np.zeros(shape, np.uint8)
    axes = np.moveaxis(np.indices(labels.shape), 0, -1)
    for label in (2, 1):
        centre, radius = shape * random.uniform(0.35, 0.6, 3), shape * random.uniform(0.08, 0.2, 3)
        labels[(((axes - centre) / radius) ** 2).sum(-1) < 1] = label
    return labels


def scans(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A body in air; tumour is bright in the one CT, nodes in the other."""
    body = np.full(labels.shape, AIR, np.int16)
    body[tuple(slice(n // 8, n - n // 8) for n in labels.shape)] = TISSUE
    return tuple(np.where(labels == label, TUMOUR, body).astype(np.int16) for label in (1, 2))


def by_definition(labels: np.ndarray, region) -> torch.Tensor:
    """One-hot, of the input's voxel in which each centre of the network's grid lies."""
    inside = labels[region.box]
    nearest = [
        np.floor((np.arange(m) + 0.5) * n / m).astype(int)
        for n, m in zip(inside.shape, region.network_shape, strict=True)
    ]
    return (
        torch.nn.functional.one_hot(torch.from_numpy(inside[np.ix_(*nearest)]).long(), 3)
        .movedim(-1, 0)
        .float()
    )


def beyond_edges(labels: np.ndarray, restored: np.ndarray, reach: list[int]) -> int:
    """How many voxels differ that have but their own label within reach (voxels, z, y, x)."""
    size = [2 * r + 1 for r in reach]
    uniform = ndimage.maximum_filter(labels, size) == ndimage.minimum_filter(labels, size)
    return int(((labels != restored) & uniform).sum())


def network_voxels(region) -> list[float]:
    """The network's voxels in the input's (z, y, x)."""
    return [(box.stop - box.start) / m for box, m in zip(region.box, region.network_shape, strict=True)]


def bundle_of(pipeline: str, spacing_zyx) -> Bundle:
    return Bundle(PLAN, (4, 16, 16), spacing_zyx, (AS_HU, AS_HU), (), {}, (), pipeline)


spacings = st.tuples(*[st.floats(0.8, 6.0)] * 3)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_labels_come_back_in_the_file_where_they_were(grids, suffix, folder, pipeline):
    @given(grids(12, 28, 0.8, 6.0), spacings, st.integers(0, 99))
    def holds(grid, spacing_zyx, seed):
        labels = drawn(grid.size_xyz, seed)
        (folder / suffix).mkdir(exist_ok=True)
        paths = [folder / suffix / f"{name}{suffix}" for name in ("ct", "ce", "result")]
        for path, array in zip(paths, scans(labels), strict=False):
            sitk.WriteImage(to_image(array, grid), str(path))
        pair = read_pair(*paths[:2], lambda line: None)
        region, _ = PIPELINES[pipeline].find_region(pair, bundle_of(pipeline, spacing_zyx))
        restored = restore_labels(by_definition(to_canonical(labels, grid), region), region)
        write_label_map(paths[2], restored, pair.grid)
        assert difference(read_grid(paths[2]), grid) == ""
        result = sitk.GetArrayFromImage(sitk.ReadImage(str(paths[2])))
        # Between a voxel and its neighbours on the network's grid lies at most one voxel of that.
        reach = [max(1, int(voxel + 0.5)) for voxel in network_voxels(region)]
        assert beyond_edges(to_canonical(labels, grid), to_canonical(result, grid), reach) == 0

    holds()


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_is_seen_in_the_cts_is_marked_there(grids, folder, pipeline):
    """Nothing is shifted or mixed up on the way there either, in part or in whole."""

    @given(grids(12, 28, 0.8, 6.0), spacings, st.integers(0, 99))
    def holds(grid, spacing_zyx, seed):
        labels = drawn(grid.size_xyz, seed)
        paths = [folder / "ct.mha", folder / "ce.mha"]
        for path, array in zip(paths, scans(labels), strict=True):
            sitk.WriteImage(to_image(array, grid), str(path))
        pair, bundle = read_pair(*paths, lambda line: None), bundle_of(pipeline, spacing_zyx)
        region, part = PIPELINES[pipeline].find_region(pair, bundle)
        seen = PIPELINES[pipeline].sample(pair, bundle, region, part)
        background = torch.full_like(seen[:1], (TISSUE + TUMOUR) / 2)
        restored = restore_labels(torch.cat((background, seen)), region, part)
        # There the mean over a voxel of the network's grid is taken, and back again.
        reach = [max(1, int(np.ceil(1.5 * voxel))) for voxel in network_voxels(region)]
        canonical = to_canonical(labels, grid)
        assert beyond_edges(canonical, restored, reach) == 0
        if max(network_voxels(region)) < 1:
            assert np.count_nonzero(restored) == pytest.approx(np.count_nonzero(canonical), rel=0.35, abs=12)

    holds()
