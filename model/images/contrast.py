"""Whether a CT was taken with contrast agent, or for bone, by the words that people wrote: a description, an agent."""

import re
import unicodedata
from typing import Literal

Role = Literal["plain", "contrast"]

_WITHOUT = r"(?:without|w ?[/-]? ?o(?:ut)?|ohne|sans|sin|senza|sem|zonder|uden|utan|uten|bez|ilman|без)"
_NO = (
    rf"(?:{_WITHOUT}|no|non|not|kein\w*|nicht|geen|niet|ing[ae]n|inget|ikke|aucun\w*|pas|nessun\w*|ningun\w*"
    r"|nenhum\w*|nem|не|нет)"
)
_WITH = r"(?:with|w|mit|avec|con|com|met|med|z|s|с)"
_AFTER = r"(?:post|nach|apres|after|dopo|despues|apos|po|после)"
_BEFORE = r"(?:before|prior to|vor|voor|avant|antes|prima|przed|før|до)"
# What is injected, in many languages; "km" is Kontrastmittel, "mdc" mezzo di contrasto, "civ" contraste intravenoso.
_MEDIUM = (
    r"(?:contrast\w*|kontrasz?t\w*|контраст\w*|varjoaine\w*|km|iv|i v|inj|inject\w*|injek\w*|iniett\w*|iniez\w*"
    r"|inyec\w*|mdc|m d c|civ|ce|enhanc\w*)"
)
_PHASE = r"(?:cect|arteri\w*|venos\w*|venous|veneu\w*|veineu\w*|venoes|delayed)"
# Words that may stand between a negation and the medium and leave the sense as it is.
_BETWEEN = r"[ /'’-]"
_FILLERS = (
    rf"(?:{_BETWEEN}+(?:any|the|of|iv|i v|ev|intraven\w*|endoven\w*|iod\w*|jod\w*|yod\w*|medi[ou]m?|mezzo|meio|m"
    r"|produit|product|agent|use|admini\w*|gabe|von|de|del|della|di|do|da|d|la|l|srodka|podani\w*"
    rf"|в/в|внутривен\w*|введени\w*))*"
)
_MANY_WORDS = rf"(?:{_BETWEEN}+(?!(?:{_WITH}|{_AFTER}|m)\b)\w+){{0,3}}?{_BETWEEN}+"
# Negations that are not of the medium: of a correction, a gap, a tilt, or in "non-ionic", which is a medium.
_OF_ELSE = rf"\b{_NO}[ -]*(?:\w{{0,5}}mar|gap|tilt\w*|ioni\w*)\b"
_SHARP_WORDS = re.compile(
    r"\b(bone|knochen|lung\w*|osseux|hueso|ossea|oseo|osso|sharp|edge)\b", re.IGNORECASE
)
_SHARP_KERNEL = re.compile(r"(bone|lung|edge|fc[358]\d|[a-z]{1,2}[6-9]\d)", re.IGNORECASE)
_PLAIN = (
    # Without iodine may still be with something else.
    rf"\b(?!non ?-? ?iod){_NO}{_FILLERS}{_BETWEEN}*{_MEDIUM}\b(?:[ -]+(?:enhanc\w*|iv|i v|ev)\b)*",
    r"\bo[ /]*(?:i ?v ?-? ?)?(?:km|kontrast\w*)\b",
    rf"\b{_NO}[ -]*c ?\+",
    r"\b(?:un|non) ?-? ?enhanced\b",
    rf"\b(?:pre|{_BEFORE}){_FILLERS}{_BETWEEN}*{_MEDIUM}\b",
    r"\b(?:noncon\w*|nativ\w*|натив\w*|plain|nc|ncct|nect|unenhanced|blanco|basale?|simple|precontrast)\b",
    r"\b(?:[ck]ontrast\w*(?:less|free|frei|fri|siz)|бесконтраст\w*)\b",
    rf"\b{_MEDIUM}[ -]*free\b",
    rf"\b(?:{_MEDIUM}[ -]+)+(?:no|non|none|nil|nein|kein\w*|нет|neg\w*|0(?: ?ml| ?cc)?"
    r"|(?:not|nicht) (?:given|used|applied|inject\w*|admini\w*|gegeben))$",
    rf"\b{_MEDIUM}(?:-(?= )| ?-$)",
    # "C-", "-C", but not "C-spine"; "s/c" is sin contraste.
    r"(?<![a-z0-9])c ?-(?![a-z0-9-])",
    r"(?:(?<= )|^)- ?c(?![a-z0-9])",
    rf"\bs ?/ ?(?:c|{_MEDIUM})\b",
    r"^ *pre *$",
    r"平扫|平掃|単純|单纯|造影前|增强前|增強前|[비무] ?조영|조영 ?전",
    r"[非无無未不](?:使用|注射|用)?(?:增强|增強|造影[剂劑剤]?)",
    r"(?:造影[剂劑剤]?|增强|增強) ?(?:なし|ナシ|無し|无|無)|조영제? ?(?:없|미사용)",
)
_CONTRAST = (
    rf"\b{_MEDIUM}\b",
    rf"\b(?:{_PHASE}|postcontrast)\b",
    r"(?<![a-z0-9])c ?\+|\+ ?c(?![a-z0-9])|\bc/c\b",
    r"^ *post *$",
    r"增强|增強|造影|조영",
)
# A negation near the medium in a way that no rule above knows: whatever it means, it is not to be guessed.
_DOUBT = re.compile(
    rf"\b(?:{_NO}|{_BEFORE}|neg\w*){_MANY_WORDS}(?:{_MEDIUM}|{_PHASE})\b"
    rf"|\b(?:{_MEDIUM}|{_PHASE})(?:{_BETWEEN}+\w+){{0,2}}{_BETWEEN}+(?:{_NO}|none|nein)\b"
    rf"|\b{_MEDIUM} - "
    r"|[非无無未不没沒]\w{0,4}(?:增强|增強|造影)|(?:增强|增強|造影|조영)\w{0,3} ?(?:な[しい]|[无無未不没沒없안])"
)
_NO_AGENT = re.compile(
    rf"(?:(?!non ?-? ?ion)(?:{_NO}|o)\b.*|(?:none|nil)\b.*|n|n[ /]?a|nope|false|f|null|un(?:known|defined|bekannt)"
    r"|0+(?: ?ml| ?cc)?|(?:nacl|saline|water|wasser|h2o)[ \d%]*"
    r"|oral\b(?!.*\b(?:iv|i v)\b).*|p ?o|per os)?"
)
# One series that is called after both: "with and without contrast", "W/WO", "pre/post".
_AND = r" *(?:(?:/|&|\+|-|and|und|et|y|e|u|en|og|och|o|i|и) *)*"
_BOTH = re.compile(
    rf"\b{_WITH}{_AND}{_WITHOUT}\b|\b{_WITHOUT}{_AND}{_WITH}\b"
    rf"|\b(?:pre|{_BEFORE}){_AND}{_AFTER}\b|\b(?:m ?/ ?o|o ?/ ?m)\b"
)


