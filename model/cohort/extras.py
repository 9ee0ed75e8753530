"""What may be written beside a case's mask: a picture, and maps of grey values. A folder for each kind.

Files are called as the mask is. So they cannot be taken for masks of other cases, nor for CTs.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cases import Case
from model.errors import InputError
from model.images.grid import Grid, to_input_grid
from model.images.pair import Log
from model.images.read import IMAGE_SUFFIXES, image_stem, image_suffix
from model.images.write import write_image
from model.structures import MAP_FOLDERS, PROBABILITY_FOLDERS, UNCERTAINTY_FOLDER
from model.writing import save

if TYPE_CHECKING:  # torch takes seconds to import: wrong input is reported before
    from model.preprocessing.restore import Inside

PREVIEW_FOLDER = "preview"


@dataclass(frozen=True)
class Extras:
    """Which are asked for, and the folder that holds those of each kind. masks: the folder that all masks lie below."""

    folder: Path
    masks: Path
    preview: bool = False
    probabilities: bool = False
    uncertainty: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The folders of those that are asked for."""
        return (
            *((PREVIEW_FOLDER,) if self.preview else ()),
            *(PROBABILITY_FOLDERS.values() if self.probabilities else ()),
            *((UNCERTAINTY_FOLDER,) if self.uncertainty else ()),
        )

    def path(self, case: Case, kind: str) -> Path:
        """Of one file. The folders above a mask are kept, but for those that the platform wants above it."""
        above = Path() if case.kind == "channels" else case.output.relative_to(self.masks).parent
        known = image_suffix(case.output)
        suffix = ".png" if kind == PREVIEW_FOLDER else {".nii": ".nii.gz"}.get(known, known)
        return self.folder / kind / above / f"{image_stem(case.output)}{suffix}"

    def paths(self, case: Case) -> list[Path]:
        """Of all that are asked for."""
        return [self.path(case, kind) for kind in self.kinds]

    def earlier(self, case: Case) -> list[Path]:
        """Files of all kinds, asked for or not, that an earlier run left of the case, there or beside the masks.

        Of any suffix: the CTs may have had another one.
        """
        places = {replace(self, folder=folder) for folder in (self.folder, self.masks)}
        paths = {place.path(case, kind) for place in places for kind in (PREVIEW_FOLDER, *MAP_FOLDERS)}
        stem = image_stem(case.output)
        paths |= {
            path.with_name(stem + suffix)
            for path in paths
            if path.suffix != ".png"
            for suffix in IMAGE_SUFFIXES
        }
        return sorted(path for path in paths if os.path.lexists(path))

    def names(self, case: Case) -> list[str]:
        """As the manifest has them: relative to it where they lie below it."""
        paths = self.paths(case)
        below = [path.is_relative_to(self.masks) for path in paths]
        return [
            (path.relative_to(self.masks) if inside else path.absolute()).as_posix()
            for path, inside in zip(paths, below, strict=True)
        ]

    def are_there(self, case: Case, entry: dict[str, Any]) -> bool:
        """Whether all that are asked for were written with the result of this line of the manifest."""
        listed = entry.get("extras")
        written = isinstance(listed, list) and all(name in listed for name in self.names(case))
        return written and all(path.is_file() for path in self.paths(case))

    def check(self, cases: Sequence[Case]) -> None:
        """Raises InputError where they would lie where only masks may, or replace a CT."""
        if not self.kinds:
            return
        place, folder = cases[0].output.parent.resolve(), self.folder.resolve()
        if cases[0].kind == "channels" and (self.folder == self.masks or folder.is_relative_to(place)):
            fact = "in layout exec the platform takes what lies in the output"
            raise InputError("--extras", fact, "give a folder for what is to be written beside the masks")
        inputs = {os.path.realpath(path) for case in cases for path in (case.ct, case.ce)}
        for path in (path for case in cases for path in self.paths(case)):
            if os.path.realpath(path) in inputs:
                raise InputError(path, "would replace an input", "choose another --extras")


@contextmanager
def taken_back(paths: list[Path]) -> Iterator[None]:
    """Whatever goes wrong within, none of these files is left."""
    try:
        yield
    except BaseException:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def write_maps(extras: Extras, case: Case, maps: "dict[str, Inside]", grid: Grid, log: Log) -> None:
    """One after the other, since each is as large as a mask. Raises InputError where one cannot be written."""
    for kind, inside in maps.items():
        start, path = time.perf_counter(), extras.path(case, kind)
        write_image(path, to_input_grid(inside.whole(), grid), grid)
        log(f"write {path}: {time.perf_counter() - start:.1f} s")


def write_picture(path: Path, content: bytes) -> None:
    """Raises InputError where it cannot be written."""
    save(path, content, "free space or choose another folder")
