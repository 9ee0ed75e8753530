"""What cases came to, a line each as they finish, so that --resume goes on from a run that was stopped.

The file lies beside the run's result until all is done. Cases with problems are not kept: they are scored again.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.cases import CaseFiles, MatchedCase
from evaluation.lesions import Lesion, Matching
from evaluation.metrics import Lesions, Score
from evaluation.output import ANOTHER_NAME
from evaluation.probabilities import LesionCounts
from evaluation.run import CaseResult, Settings
from model import VERSION
from model.errors import InputError, reason
from model.images.read import image_suffix, open_header
from model.writing import append_bytes, refusing

SUFFIX = ".partial"


class Journal:
    """Lines beside a result. All methods raise InputError where they cannot be read or written."""

    def __init__(self, result: Path, settings: Settings, *, resume: bool) -> None:
        self.result = result
        self.path = result.with_name(result.name + SUFFIX)
        self._settings = _as_read(asdict(settings))
        self._entries = self._read() if resume else {}
        if not resume:
            self.remove()

    def known(self, team: str, cases: Iterable[MatchedCase]) -> dict[str, CaseResult]:
        """Results by case that were scored before by this version, from the same files with the same settings.

        None of a case with a fault, which came up since: as where a second file could be the same case.
        """
        found = {}
        for case in cases:
            if any(side.fault for side in (case.reference, case.prediction) if side):
                continue
            entry = self._entries.get((team, case.name), {})
            same = entry.get("version") == VERSION and entry.get("settings") == self._settings
            if same and (files := _files(case)) and entry.get("files") == files:
                with contextlib.suppress(KeyError, TypeError, AttributeError):  # a line that is none of ours
                    found[case.name] = _result(entry["result"])
        return found

    def append(self, team: str, case: MatchedCase, result: CaseResult) -> None:
        """Keep a case that was scored without problems. team: whose predictions they are."""
        if result.problems:
            return
        made = {"version": VERSION, "settings": self._settings, "files": _files(case)}
        line = json.dumps({"team": team, "case": case.name, **made, "result": asdict(result)})
        with self._refusing():
            append_bytes(self.path, f"{line}\n".encode(errors="backslashreplace"))

    def remove(self) -> None:
        """When all is done, or nothing of before counts."""
        with self._refusing():
            self.path.unlink(missing_ok=True)

    def _read(self) -> dict[tuple[Any, Any], dict[str, Any]]:
        """The last line of each case; lines cut short are passed over."""
        entries: dict[tuple[Any, Any], dict[str, Any]] = {}
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    with contextlib.suppress(ValueError, RecursionError):
                        entry = json.loads(line)
                        if isinstance(entry, dict) and isinstance(entry.get("case"), str):
                            entries[str(entry.get("team")), entry["case"]] = entry
        except FileNotFoundError:
            pass
        except OSError as error:
            raise InputError(self.path, f"cannot be read ({reason(error)})", "remove it") from None
        return entries

    def _refusing(self) -> contextlib.AbstractContextManager[None]:
        """The result is what is named: of this file nobody knows."""
        return refusing(self.result, ANOTHER_NAME)


def _as_read(content: Any) -> Any:
    """Tuples become lists."""
    return json.loads(json.dumps(content))


def _files(case: MatchedCase) -> list[list[Any]]:
    """Path, size and time of change (ns) of each file of both sides, and of the CT that gives the grid.

    Empty where one cannot be read.
    """
    try:
        paths = [path for side in (case.reference, case.prediction) if side for path in _paths(side)]
        paths += sorted((case.maps or {}).values())
        if case.ct:  # a folder of slices changes with each of them
            paths += sorted(case.ct.iterdir()) if case.ct.is_dir() else _with_voxels(case.ct)
        return [[str(path), (found := path.stat()).st_size, found.st_mtime_ns] for path in paths]
    except (OSError, InputError):
        return []


def _paths(files: CaseFiles) -> list[Path]:
    """With the files of voxels that headers name."""
    return [part for path in sorted(files.paths) for part in _with_voxels(path)]


def _with_voxels(path: Path) -> list[Path]:
    return list(dict.fromkeys((path, open_header(path).voxels.path if image_suffix(path) else path)))


def _result(content: dict[str, Any]) -> CaseResult:
    """Raises KeyError, TypeError or AttributeError where it is none."""
    scores = {
        structure: Score(**of | {"nsd": tuple(of["nsd"]), "lesions": Lesions(**of["lesions"])})
        for structure, of in content["scores"].items()
    }
    lesions = {
        structure: Matching(
            tuple(Lesion(**one | {"found": tuple(one["found"])}) for one in of["lesions"]),
            of["predicted"],
            tuple(of["false_cm3"]),
        )
        for structure, of in content["lesions"].items()
    }
    probable = {
        structure: tuple(LesionCounts(**counts) for counts in of)
        for structure, of in content["probable"].items()
    }
    grid = {name: content[name] for name in ("voxels", "voxel_cm3")}
    return CaseResult(content["name"], scores, (), lesions, probable, **grid)
