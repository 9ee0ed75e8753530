"""Results of an earlier run under the names of these cases: none may pass for a result of this one."""

import os
from pathlib import Path

from model.cases import Case
from model.cohort.extras import Extras
from model.cohort.manifest import Manifest
from model.errors import InputError, reason
from model.images.read import image_stem, image_suffix
from model.terminal import log


def remove_earlier(cases: list[Case], extras: Extras, manifest: Manifest | None) -> None:
    """Masks and what lay beside them. Raises InputError where one cannot be removed.

    Other patients' masks stay; where the platform would take them for this one's, a warning says so.
    """
    entries = manifest.read() if manifest else {}
    masks = [path for case in cases for path in _masks(case, entries.get(case.name, {}).get("result"))]
    for path in masks + [path for case in cases for path in extras.earlier(case)]:
        try:
            path.unlink()
        except OSError as error:
            raise InputError(path, f"cannot be removed ({reason(error)})", "remove it") from None
    if masks:
        log(f"removed {len(masks)} results of an earlier run")
    for case in cases:
        if case.kind == "channels" and (others := _others(case)):
            log(
                f"warning: {case.output.parent} also holds {', '.join(others)}: the platform takes one file alone"
            )


def _masks(case: Case, listed: object) -> list[Path]:
    """The file of the case's name, and that of another suffix which the manifest lists."""
    folder, found = case.output.parent, {case.output}
    if isinstance(listed, str):
        other = folder / Path(listed).name
        if image_suffix(other) and image_stem(other) == image_stem(case.output):
            found.add(other)
    return sorted(path for path in found if os.path.lexists(path))  # also links that lead nowhere


def _others(case: Case) -> list[str]:
    folder = case.output.parent
    return sorted(path.name for path in folder.iterdir() if image_suffix(path)) if folder.is_dir() else []
