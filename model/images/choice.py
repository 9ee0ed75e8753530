"""Which two of the CT series below a folder are the pair: one without contrast agent and one with, of one study.

Nothing is guessed: where tags and words leave it open, the series are listed and none is taken.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InputError
from model.images.contrast import Role, is_agent, is_sharp, role_by_words
from model.images.series_files import Below, SeriesFiles, check_beside, series_below

# What the kinds of a scanner's own CT images begin with.
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
# Fewer show no neck: localizers, bolus tracking.
LEAST_SLICES = 5
# Of the normal with the patient's long axis; beyond 45 degrees a series is no axial one.
MOST_OBLIQUE = 0.7
# Reconstructions of one acquisition begin within so many seconds; agent takes longer to arrive.
SAME_ACQUISITION_S = 5
ALONE = "give the other CT, too, or --single-ct, with worse results"
SLICES = "write it as single slices, or take it away"
REMEDY = "put the two CTs into folders image and image_contrast"
MOST_LISTED = 5
_REFORMATTED = re.compile(r"MPR|REFORMAT|PROJECTION|MIP|MAXIMUM|MINIMUM|AVERAGE|SCREEN|VOLUME_RENDER")
SINGLE = "the contrast CT is missing: the non-contrast CT stands for both, and results are worse"
FRAME = "FrameOfReferenceUID"
MANY_FRAMES, NO_PLACES = "many frames in one file", "without positions"
NO_STUDY = "none of its studies has both a plain and a contrast CT"
NO_AGENT = "by having no ContrastBolusAgent"
NAMES: dict[Role, str] = {"plain": "non-contrast", "contrast": "contrast"}


@dataclass(frozen=True)
class Choice:
    """The two series. why: what was taken by which sign, in one line; oddities: what is strange about the two."""

    ct: SeriesFiles
    ce: SeriesFiles
    why: str
    oddities: tuple[str, ...]


@dataclass(frozen=True)
class _Told:
    """A series with its role and the sign that tells it; the role is None where nothing does.

    sure: whether something is said, rather than that nothing is.
    """

    series: SeriesFiles
    role: Role | None
    sign: str
    sure: bool = False


class _Unclear(Exception):
    """Its text says what."""


def choose_pair(folder: Path, alone: bool = False) -> Choice:
    """The pair below a folder. Raises InputError: there is none, or which it is is unclear.

    alone: where there is but one CT that could be of a pair, it stands for both.
    """
    below = series_below(folder)
    choice = choose(below, alone)
    for series in (choice.ct, choice.ce):
        check_beside(series, below)
    return choice


def choose(below: Below, alone: bool = False) -> Choice:
    """The pair among series, or one alone. Raises InputError as choose_pair does."""
    reasons = {one: left_out(one) for one in below.series}
    candidates = [one for one, why in reasons.items() if not why]
    if alone and len(candidates) == 1:
        _check_nothing_unread(below, reasons)
        line = f"DICOM in {below.folder}: one CT alone ({candidates[0].described()})"
        return Choice(candidates[0], candidates[0], line, (SINGLE,))
    studies: dict[str, list[SeriesFiles]] = {}
    for one in candidates:
        studies.setdefault(one.text("StudyInstanceUID"), []).append(one)
    if len(set(filter(None, (one.text("PatientID") for one in candidates)))) > 1:
        raise _refusal(below, candidates, "they are of several patients", "give each patient a folder")
    pairs, why = [], "none is a CT that can be of a pair"
    for series in studies.values():
        try:
            pairs.append(_of_study(series))
        except _Unclear as unclear:
            why = str(unclear) if len(studies) == 1 else NO_STUDY
    if len(pairs) != 1:
        if not candidates and below.damaged:
            raise next(iter(below.damaged.values()))
        why = f"{len(pairs)} studies have a pair" if pairs else why
        raise _refusal(
            below, candidates or list(below.series), why, ALONE if len(candidates) == 1 else REMEDY
        )
    ct, ce = pairs[0]
    passed = [(one, why) for one, why in reasons.items() if one not in (ct.series, ce.series)]
    line = f"DICOM in {below.folder}: {_in_words(ct)}; {_in_words(ce)}{_passed_over(passed)}"
    before = ct.series.acquired and ce.series.acquired and _seconds(ct.series, ce.series) < 0
    odd = ("the contrast CT was taken before the non-contrast CT",) if before else ()
    return Choice(ct.series, ce.series, line, odd)


def _check_nothing_unread(below: Below, reasons: dict[SeriesFiles, str]) -> None:
    """Raises InputError where the missing CT may be among what cannot be read."""
    if below.damaged:
        raise next(iter(below.damaged.values()))
    if unread := [one for one, why in reasons.items() if why in (MANY_FRAMES, NO_PLACES)]:
        raise _refusal(below, unread, "one that is not read here may be the contrast CT", SLICES)


def left_out(series: SeriesFiles) -> str:
    """Why a series can be neither CT of a pair; empty where it can."""
    if (modality := series.text("Modality")) != "CT":
        return modality[:16] or "no Modality"
    if series.localizer:
        return "localizer"
    if (kind := series.text("SOPClassUID")) and not kind.startswith(CT_IMAGE):
        return "no images of a CT scanner"
    if (series.text("NumberOfFrames") or "1") != "1":
        return MANY_FRAMES
    normal, places = series.places()
    if not len(places):
        return NO_PLACES
    if abs(normal[2]) < MOST_OBLIQUE:
        return "not axial"
    if (count := 1 + int(np.count_nonzero(np.diff(places) > 0.01))) < LEAST_SLICES:
        return f"slices at {count} {'place' if count == 1 else 'places'}"
    if _REFORMATTED.search("\\".join(series.text("ImageType").upper().split("\\")[2:])):
        return "reformatted"
    return ""


def _of_study(series: list[SeriesFiles]) -> tuple[_Told, _Told]:
    """Raises _Unclear."""
    if len(series) < 2:
        raise _Unclear("two are needed, a plain and a contrast CT")
    told = _by_elimination(_by_acquisition(_by_signs(series)))
    of_role = {role: [one for one in told if one.role == role] for role in NAMES}
    if not all(of_role.values()):
        missing = [f"no {NAMES[role]} CT" for role, ones in of_role.items() if not ones]
        raise _Unclear(f"{' and '.join(missing)} by description or ContrastBolusAgent")
    frames = [{one.series.text(FRAME) for one in ones} for ones in of_role.values()]
    if shared := set.intersection(*frames) - {""}:
        of_role = {
            r: [one for one in ones if one.series.text(FRAME) in shared] for r, ones in of_role.items()
        }
    ct = _best(of_role["plain"], "plain", lambda one: ())
    return ct, _best(of_role["contrast"], "contrast", lambda one: (_grid(one) != _grid(ct.series),))


def _by_signs(series: list[SeriesFiles]) -> list[_Told]:
    """What description, agent and the folder's name say. An agent that all have, or none, tells nothing.

    Raises _Unclear where they contradict each other.
    """
    agents = {one: is_agent(one.text("ContrastBolusAgent")) for one in series}
    telling = len(set(agents.values())) == 2
    folders = Counter(one.folder for one in series)
    told = []
    for one in series:
        role, sign = role_by_words(one.text("SeriesDescription")), "by its description"
        if role is None and folders[one.folder] == 1:
            role, sign = role_by_words(one.folder.name), "by its folder's name"
        if telling and agents[one]:
            if role == "plain":
                raise _Unclear(f"one has a ContrastBolusAgent but is without contrast {sign}")
            sign = "by ContrastBolusAgent" if role is None else f"{sign} and ContrastBolusAgent"
            role = "contrast"
        elif telling and role is None:
            role, sign = "plain", NO_AGENT
        told.append(_Told(one, role, sign if role else "", role is not None and sign != NO_AGENT))
    return told


def _by_acquisition(told: list[_Told]) -> list[_Told]:
    """What nothing is said of is as the other reconstructions of its acquisition."""
    result = []
    for one in told:
        roles = {other.role for other in told if other.role and _same_acquisition(one.series, other.series)}
        if one.role is None and len(roles) == 1:
            result.append(_Told(one.series, roles.pop(), "of one acquisition with such a CT"))
        else:
            result.append(one)
    return result


def _by_elimination(told: list[_Told]) -> list[_Told]:
    """Where one acquisition is left of which nothing is said, and all others are of one role, it is the other's."""
    roles = {one.role for one in told if one.role}
    unknown = [one for one in told if one.role is None]
    together = bool(unknown) and all(_same_acquisition(unknown[0].series, one.series) for one in unknown[1:])
    apart = len(told) == 2 or all(
        one.series.acquired and other.series.acquired for one in unknown for other in told
    )
    if len(roles) != 1 or not together or not apart:
        return told
    other: Role = "plain" if roles == {"contrast"} else "contrast"
    if other == "plain" and any(is_agent(one.series.text("ContrastBolusAgent")) for one in unknown):
        return told  # that all have one tells nothing of which is which, but speaks against this
    return [_Told(one.series, other, "since the other is not") if one in unknown else one for one in told]


