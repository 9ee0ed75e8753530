"""What the name of a file or folder says about the masks in it: GTVp, GTVnd, another structure, or nothing.

Names are compared without case, separators and accents, so that GTVp, gtv_p, GTV-P and "Primary tumour" are one.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_GTV = r"(?:gtv|grosstumou?rvolume)s?"
_PRIMARY = r"(?:primar(?:y|ies|ius|tumou?r)?|primaire)"
_NODES = r"(?:lymph(?:nodes?|nodal|knoten|adenopathy|atic)?|nodes?|nodal|adenopathy)"
# Words that tell nothing apart, which other words may be joined to.
_TAIL = (
    r"(?:volumes?|tumou?rs?|lesions?|disease|metasta(?:sis|ses|tic)|mets|"
    r"masks?|seg(?:mentation)?s?|labels?|pred(?:iction)?s?)*"
)
_PATTERNS = {
    # nx: nasopharynx, as SegRap's files once had it. t and n: as in TNM.
    "GTVp": re.compile(rf"{_GTV}(?:p|pt|t|nx|prim|{_PRIMARY}){_TAIL}|{_PRIMARY}(?:{_GTV})?{_TAIL}"),
    "GTVnd": re.compile(rf"{_GTV}(?:n|nd|ln|rpn|rpln|{_NODES}){_TAIL}|{_NODES}(?:{_GTV})?{_TAIL}"),
}
# Nodes only as a name's last word (elsewhere they are initials and hospitals), or as the end of one ("allnodes").
_LAST = re.compile(r"lns?|nds?")
_FUSED = re.compile(rf"\w+nodes{_TAIL}")
# Structures only where another file of the case says the other one.
_LAST_WORDS = {"p": "GTVp", "t": "GTVp", "tumor": "GTVp", "tumour": "GTVp", "n": "GTVnd"}
_ROLES = re.compile(
    r"masks?|segs?|segmentations?|labels?|contours?|preds?|predictions?|predicted|refs?|references?|gts?|ground|truth|"
    r"manual|auto|results?|outputs?|rois?|rtstruct|structures?|tr|ts|binary|bin|and|of|the"
)
_SIDES = ("l", "r", "left", "right")
_ORGANS = re.compile(
    r"brain|brainstem|(?:optic)?chiasm|temporallobe|hippocampus|eyes?|lens|opticnerve|middleear|iac|tympaniccavity|"
    r"vestibulsemi|cochlea|etbone|pituitary|oralcavity|mandible|submandibular|parotid|mastoid|tmjoint|spinalcord|"
    r"o?esophagus|larynx|larynxglottic|larynxsupraglot\w*|pharynxconst|thyroid|trachea|lips|body|external|skin|couch"
)
_OTHER_VOLUMES = re.compile(r"[a-z]?(?:ctv|ptv|itv)\w*")
_COHORT = re.compile(r"(cohort|set|cent(?:er|re)|site|hospital)[ _-]*(\d+|[a-z])")
_LONGEST_TERM = 6  # words
_SEPARATORS = " _-.,+()[]"


@dataclass(frozen=True)
class Said:
    """What a name says. rest: what is left of it, which tells cases apart; "" where only words like "mask" are left.

    hint: the structure that a last word p, t, tumour or n means if another file of the case says the other one.
    fault: why it is not clear, although it speaks of a GTV.
    """

    structure: str | None
    rest: str
    other: bool = False
    hint: str | None = None
    fault: str | None = None


@dataclass(frozen=True)
class _Word:
    text: str  # without case and accents
    start: int
    stop: int


def what_name_says(name: str) -> Said:
    """Of a file's name without its suffix, or a folder's."""
    words = _words(name)
    terms = _terms(words)
    structures = {structure for structure, _, _ in terms}
    if volumes := [word for word in words if _OTHER_VOLUMES.fullmatch(word.text)]:
        return Said(None, _without(name, [(word.start, word.stop) for word in volumes]), other=True)
    if len(structures) == 2:
        side_by_side = len(terms) == 2 and not _meaningful(name[terms[0][2] : terms[1][1]])
        both_gtv = all("gtv" in name[start:stop].lower() for _, start, stop in terms)
        fault = None if side_by_side and both_gtv else "its name says both GTVp and GTVnd"
        return Said(None, name, fault=fault)
    if structures:
        return Said(structures.pop(), _without(name, [(start, stop) for _, start, stop in terms]))
    if any("gtv" in w.text and not re.fullmatch(_GTV + _TAIL, w.text) for w in words) or _numbered_gtv(words):
        return Said(None, name, fault="its name says GTV, but not which")
    if organ := _organ_from(words):
        return Said(None, _meaningful(name[: organ.start]), other=True)
    if len(words) and (hint := _LAST_WORDS.get(words[-1].text)):
        return Said(None, name, hint=hint)
    return Said(None, name)


def without_last_word(name: str) -> str:
    """What is left of a name whose last word says the structure."""
    return _meaningful(name[: _words(name)[-1].start])


def says_nothing(name: str) -> bool:
    """Whether it is nothing but words like "mask" and "prediction", or empty."""
    words = _words(name)
    return all(_ROLES.fullmatch(word.text) for word in words) and bool(words or not name)


def cohort_in(parts: tuple[str, ...]) -> str:
    """The first of these names of folders that is a cohort's, such as Cohort1, "Set A" or centre-3; else empty."""
    return next((part for part in parts if _COHORT.fullmatch(_plain(part))), "")


