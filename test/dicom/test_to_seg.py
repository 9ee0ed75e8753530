"""Masks to a DICOM segmentation, as a command."""

import numpy as np
import pydicom

from dicom.__main__ import main


def test_a_label_map_becomes_segments_and_is_told(a_series, tmp_path, capsys):
    out = tmp_path / "seg.dcm"
    assert main(["to-seg", str(a_series.mask), str(a_series.folder), str(out)]) == 0
    told, err = capsys.readouterr()
    assert f"{out}: GTVp on 11 slices" in told and "GTVnd on 14 slices" in told and not err
    dataset = pydicom.dcmread(out)
    assert [one.SegmentLabel for one in dataset.SegmentSequence] == ["GTVp", "GTVnd"]
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8))
    assert bits.sum() == np.count_nonzero(a_series.labels)