def _best(ones: list[_Told], role: Role, first: Callable[[SeriesFiles], tuple[bool, ...]]) -> _Told:
    """The best reconstruction of the one acquisition. Raises _Unclear where there are several or two are as good.

    Acquisitions of which it is said count before others; soft kernels before sharp, original before derived, then as
    `first` says, then the finest slices.
    """

    def rank(one: _Told) -> tuple[Any, ...]:
        series = one.series
        return (
            is_sharp(series.text("ConvolutionKernel"), series.text("SeriesDescription")),
            "DERIVED" in series.text("ImageType").upper(),
            *first(series),
            *_grid(series)[:2],
        )

    sure = [one.series for one in ones if one.sure]
    ones = [one for one in ones if any(_same_acquisition(one.series, other) for other in sure)] or ones
    timed = [one.series for one in ones if one.series.acquired]
    apart = not all(_same_acquisition(timed[0], one) for one in timed[1:])
    several = _Unclear(f"{len(ones)} may be the {NAMES[role]} CT")
    least = min(rank(one)[:2] for one in ones)
    ones = [one for one in ones if rank(one)[:2] == least]
    if apart or not all(_same_acquisition(ones[0].series, one.series) for one in ones[1:]):
        raise several
    ones = sorted(ones, key=rank)
    if len(ones) > 1 and rank(ones[0]) == rank(ones[1]):
        raise several
    return ones[0]