def cohort_itself(name: str) -> tuple[str, ...]:
    """What is one for all spellings of a cohort's name (Cohort1, cohort_01); empty where it is none."""
    found = _COHORT.fullmatch(_plain(name))
    return (found[1].replace("centre", "center"), found[2].lstrip("0")) if found else ()


def one_form(name: str, form: Literal["NFC", "NFD"] = "NFC") -> str:
    """One for all Unicode forms of a name: some systems have an umlaut as two characters, and it looks the same."""
    return unicodedata.normalize(form, name)


def alike(name: str, other: str) -> bool:
    """Whether two names of cases differ in nothing that tells cases apart: as X_pred and x, or case_1 and run/case_001.

    That is case, separators, words like "pred", zeros in front of numbers, and folders above.
    """
    ours, theirs = ([_told(part) for part in (n, *n.split("/"))] for n in (name, other))
    return bool((ours[0] and ours[0] in theirs) or (theirs[0] and theirs[0] in ours))


def meant(name: str, among: Iterable[str]) -> str | None:
    """The only one of these names that differs from it in what tells no cases apart, as X_pred from X."""
    near = [other for other in among if alike(name, other)]
    return near[0] if len(near) == 1 else None


def _told(name: str) -> str:
    words = [word for word in re.split(r"[\W_]+", _plain(name)) if word and not _ROLES.fullmatch(word)]
    return " ".join(word.lstrip("0") or "0" for word in words)


def _words(name: str) -> list[_Word]:
    """Runs of letters or digits, also cut where small letters meet a capital and before "gtv"."""
    words = []
    for run in re.finditer(r"\d+|[^\W\d_]+", name):
        inner = re.finditer(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=gtv)|(?<=.)(?=GTV)", run[0])
        cuts = [run.start(), *(run.start() + cut.start() for cut in inner), run.end()]
        words += [_Word(_plain(name[a:b]), a, b) for a, b in zip(cuts, cuts[1:], strict=False)]
    return words


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def _terms(words: list[_Word]) -> list[tuple[str, int, int]]:
    """Structures that are named, each with the place of its words; the longest terms count."""
    terms, at = [], 0
    while at < len(words):
        for stop in range(min(at + _LONGEST_TERM, len(words)), at, -1):
            text = "".join(word.text for word in words[at:stop])
            found = [structure for structure, pattern in _PATTERNS.items() if pattern.fullmatch(text)]
            if not found and stop == at + 1 and _says_nodes(text, is_last=stop == _last_of(words)):
                found = ["GTVnd"]
            if found:
                terms += [(structure, words[at].start, words[stop - 1].stop) for structure in found]
                at = stop
                break
        else:
            at += 1
    return terms


def _says_nodes(word: str, is_last: bool) -> bool:
    """In ways that are none if several words are joined."""
    return bool((is_last and _LAST.fullmatch(word)) or _FUSED.fullmatch(word))


def _last_of(words: list[_Word]) -> int:
    """How many words are left without those at the end that tell nothing apart."""
    count = len(words)
    while count > 1 and _ROLES.fullmatch(words[count - 1].text):
        count -= 1
    return count


def _numbered_gtv(words: list[_Word]) -> bool:
    """GTV1: one of several."""
    return any(
        a.text == "gtv" and b.text.isdigit() and a.stop == b.start
        for a, b in zip(words, words[1:], strict=False)
    )


def _organ_from(words: list[_Word]) -> _Word | None:
    """The word where an organ's name begins that ends this name, but for its side."""
    count = _last_of(words)
    while count > 1 and words[count - 1].text in _SIDES:
        count -= 1
    for start in range(max(0, count - 3), count):
        if _ORGANS.fullmatch("".join(word.text for word in words[start:count])):
            return words[start]
    return None


def _without(name: str, places: list[tuple[int, int]]) -> str:
    """What is left without these parts of it."""
    parts, at = [], 0
    for start, stop in places:
        parts.append(name[at:start])
        at = stop
    parts.append(name[at:])
    return _meaningful("_".join(part for part in (p.strip(_SEPARATORS) for p in parts) if part))


def _meaningful(rest: str) -> str:
    rest = rest.strip(_SEPARATORS)
    return "" if says_nothing(rest) else rest
