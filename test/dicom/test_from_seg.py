"""SEG to a label map, as a command."""

import numpy as np

from dicom.__main__ import main
from model.images.grid import difference
from model.images.read import read_label_map


def test_there_and_back_every_voxel_and_the_grid(a_series, tmp_path, capsys):
    seg, back = tmp_path / "seg.dcm", tmp_path / "back.nii.gz"
    assert main(["to-seg", str(a_series.mask), str(a_series.folder), str(seg)]) == 0
    assert main(["from-seg", str(seg), str(a_series.folder), str(back)]) == 0
    assert "GTVp is GTVp\nGTVnd is GTVnd\n" in capsys.readouterr().out
    labels, grid = read_label_map(back, 2)
    np.testing.assert_array_equal(labels, a_series.labels)
    assert not difference(grid, a_series.grid)
    assert main(["from-seg", str(seg), str(a_series.folder), str(tmp_path / "back.txt")]) == 2
    assert "no name of an image" in capsys.readouterr().err
