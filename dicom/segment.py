"""A study's folder → contours of GTVp and GTVnd, as RTSTRUCT and SEG on its non-contrast CT.

Lists the CT series below the folder, says which two it takes and why, and outlines them as process.py does. Where it is
unclear which two, it takes none: --ct and --ce say it. The other options are those of process.py.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import process
from dicom.masks import labels_on_series
from dicom.rtstruct import rtstruct_bytes
from dicom.saving import check_name, store
from dicom.seg import seg_bytes
from dicom.series import reference_of
from dicom.to_rtstruct import tell
from model.cohort.extras import taken_back
from model.cohort.segmenting import CaseLog, in_words, memory_errors, volumes_cm3, warn_of_low_confidence
from model.errors import InputError, reason
from model.images.choice import SINGLE, Choice, choose, left_out
from model.images.dicom import read_series
from model.images.grid import to_input_grid
from model.images.pair import read_pair
from model.images.read import MAX_VOXELS
from model.images.series_files import Below, SeriesFiles, check_beside, series_below
from model.network.plan import triple
from model.options import OUT
from model.preview.kept import Kept, keep
from model.preview.picture import Said, picture
from model.terminal import choose_loudness, log
from model.writing import check_writable, refusing

if TYPE_CHECKING:  # torch takes seconds to import
    from model.inference.predictor import Segmentation

# Of process.py, to which they are handed on: its defaults and rules are theirs.
VALUES = ("--weights", "--device", "--precision")
FLAGS = ("--no-tta", "--all-mirrors", "--no-search", "--keep-small", "--quiet", "--verbose")
EXAMPLES = (
    "python -m dicom segment STUDY_FOLDER --out RTSS.dcm --seg SEG.dcm",
    "python -m dicom segment STUDY_FOLDER --ct UID --ce UID --out RTSS.dcm    # UIDs as it lists them",
    "python -m dicom segment STUDY_FOLDER --single-ct --out RTSS.dcm          # no contrast CT: worse results",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY_FOLDER", help="the patient's DICOM files, however they lie in it")
    add(*OUT, type=Path, required=True, metavar="RTSS.dcm", help="the structure set to write")
    add("--seg", type=Path, metavar="SEG.dcm", help="also write a segmentation")
    add("--preview", type=Path, metavar="P.png", help="also draw a picture of what was outlined")
    add("--ct", metavar="UID", help="SeriesInstanceUID of the non-contrast CT, as listed; with --ce")
    add("--ce", metavar="UID", help="of the contrast CT, with --ct")
    add("--single-ct", action="store_true", help="where the contrast CT is missing, take one CT for both")
    for name in VALUES:
        add(name, metavar=name.strip("-").upper(), help="as of process.py")
    for name in FLAGS:
        add(name, action="store_true", help="as of process.py")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises InputError."""
    if options.ce and not options.ct or options.ct and not options.ce and not options.single_ct:
        remedy = "give both, or none; --single-ct takes --ct for both, with worse results"
        raise InputError("--ct and --ce", "only one of them is given", remedy)
    if not options.study.is_dir():
        raise InputError(options.study, "no such folder", "give the folder with the study's DICOM files")
    settings = process.parse_arguments(handed_on(options))
    choose_loudness(settings.loudness)
    below = series_below(options.study)
    outputs = [path for path in (options.out, options.seg, options.preview) if path]
    check_outputs(outputs, below)
    for path in filter(None, (options.out, options.seg)):
        check_name(path)
    for line in listing(below):
        log(line)
    said = named(below, options.ct, options.ce) if options.ct else None
    remove_earlier(outputs)
    choice = said or choose(below, options.single_ct)
    for series in (choice.ct, choice.ce):
        check_beside(series, below)
    log(choice.why)
    case_log = CaseLog(held=None)
    for oddity in choice.oddities:
        case_log(f"warning: {options.study}: {oddity}")
    # What contours need beside the voxels is looked at before the network's time is spent.
    reference = reference_of(read_series(choice.ct, MAX_VOXELS))
    segmentation, kept = outlined(choice, settings, case_log)
    if not segmentation.labels.any():
        raise InputError(options.study, "nothing was outlined, so no file is written", "look at the two CTs")
    labels = to_input_grid(segmentation.labels, kept.grid)
    masks = labels_on_series(labels, kept.grid, reference)
    # All are made before the first is written, and none stays where a later one cannot be written.
    contents = {options.out: rtstruct_bytes(options.out, masks, reference)}
    if options.seg:
        contents[options.seg] = seg_bytes(options.seg, masks, reference)
    if options.preview:
        name = choice.ct.text("PatientID") or options.study.absolute().name
        words = Said(name, in_words(segmentation, volumes_cm3(segmentation, kept.grid)), case_log.warnings)
        contents[options.preview] = picture(kept, segmentation.labels, words)
    with taken_back([path for path in outputs if not path.exists()]):
        for path, content in contents.items():
            store(path, content)
    for path in contents:
        if path == options.preview:
            log(f"write {path}")
        else:
            tell(path, masks, reference)
    return 0


