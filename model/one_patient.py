"""One patient whose CTs are named one by one, a result that is named itself, and patients with one CT alone."""

import os
from dataclasses import replace
from pathlib import Path

from model.cases import Case, checked, result_suffix
from model.errors import InputError
from model.images.read import image_stem, image_suffix
from model.patients import visible


def one_patient(ct: Path, ce: Path, output: Path) -> Case:
    """The case of two CTs, each a file or a folder with one DICOM series; its result is the file `output`, or in it.

    The case, and a result in a folder, are called after the non-contrast CT. Raises InputError where one of the CTs is
    not there, or the result would replace one.
    """
    for path in (ct, ce):
        if not path.exists():
            raise InputError(path, "no such file or folder", "give a CT, or a folder with one DICOM series")
    name = ct.absolute().name if ct.is_dir() else image_stem(ct)
    result = output if is_one_file(output) else output / f"{name}{result_suffix(ct)}"
    return checked([Case(name, ct, ce, result, "label_map", single=ct == ce)])[0]


def is_one_file(output: Path) -> bool:
    """Whether results are to go into a file of that name, not into a folder."""
    return bool(image_suffix(output)) and not output.is_dir()


def is_named(cases: list[Case], root: Path) -> bool:
    """Whether the only case is the one whose own folder was given, after which it is called."""
    if len(cases) != 1 or cases[0].name != Path(os.path.abspath(root)).name:
        return False
    case = cases[0]
    return os.path.realpath(case.ct if case.study else case.ct.parent) == os.path.realpath(root)


def into_one_file(cases: list[Case], output: Path) -> list[Case]:
    """The one case with its result in that file. Raises InputError where there are several cases, or folders."""
    if len(cases) > 1:
        raise InputError(
            "--output", f"{output} is one file, but there are {len(cases)} cases", "give a folder"
        )
    if cases[0].kind == "channels":
        raise InputError("--output", f"{output} is a file, but layout exec has folders", "give a folder")
    if image_suffix(output) == ".mhd":
        raise InputError(
            "--output", f"{output} would be two files", "give one such as mask.mha or mask.nii.gz"
        )
    return checked([replace(cases[0], output=output)])


def with_single_cts(cases: list[Case]) -> list[Case]:
    """Where a contrast CT is not there the non-contrast CT stands for both; a case that has a fault keeps it.

    In a folder with DICOM that is found out when its series are looked at.
    """
    return [
        replace(case, ce=case.ct, fault=None, single=True)
        if case.study or (case.ct.exists() and _lacks_contrast(case))
        else case
        for case in cases
    ]


def _lacks_contrast(case: Case) -> bool:
    """Also where a fault says no more than that: the platform's folder for it is empty, or not there."""
    folder = case.ce.parent
    empty = case.kind == "channels" and not (folder.is_dir() and visible(folder))
    # A link that leads nowhere says that there is one.
    return not os.path.lexists(case.ce) and (empty or case.fault is None)
