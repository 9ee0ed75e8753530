"""NRRD headers: as ITK reads them where they are good, refused where they are not."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images.nrrd import TYPES
from model.images.read import open_header, read_scan

AXES = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix(), (3, 3)) * (0.5, 0.75, 3)
DIRECTIONS = " ".join(f"({x:.17g},{y:.17g},{z:.17g})" for x, y, z in AXES.T)
MM = ('"mm" "mm" "mm"', '"" "" ""', '"???" "mm" ""', '"millimeters" "MM" "mm"')
LINES: dict[str, str | None] = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "space dimension": None,  # before the directions, as ITK wants it
    "sizes": "6 5 4",
    "space directions": DIRECTIONS,
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,-2,3.5)",
}


def write(folder, changes: dict[str, str | None], magic: str = "NRRD0004"):
    path = folder / "a.nrrd"
    lines = {**LINES, **changes}
    text = "".join(f"{k}: {v}\n" for k, v in lines.items() if v is not None)
    path.write_bytes(
        f"{magic}\n# a comment: with a colon\n{text}\n".encode() + np.arange(120, dtype="<i2").tobytes()
    )
    return path


def assert_as_itk(path):
    image, scan = sitk.ReadImage(str(path)), read_scan(path)
    np.testing.assert_array_equal(scan.array, sitk.GetArrayFromImage(image))
    assert scan.grid.size_xyz == image.GetSize()
    np.testing.assert_allclose(scan.grid.spacing_xyz, image.GetSpacing())
    np.testing.assert_allclose(scan.grid.origin_xyz, image.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(scan.grid.direction, image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize(
    "space", ["left-posterior-superior", "LPS", "RAS", "right-anterior-superior", "LAS", "las"]
)
@pytest.mark.parametrize("magic", ["NRRD0001", "NRRD0004", "NRRD0005"])
def test_known_spaces_are_turned_to_the_patient(tmp_path, space, magic):
    path = write(tmp_path, {"space": space}, magic)
    assert_as_itk(path)
    assert open_header(path).oddities == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"space": None, "space dimension": "3"},
        {"space": None, "space directions": None, "space origin": None, "spacings": "0.5 0.75 3"},
        {"space": None, "space directions": None, "space origin": None},
    ],
    ids=["dimension", "spacings", "nothing"],
)
def test_a_space_without_a_name_is_taken_as_itk_takes_it_and_told(tmp_path, changes):
    path = write(tmp_path, changes)
    assert_as_itk(path)
    (oddity,) = open_header(path).oddities
    assert "how the patient lies" in oddity


@pytest.mark.parametrize(
    "changes",
    [
        *({"space units": units} for units in MM),
        {"units": '"" "" ""'},
        {"content": "anything"},
        {"measurement frame": "(1,0,0) (0,1,0) (0,0,1)"},
        {"kinds": None},
        {"kinds": "space space space"},
        {"centerings": "cell cell cell"},
        {"thicknesses": "nan nan 3"},
        {"labels": '"x" "y" "z"'},
        {"space origin": None},
        {"space directions": DIRECTIONS.replace(",", ", ")},
        {"key:=value": "more"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_means_nothing_changes_nothing(tmp_path, changes):
    assert_as_itk(write(tmp_path, changes))


@pytest.mark.parametrize("units", [*MM, '"cm" "cm" "cm"'])
def test_units_count_beside_spacings_as_well(tmp_path, units):
    changes = {"space": None, "space directions": None, "space origin": None, "spacings": "0.5 0.75 3"}
    path = write(tmp_path, {**changes, "units": units})
    if "cm" in units:
        with pytest.raises(InputError, match="its units are .*, not mm; "):
            read_scan(path)
    else:
        assert_as_itk(path)


def test_only_the_units_of_space_count(tmp_path):
    """As Slicer writes them."""
    changes = {"dimension": "4", "sizes": "6 5 4 1", "kinds": "domain domain domain list"}
    path = write(tmp_path, {**changes, "space directions": f"{DIRECTIONS} none", "units": '"" "" "" "s"'})
    assert read_scan(path).grid.size_xyz == (6, 5, 4)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_name_of_a_type_is_known(tmp_path, name):
    array = np.arange(120).astype(TYPES[name])
    path = write(tmp_path, {"type": name})
    path.write_bytes(path.read_bytes().partition(b"\n\n")[0] + b"\n\n" + array.tobytes())
    assert_as_itk(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(["dimension"], ["-3", "99", "0", "17", "3.5", "", "nan", "1e9", None]),
        *itertools.product(["sizes"], ["-6 5 4", "6 5", "6 5 4 1", "0 5 4", "6 5 4e9", "1e30 1 1", "", None]),
        *itertools.product(["type"], ["block", "blck", "complex", "half", "", None]),
        *itertools.product(["encoding"], ["ascii", "hex", "bzip2", "zrl", "x", "", None]),
        *itertools.product(["endian"], ["middle", "", None]),
        *itertools.product(["space"], ["scanner-xyz", "3D-right-handed", "LPST", "RSP", "x"]),
        *itertools.product(
            ["space directions"],
            [
                *(
                    "(0,0,0) (0,1,0) (0,0,1)",
                    "(1,0,0) (0,1,0) (1,0,0)",
                    "(nan,0,0) (0,1,0) (0,0,1)",
                    "none none none",
                ),
                *("(1,0,0) (0,1,0)", "(1,0) (0,1) (0,0)", "1 0 0 0 1 0 0 0 1", "(1e30,0,0) (0,1,0) (0,0,1)"),
                *("(1,0,0) (0,1,0) (0,-0.89,2.37)", "(.0005,0,0) (0,.0005,0) (0,0,.003)", "(1,0,0", None, ""),
            ],
        ),
        *itertools.product(["space origin"], ["(nan,0,0)", "(1,2)", "1 2 3", "(1,2,3) (4,5,6)", "(a,b,c)"]),
        *itertools.product(["kinds"], ["vector domain domain", "domain domain", "RGB-color domain domain"]),
        *itertools.product(
            ["space units", "units"],
            ['"cm" "cm" "cm"', '"mm" "mm" "microns"', '"" "" "m"', "cm cm cm", '"mm mm mm"'],
        ),
        ("spacings", "1 1 1"),
        ("axis mins", "0 0 0"),
        *itertools.product(["line skip"], ["-1", "1e9", "x"]),
        *itertools.product(["byte skip"], ["1e30", "x", "-500", "-1e30"]),
        *itertools.product(
            ["data file"], ["LIST", "%d.raw 1 4 1", "%s%s%n 1 25 1", "/dev/zero", "a.nrrd", ".", ""]
        ),
        ("x" * 5000, "1"),
    ],
)
def test_a_header_with_nonsense_is_refused_in_a_line(tmp_path, key, value, capfd):
    path = write(tmp_path, {key: value})
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("magic", ["NRRD0000", "NRRD0006", "NRRD", "nrrd0004", ""])
def test_only_nrrds_are_read(tmp_path, magic):
    with pytest.raises(InputError, match="no NRRD header"):
        read_scan(write(tmp_path, {}, magic))


def test_a_hundred_random_grids_come_back(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(100):
        image = sitk.GetImageFromArray(rng.integers(-1000, 1000, rng.integers(2, 6, 3)).astype(np.int16))
        image.SetSpacing(rng.uniform(0.3, 5, 3).tolist())
        image.SetOrigin(rng.uniform(-500, 500, 3).tolist())
        image.SetDirection(sitk.VersorTransform(rng.normal(size=3).tolist(), rng.uniform(0, 6)).GetMatrix())
        sitk.WriteImage(image, str(tmp_path / "a.nrrd"), useCompression=bool(rng.integers(2)))
        assert_as_itk(tmp_path / "a.nrrd")
