"""Which patches count as flat."""

import pytest

from training.data.augment import Augmentation


@pytest.mark.parametrize(
    ("patch", "flat"),
    [((32, 128, 128), True), ((48, 144, 96), False), ((64, 96, 96), False), ((16, 16, 60), True)],
)
def test_a_patch_is_flat_where_a_side_is_more_than_three_times_that_along_z(patch, flat):
    assert Augmentation().is_flat(patch) == flat
    assert not Augmentation(anisotropic_from=4096).is_flat(patch)
