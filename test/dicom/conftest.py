"""CT series however patients lie and scanners lean, and masks whose places in the patient are known."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from faults.slices import write_slice

from dicom.series import Reference, read_reference
from model.images.grid import Grid
from model.images.write import write_image
from model.structures import LABELS

CENTRE = np.array([12.0, -180.0, 400.0])
COS, SIN = np.cos(np.radians(18.5)), np.sin(np.radians(18.5))


def turned(degrees_z: float, degrees_x: float) -> list[float]:
    """Axes of a row and of a column, turned around z and then around x."""
    a, b = np.radians([degrees_z, degrees_x])
    around_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    around_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return list((around_x @ around_z)[:, :2].T.ravel())


# Axes of a row and of a column, PatientPosition, and the direction in which the slices follow; None: along the normal.
GEOMETRIES = {
    "head first supine": ([1, 0, 0, 0, 1, 0], "HFS", None),
    "feet first supine": ([-1, 0, 0, 0, 1, 0], "FFS", None),
    "head first prone": ([-1, 0, 0, 0, -1, 0], "HFP", None),
    "feet first prone": ([1, 0, 0, 0, -1, 0], "FFP", None),
    "on the right side": ([0, 1, 0, -1, 0, 0], "HFDR", None),
    "oblique": (turned(17, 11), "HFS", None),
    "oblique feet first": ([-v for v in turned(-8, 14)[:3]] + turned(-8, 14)[3:], "FFS", None),
    "coronal": ([1, 0, 0, 0, 0, -1], "HFS", None),
    "tilted": ([1, 0, 0, 0, COS, -SIN], "HFS", (0, 0, 1)),
    "tilted feet first": ([-1, 0, 0, 0, COS, SIN], "FFS", (0, 0, -1)),
}


@dataclass(frozen=True)
class Written:
    """A series on disk. labels: uint8 (z, y, x) on its straight grid, 1 GTVp, 2 GTVnd; mask: the file with them."""

    folder: Path
    reference: Reference
    labels: np.ndarray
    mask: Path

    @property
    def grid(self) -> Grid:
        return self.reference.stack.grid


def truth(places: np.ndarray) -> np.ndarray:
    """Labels at places (..., 3) x, y, z in mm: where they are is said in the patient's own directions.

    GTVp, left and in front, has two tubes along z without tumour, one of them with a core; GTVnd, right and at the
    back, is of two pieces, one much higher.
    """
    x, y, z = np.moveaxis(places - CENTRE, -1, 0)
    from_tube, from_other = np.hypot(x - 9, y + 8), np.hypot(x - 17, y + 8)
    primary = ((x - 12) / 14) ** 2 + ((y + 8) / 11) ** 2 + ((z + 2) / 11) ** 2 < 1
    primary &= ((from_tube > 3.2) | (from_tube < 1.3)) & (from_other > 2.2)
    nodes = ((x + 18) / 6) ** 2 + ((y - 9) / 8) ** 2 + (z / 9) ** 2 < 1
    nodes |= ((x + 12) / 7) ** 2 + ((y - 17) / 5) ** 2 + ((z - 14) / 5) ** 2 < 1
    return np.where(primary, 1, np.where(nodes, 2, 0)).astype(np.uint8)


def places_of(grid: Grid) -> np.ndarray:
    """Of all voxels: (z, y, x, 3) in mm."""
    z, y, x = np.indices(grid.size_xyz[::-1])
    steps = np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz
    return np.stack([x, y, z], -1) @ steps.T + grid.origin_xyz


def _write_series(
    folder: Path,
    name: str,
    *,
    size: int = 72,
    mm: float = 1.0,
    step: float = 2.0,
    backwards: bool = False,
    **tags,
) -> Written:
    """Square slices of size x size voxels of mm; backwards: instance numbers and file names against the normal."""
    axes, lying, along = GEOMETRIES[name]
    row, column = np.reshape(axes, (2, 3)).astype(float)
    along = np.cross(row, column) if along is None else np.array(along, float)
    count = round(52 / step)
    for k in range(count):
        middle = CENTRE + (k - count / 2) * step * along
        first = middle - (size / 2) * mm * (row + column)
        number = count - k if backwards else k + 1
        usual = {
            **{"ImagePositionPatient": [f"{v:.6f}" for v in first], "PatientPosition": lying},
            **{"ImageOrientationPatient": [f"{v:.9f}" for v in (*row, *column)], "PixelSpacing": [mm, mm]},
            **{"InstanceNumber": number, "SOPInstanceUID": f"1.2.3.1.{number}", "SliceThickness": step},
            **{"PatientName": "Muster^Jörg", "SpecificCharacterSet": "ISO_IR 100", "StudyDate": "20240131"},
        }
        write_slice(folder / f"{number:03}.dcm", np.full((size, size), 1024, np.uint16), **{**usual, **tags})
    reference = read_reference(folder)
    labels = truth(places_of(reference.stack.grid))
    mask = folder.parent / f"{folder.name}-mask.nii.gz"
    write_image(mask, labels, reference.stack.grid)
    return Written(folder, reference, labels, mask)


@pytest.fixture
def write_series():
    """Writes a series and its mask to a folder."""
    return _write_series


@pytest.fixture(scope="session")
def all_series(tmp_path_factory):
    """One series of each geometry, written when it is first asked for; not to be changed."""
    root = tmp_path_factory.mktemp("series")
    made: dict[str, Written] = {}

    def get(name: str) -> Written:
        if name not in made:
            made[name] = _write_series(root / name.replace(" ", "-"), name, backwards="first" in name)
        return made[name]

    yield get
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(params=GEOMETRIES)
def every_series(request, all_series) -> Written:
    """Each in turn."""
    return all_series(request.param)


@pytest.fixture(params=[name for name in GEOMETRIES if "tilted" not in name])
def straight_series(request, all_series) -> Written:
    """Each in turn that is stacked along its normal."""
    return all_series(request.param)


@pytest.fixture(params=[name for name in GEOMETRIES if "tilted" in name])
def tilted_series(request, all_series) -> Written:
    """Each in turn that is not."""
    return all_series(request.param)


@pytest.fixture(params=[name for name in GEOMETRIES if name != "coronal"])
def every_axial(request) -> str:
    """The name of each geometry in turn that a CT of the neck may have."""
    return request.param


@pytest.fixture
def a_series(all_series) -> Written:
    """The plainest."""
    return all_series("head first supine")


def _dsc(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero((a > 0) & (b > 0)) / (np.count_nonzero(a) + np.count_nonzero(b))


def _dsc_of_image(image: sitk.Image, written: Written, structure: str) -> float:
    own = sitk.Resample(sitk.ReadImage(str(written.mask)), image, sitk.Transform(), sitk.sitkNearestNeighbor)
    return _dsc(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(own) == LABELS[structure])


@pytest.fixture
def dsc():
    """Dice similarity coefficient of two masks."""
    return _dsc


@pytest.fixture
def dsc_of_image():
    """The same of another reader's image and a structure of a series, each where its own header says."""
    return _dsc_of_image


@pytest.fixture
def run_tool():
    """Runs a program of a package that may be missing, then the test is skipped; its words are in its errors alone."""

    def run(package: str, program: str, *arguments: object) -> None:
        pytest.importorskip(package)
        place = Path(sys.executable).parent / program
        done = subprocess.run([place, *map(str, arguments)], capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]

    return run
