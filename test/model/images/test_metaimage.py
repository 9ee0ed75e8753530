"""MetaImage headers: as ITK reads them where they are good, refused where they are not."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images.grid import difference
from model.images.read import checked_grid, open_header, read_scan

TURN = " ".join(str(v) for v in sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix())
LINES = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "TransformMatrix": TURN,
    "Offset": "1 -2 3.5",
    "CenterOfRotation": "0 0 0",
    "ElementSpacing": "0.5 0.75 3",
    "DimSize": "6 5 4",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}


def write(folder, changes: dict[str, str | None], separator: str = " = "):
    """A file whose header has these changes; None leaves a line out."""
    path = folder / "a.mha"
    lines = {**{k: v for k, v in LINES.items() if k != "ElementDataFile"}, **changes}
    lines |= {"ElementDataFile": lines.pop("ElementDataFile", "LOCAL")}
    text = "".join(f"{k}{separator}{v}\n" for k, v in lines.items() if v is not None)
    path.write_bytes(text.encode("latin-1") + np.arange(120, dtype="<i2").tobytes())
    return path


def same_as_itk(path) -> bool:
    image, scan = sitk.ReadImage(str(path)), read_scan(path)
    grid = scan.grid
    return bool(
        np.array_equal(scan.array, sitk.GetArrayFromImage(image))
        and grid.size_xyz == image.GetSize()
        and np.allclose(grid.spacing_xyz, image.GetSpacing())
        and np.allclose(grid.origin_xyz, image.GetOrigin())
        and np.allclose(grid.direction, image.GetDirection(), atol=1e-6)
    )


@pytest.mark.parametrize("direction", ["TransformMatrix", "Rotation", "Orientation", None])
@pytest.mark.parametrize("origin", ["Offset", "Position", "Origin", None])
@pytest.mark.parametrize("spacing", ["ElementSpacing", "ElementSize", None])
def test_every_name_that_a_field_has_is_known(tmp_path, direction, origin, spacing):
    changes: dict[str, str | None] = {"TransformMatrix": None, "Offset": None, "ElementSpacing": None}
    for name, value in ((direction, TURN), (origin, "1 -2 3.5"), (spacing, "0.5 0.75 3")):
        changes |= {name: value} if name else {}
    assert same_as_itk(write(tmp_path, changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"ElementSize": "9 9 9"},
        {"Comment": "anything at all: = = ="},
        {"Modality": "MET_MOD_CT", "AnatomicalOrientation": "RAI", "Name": "", "ID": "5"},
        {"DistanceUnits": "mm"},
        {"ElementNumberOfChannels": "1"},
        {"ElementMin": "-5", "ElementMax": "1e3"},
        {"BinaryData": "T", "CompressedData": "False"},
        {"Offset": "  -1e2   +2.   .5 "},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_means_nothing_changes_nothing(tmp_path, changes):
    assert same_as_itk(write(tmp_path, changes))


def test_colons_and_windows_line_ends_are_read(tmp_path):
    assert same_as_itk(write(tmp_path, {}, separator=": "))
    path = write(tmp_path, {})
    head, mark, tail = path.read_bytes().partition(b"LOCAL\n")
    path.write_bytes(head.replace(b"\n", b"\r\n") + mark + tail)
    np.testing.assert_array_equal(read_scan(path).array.ravel(), np.arange(120))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(
            ["NDims"], ["-3", "99", "0", "1", "5", "3.5", "", "nan", "1e9", "2147483648", "x"]
        ),
        *itertools.product(
            ["DimSize"], ["-6 5 4", "6 5", "6 5 4 1", "0 5 4", "6 5 4e9", "1e30 1 1", "6,5,4", ""]
        ),
        *itertools.product(["ElementSpacing"], ["0 1 1", "-1 1 1", "nan 1 1", "1 1 inf", "1 1"]),
        *itertools.product(["ElementSpacing"], ["1e5 1 1", "1e30 1 1", "0.0005 0.0005 0.003", "1 1 1001"]),
        *itertools.product(["Offset"], ["nan 0 0", "0 0", "inf 0 0", "a b c"]),
        *itertools.product(
            ["TransformMatrix"],
            [
                "0 0 0 0 0 0 0 0 0",
                "1 0 0 0 1 0 1 0 0",
                "nan 0 0 0 1 0 0 0 1",
                "1 0 0 0 1 0",
                "2 0 0 0 1 0 0 0 1",
            ],
        ),
        ("TransformMatrix", "1 0 0 0 1 0 0 -0.3347 0.9423"),  # a gantry's tilt
        *itertools.product(["ElementType"], ["MET_LONG", "MET_STRING", "short", "", "MET_SHORT_ARRAY"]),
        ("ElementNumberOfChannels", "2"),
        ("ObjectType", "Tube"),
        ("BinaryData", "False"),
        ("DistanceUnits", "cm"),
        ("ElementToIntensityFunctionSlope", "2"),
        ("HeaderSize", "1e30"),
        ("HeaderSize", "-2x"),
        ("Rotation", "1 0 0 0 1 0 0 0 1"),  # another one than the TransformMatrix
        ("Origin", "0 0 0"),
        ("ElementDataFile", ""),
        ("x" * 5000, "1"),
        ("no separator\n", "1"),
    ],
)
def test_a_header_with_nonsense_is_refused_in_a_line(tmp_path, key, value, capfd):
    path = write(tmp_path, {key: value})
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("key", ["NDims", "DimSize", "ElementType"])
def test_a_header_without_what_it_needs_is_refused(tmp_path, key):
    with pytest.raises(InputError, match=f"has no {key}"):
        read_scan(write(tmp_path, {key: None}))


def test_two_values_for_one_field_are_refused(tmp_path):
    path = write(tmp_path, {})
    path.write_bytes(path.read_bytes().replace(b"DimSize", b"DimSize = 5 6 4\nDimSize"))
    with pytest.raises(InputError, match="two values for DimSize"):
        read_scan(path)
    path.write_bytes(path.read_bytes().replace(b"DimSize = 5 6 4", b"DimSize = 6 5 4"))
    assert read_scan(path).grid.size_xyz == (6, 5, 4)


def test_a_hundred_random_grids_come_back(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(100):
        image = sitk.GetImageFromArray(rng.integers(-1000, 1000, rng.integers(2, 6, 3)).astype(np.int16))
        image.SetSpacing(rng.uniform(0.3, 5, 3).tolist())
        image.SetOrigin(rng.uniform(-500, 500, 3).tolist())
        turn = sitk.VersorTransform(rng.normal(size=3).tolist(), rng.uniform(0, 6)).GetMatrix()
        image.SetDirection(turn)
        sitk.WriteImage(image, str(tmp_path / "a.mha"), useCompression=bool(rng.integers(2)))
        assert same_as_itk(tmp_path / "a.mha")
        header = open_header(tmp_path / "a.mha")
        assert not difference(checked_grid(header, tmp_path), read_scan(tmp_path / "a.mha").grid)
