"""Whether a CT was taken with contrast agent, by the words that people wrote: a series' description, its agent."""

import re
import unicodedata
from typing import Literal

Role = Literal["plain", "contrast"]

_WITHOUT = r"(?:without|w ?/? ?o|no|non|not|ohne|o|sans|sin|senza|sem|zonder|uden|utan|uten|bez|без)"
# What is injected, in many languages; "km" is Kontrastmittel, "mdc" mezzo di contrasto, "civ" contraste intravenoso.
_MEDIUM = (
    r"(?:contrast\w*|kontrast\w*|контраст\w*|km|iv|i v|inj|inject\w*|iniett\w*|inyec\w*|mdc|civ|ce|enhanc\w*)"
)
_PLAIN = (
    rf"\b{_WITHOUT}[ /-]*(?:iv |i v )?{_MEDIUM}\b",
    r"\b(?:un|non) ?-? ?enhanced\b",
    rf"\b(?:pre|vor|avant|antes|prima|до)[ -]*{_MEDIUM}\b",
    r"\b(?:noncon\w*|nativ\w*|натив\w*|plain|nc|ncct|nect|unenhanced|blanco|basale?|simple|precontrast)\b",
    r"\b(?:km|iv|contrast|kontrast) ?-(?= |$)",
    # "C-", "-C", but not "C-spine"; "s/c" is sin contraste.
    r"(?<![a-z0-9])c ?-(?![a-z0-9-])",
    r"(?:(?<= )|^)- ?c(?![a-z0-9])",
    rf"\bs ?/ ?(?:c|{_MEDIUM})\b",
    r"^ *pre *$",
    r"平扫|平掃|単純|单纯|非造影|造影前|非增强|增强前|비조영|조영 ?전",
)
_CONTRAST = (
    rf"\b{_MEDIUM}\b",
    rf"\bpost[ -]*{_MEDIUM}\b",
    r"\b(?:cect|arteri\w*|venos\w*|venous|veneu\w*|veineu\w*|venoes|delayed|postcontrast)\b",
    r"(?<![a-z0-9])c ?\+|\+ ?c(?![a-z0-9])|\bc/c\b",
    r"^ *post *$",
    r"增强|增強|造影|조영",
)
_NO_AGENT = re.compile(
    rf"(?:(?!non ?-? ?ion){_WITHOUT}\b.*|none|nil|n/?a|nein|null|unknown|unbekannt|0+|-+"
    r"|oral\b(?!.*\b(?:iv|i v)\b).*|p ?o|per os)?"
)
# One series that is called after both: "with and without contrast", "W/WO", "pre/post".
_AND = r" ?(?:/|&|\+|-|and|und|et|y|e|u)* ?"
_BOTH = re.compile(
    rf"\b(?:w|with|mit|avec|con){_AND}(?:w ?/? ?o|without|ohne|sans|sin)\b"
    rf"|\b(?:w ?/? ?o|without|ohne|sans|sin){_AND}(?:w|with|mit|avec|con)\b"
    rf"|\bpre{_AND}post\b"
)


def role_by_words(text: str) -> Role | None:
    """What a description says of contrast; None where it says nothing, or both."""
    text = _plainly(text)
    if _BOTH.search(text):
        return None
    rest, found = text, 0
    for pattern in _PLAIN:
        rest, count = re.subn(pattern, " | ", rest)
        found += count
    contrast = any(re.search(pattern, rest) for pattern in _CONTRAST)
    if found:
        return None if contrast else "plain"
    return "contrast" if contrast else None


def is_agent(text: str) -> bool:
    """Whether a ContrastBolusAgent says that one was injected: not empty, "NONE" or "ORAL"."""
    return not _NO_AGENT.fullmatch(_plainly(text).strip())


def _plainly(text: str) -> str:
    """In lower case, without accents, with single blanks for what only parts words."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    parts = "".join(character for character in parts if unicodedata.category(character) != "Mn")
    return re.sub(r"[\s_.,;:()\[\]^\\]+", " ", unicodedata.normalize("NFC", parts))
