"""The DICOM files below a folder, by series: what their tags say of each, before any slice of it is looked at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.images.dicom_elements import Elements, read_elements

# The kind of file that lists the others on a disc.
DICOMDIR = "1.2.840.10008.1.3.10"
SLICE_SUFFIXES = (".dcm", ".dicom", ".ima")
# How deep, and at how many files, is looked: far more than a study has.
DEEPEST, MOST_FILES = 10, 50_000
LONGEST_DESCRIPTION = 40
# In mm; no place that is further off is one in a scanner.
FARTHEST = 1e5


@dataclass(frozen=True, eq=False)
class SeriesFiles:
    """The files of one series (of it, the localizers or all others), sorted, with their elements.

    folder: the lowest that holds all of them.
    """

    folder: Path
    files: dict[Path, Elements]

    def text(self, keyword: str) -> str:
        """Of the first file that has it; empty where none does."""
        return next(filter(None, (elements.words(keyword) for elements in self.files.values())), "")

    @property
    def localizer(self) -> bool:
        return _is_localizer(next(iter(self.files.values())))

    @property
    def acquired(self) -> str:
        """When the first slice was, as YYYYMMDDHHMMSS; empty where unknown, or made unknown by zeros."""
        return min(filter(None, map(_acquired, self.files.values())), default="")

    @property
    def shown_time(self) -> str:
        """Such as "2024-03-01 10:32"; only the day, or nothing, where no more is known."""
        day = next(filter(None, map(self.text, ("AcquisitionDate", "SeriesDate", "StudyDate"))), "")
        time = next(filter(None, map(self.text, ("AcquisitionTime", "SeriesTime", "StudyTime"))), "")
        found = self.acquired or re.sub(r"\D", "", day)[:8] + re.sub(r"\D", "", time)[:6]
        if len(found) < 8:
            return ""
        clock = f" {found[8:10]}:{found[10:12]}" if len(found) >= 12 else ""
        return f"{found[:4]}-{found[4:6]}-{found[6:8]}{clock}"

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the slices: the unit normal (x, y, z) of the first, and where each lies along it in mm, sorted.

        Both are empty where the tags do not say it of all.
        """
        try:
            positions = [_numbers(elements, "ImagePositionPatient", 3) for elements in self.files.values()]
            axes = np.reshape(_numbers(next(iter(self.files.values())), "ImageOrientationPatient", 6), (2, 3))
            normal = np.cross(*axes)
            if not 0.5 < (length := np.linalg.norm(normal)) < 2:
                raise ValueError("no axes of a plane")
            normal = normal / length
        except ValueError:
            return np.zeros(0), np.zeros(0)
        return normal, np.sort(np.array(positions) @ normal)

    def __str__(self) -> str:
        """For messages; by what people know it by, not by its UID."""
        return f"{self.folder} ({self.described()})"

    def described(self) -> str:
        """Such as: "Neck 3mm", 2024-03-01 10:32, 127 slices. Without a description, the first file's name is."""
        text = self.text("SeriesDescription") or next(iter(self.files)).name
        short = text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1] + "…"
        count = f"{len(self.files)} {'slice' if len(self.files) == 1 else 'slices'}"
        named = f'"{short}"' if self.text("SeriesDescription") else f"file {short}"
        return ", ".join(filter(None, (named, self.shown_time, count)))


@dataclass(frozen=True)
class Below:
    """What lies below a folder. damaged: files that say they are DICOM; others: those that are none."""

    folder: Path
    series: tuple[SeriesFiles, ...]
    damaged: dict[Path, InputError]
    others: tuple[Path, ...]


def series_below(folder: Path) -> Below:
    """All series below a folder, sorted by the time at which they began. Raises InputError where it cannot be read."""
    groups: dict[tuple[str, bool], dict[Path, Elements]] = {}
    damaged: dict[Path, InputError] = {}
    others = []
    for path in files_below(folder):
        try:
            elements = read_elements(path) if path.is_file() else None
        except InputError as error:
            damaged[path] = error
            continue
        if elements is None:
            others.append(path)
        elif elements.text("MediaStorageSOPClassUID") != DICOMDIR:
            key = (elements.text("SeriesInstanceUID"), _is_localizer(elements))
            groups.setdefault(key, {})[path] = elements
    found = [of_files(files) for files in groups.values()]
    return Below(
        folder, tuple(sorted(found, key=lambda one: (one.acquired, one.folder))), damaged, tuple(others)
    )


def of_files(files: dict[Path, Elements]) -> SeriesFiles:
    """The series of these files, of which there is at least one."""
    folders = {path.parent for path in files}
    first = next(iter(folders))
    common = (parent for parent in (first, *first.parents) if all(f.is_relative_to(parent) for f in folders))
    return SeriesFiles(next(common, first), files)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file that is not hidden, sorted; each folder once, whatever links lead to it. Raises InputError."""
    seen: set[Path] = set()
    count = 0
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        try:
            place = here.resolve()
            entries = [] if place in seen else sorted(here.iterdir())
        except (OSError, RuntimeError) as error:
            raise InputError(here, f"cannot be read ({reason(error)})", "make it readable") from None
        seen.add(place)
        entries = [path for path in entries if not path.name.startswith(".")]
        for path in entries:
            if not path.is_dir():
                count += 1
                yield path
        if count > MOST_FILES:
            raise InputError(folder, f"more than {MOST_FILES} files", "give one patient's folder")
        if depth < DEEPEST:
            waiting += [(path, depth + 1) for path in reversed(entries) if path.is_dir()]


def check_beside(series: SeriesFiles, below: Below) -> None:
    """Raises InputError where a file beside a series' own may be a slice of it, but cannot be read as one."""
    folders = {path.parent for path in series.files}
    shapes = {(path.parent, shape_of_name(path)) for path in series.files}
    for path, error in below.damaged.items():
        if path.parent in folders:
            raise error
    for path in below.others:
        named = path.parent in folders and path.suffix.lower() in SLICE_SUFFIXES
        if named or (path.parent, shape_of_name(path)) in shapes:
            raise no_slice(path)


def no_slice(path: Path) -> InputError:
    return InputError(path, "no DICOM file, though named as a slice", "replace the file or remove it")


def shape_of_name(path: Path) -> str:
    """The name with all numbers made equal."""
    return re.sub(r"\d+", "0", path.name)


def _is_localizer(elements: Elements) -> bool:
    return "LOCALIZER" in elements.text("ImageType").upper()


def _acquired(elements: Elements) -> str:
    joint = elements.text("AcquisitionDateTime").split(".")[0]
    day = next(filter(None, map(elements.text, ("AcquisitionDate", "SeriesDate", "StudyDate"))), "")
    time = elements.text("AcquisitionTime").split(".")[0]
    found = re.sub(r"\D", "", joint or (day + time if time else ""))[:14]
    return found if len(found) == 14 and not found.endswith("000000") else ""


def _numbers(elements: Elements, keyword: str, count: int) -> list[float]:
    """Raises ValueError where it is not so many."""
    values = [float(word) for word in elements.text(keyword).split("\\")]
    if len(values) != count or not all(abs(value) < FARTHEST for value in values):
        raise ValueError(keyword)
    return values