def _same_acquisition(one: SeriesFiles, other: SeriesFiles) -> bool:
    if one is other:
        return True
    frames = one.text(FRAME), other.text(FRAME)
    known = one.acquired and other.acquired and frames[0] == frames[1]
    return bool(known) and abs(_seconds(one, other)) <= SAME_ACQUISITION_S


def _seconds(one: SeriesFiles, other: SeriesFiles) -> float:
    """From the beginning of one to that of the other; 0 where a time is none."""
    try:
        times = [datetime.strptime(series.acquired, "%Y%m%d%H%M%S") for series in (one, other)]  # noqa: DTZ007
    except ValueError:
        return 0.0
    return (times[1] - times[0]).total_seconds()


def _grid(series: SeriesFiles) -> tuple[float, float, int]:
    """Distance of slices and of pixels in mm, number of slices."""
    _, places = series.places()
    try:
        pixel = float(series.text("PixelSpacing").split("\\")[0])
    except ValueError:
        pixel = 0.0
    return round(float(np.median(np.diff(places))), 2), round(pixel, 4), len(places)


def _in_words(told: _Told) -> str:
    assert told.role
    return f"{NAMES[told.role]} CT ({told.series.described()}) {told.sign}"


def _passed_over(passed: Sequence[tuple[SeriesFiles, str]]) -> str:
    """The rest, by kind."""
    counts = Counter(why or "another CT" for _, why in passed)
    named = ", ".join(f"{count} {why}" for why, count in counts.most_common(MOST_LISTED))
    return f"; left out: {named}" if named else ""


def _refusal(below: Below, series: list[SeriesFiles], why: str, remedy: str = REMEDY) -> InputError:
    listed = ", ".join(f"({_listed(one)})" for one in series[:MOST_LISTED])
    listed += f" and {len(series) - MOST_LISTED} more" if len(series) > MOST_LISTED else ""
    fact = f"DICOM of {len(series)} series, but {why}: {listed}" if listed else "no DICOM file"
    return InputError(below.folder, fact, remedy)


def _listed(series: SeriesFiles) -> str:
    why = left_out(series)
    return f"{series.described()}, {why}" if why else series.described()