def remove_earlier(outputs: list[Path]) -> None:
    """Results of an earlier run: none may pass for one of this run. Raises InputError where one cannot be written."""
    for path in outputs:
        check_writable(path, "choose another name")
    for path in outputs:
        if path.is_file():
            with refusing(path, "choose another name"):
                path.unlink()
            log(f"removed {path} of an earlier run")


def handed_on(options: argparse.Namespace) -> list[str]:
    """The options of process.py among those given, as it takes them."""
    values = vars(options)
    given = [(name, values[name.strip("-").replace("-", "_")]) for name in (*VALUES, *FLAGS)]
    return [word for name, value in given if value for word in ([name] if value is True else [name, value])]


def check_outputs(outputs: list[Path], below: Below) -> None:
    """Raises InputError where a file to write would replace one of the study, or cannot be in its folder."""
    files = [path for series in below.series for path in series.files]
    taken = {os.path.realpath(path) for path in (*files, *below.others, *below.damaged)}
    for path in outputs:
        here = os.path.realpath(path)
        if here in taken:
            raise InputError(path, "the result would replace another file", "choose another name")
        taken.add(here)
        if path.is_dir() or not path.parent.is_dir():
            fact = "a folder" if path.is_dir() else "its folder does not exist"
            raise InputError(path, fact, "give a file in a folder that exists")


def listing(below: Below) -> list[str]:
    """One line for each CT series: what it is called, its geometry, kernel, agent, UID; why it cannot be of a pair."""
    lines = []
    for series in below.series:
        if series.text("Modality") != "CT":
            continue
        _, places = series.places()
        step = f"{np.median(np.diff(places)):.2f}" if len(places) > 1 else "?"
        pixels = series.text("PixelSpacing").replace("\\", " x ") or "?"
        agent, kernel = (series.text(name) or "none" for name in ("ContrastBolusAgent", "ConvolutionKernel"))
        why = f"; left out: {left_out(series)}" if left_out(series) else ""
        lines.append(
            f"CT series {series.described()}; {step} mm apart, pixels of {pixels} mm; agent {agent};"
            f" kernel {kernel}; UID {series.text('SeriesInstanceUID')}{why}"
        )
    return lines


def named(below: Below, ct: str, ce: str | None) -> Choice:
    """The pair by UIDs, or one for both. Raises InputError where there is none such."""
    if ct == ce:
        raise InputError("--ct and --ce", "the same series", "give two")
    found: list[SeriesFiles] = []
    for option, uid in (("--ct", ct), ("--ce", ce or ct)):
        series = [one for one in below.series if one.text("SeriesInstanceUID") == uid and not one.localizer]
        if not series:
            raise InputError(option, f"no series {uid} below {below.folder}", "give one that is listed")
        found += series
    for option, one in zip(("--ct", "--ce"), found, strict=True):
        if (modality := one.text("Modality")) != "CT":
            raise InputError(
                option, f"{one}: {modality or 'no Modality'}, not CT", "give a CT that is listed"
            )
    plain, contrast = found
    if not ce:
        return Choice(plain, plain, f"as --ct says: one CT alone ({plain.described()})", (SINGLE,))
    why = f"as --ct and --ce say: non-contrast CT ({plain.described()}), contrast CT ({contrast.described()})"
    return Choice(plain, contrast, why, ())


def outlined(choice: Choice, settings: argparse.Namespace, case_log: CaseLog) -> "tuple[Segmentation, Kept]":
    """The masks on the non-contrast CT's straight grid, in canonical orientation; what a picture needs of the CTs.

    Raises InputError, also where memory does not suffice.
    """
    pair = read_pair(choice.ct, choice.ce, case_log)
    predictor = process.load_predictor(settings)
    try:
        with memory_errors():
            prepared = predictor.prepare(pair, case_log)
            segmentation = predictor.predict_and_restore(prepared, triple(pair.ct.shape), case_log)
    except MemoryError as error:
        fact = f"not enough memory ({reason(error)})"
        raise InputError(choice.ct.folder, fact, "close other programs or take --device cpu") from None
    warn_of_low_confidence(segmentation, case_log)
    return segmentation, keep(pair.ct, pair.ce, pair.spacing_zyx, pair.grid)