def role_by_words(text: str) -> Role | None:
    """What a description says of contrast; None where it says nothing, or both, or in a way that is not understood."""
    text = _plainly(text).strip()
    if _BOTH.search(text):
        return None
    rest, found = re.sub(_OF_ELSE, " ", text), 0
    for pattern in _PLAIN:
        rest, count = re.subn(pattern, " | ", rest)
        found += count
    if _DOUBT.search(rest):
        return None
    contrast = any(re.search(pattern, rest) for pattern in _CONTRAST)
    if found:
        return None if contrast else "plain"
    return "contrast" if contrast else None


def is_agent(text: str) -> bool:
    """Whether a ContrastBolusAgent says that one was injected: not empty, "NONE", "ORAL", or words for a plain CT."""
    plainly = _plainly(text).strip(" -<>\"'/*")
    return not _NO_AGENT.fullmatch(plainly) and role_by_words(text) != "plain"


def _plainly(text: str) -> str:
    """In lower case, without accents, with single blanks for what only parts words."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    parts = "".join(character for character in parts if unicodedata.category(character) != "Mn")
    return re.sub(r"[\s_.,;:()\[\]^\\]+", " ", unicodedata.normalize("NFC", parts))


def is_sharp(kernel: str, description: str) -> bool:
    """Whether a series' convolution kernel is one for bone or lung, by its name or what the description says."""
    return bool(_SHARP_KERNEL.match(kernel) or _SHARP_WORDS.search(description.replace("_", " ")))
