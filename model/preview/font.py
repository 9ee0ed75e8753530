"""Text as pixels: a font of 5 x 7 dots, drawn larger."""

import textwrap
import unicodedata

import numpy as np

# For each character from the blank to the tilde its five columns, from left to right; the lowest bit is the top row.
_COLUMNS = bytes.fromhex(
    "0000000000 00005F0000 0007000700 147F147F14 242A7F2A12 2313086462 3649552250 0005030000"
    "001C224100 0041221C00 14083E0814 08083E0808 0050300000 0808080808 0060600000 2010080402"
    "3E5149453E 00427F4000 4261514946 2141454B31 1814127F10 2745454539 3C4A494930 0171090503"
    "3649494936 064949291E 0036360000 0056360000 0814224100 1414141414 0041221408 0201510906"
    "324979413E 7E1111117E 7F49494936 3E41414122 7F4141221C 7F49494941 7F09090901 3E4149497A"
    "7F0808087F 00417F4100 2040413F01 7F08142241 7F40404040 7F020C027F 7F0408107F 3E4141413E"
    "7F09090906 3E4151215E 7F09192946 4649494931 01017F0101 3F4040403F 1F2040201F 3F4038403F"
    "6314081463 0708700807 6151494543 007F414100 0204081020 0041417F00 0402010204 4040404040"
    "0001020400 2054545478 7F48444438 3844444420 384444487F 3854545418 087E090102 0C5252523E"
    "7F08040478 00447D4000 2040443D00 7F10284400 00417F4000 7C04180478 7C08040478 3844444438"
    "7C14141408 081414187C 7C08040408 4854545420 043F444020 3C4040207C 1C2040201C 3C4030403C"
    "4428102844 0C5050503C 4464544C44 0008364100 00007F0000 0041360800 0804081008"
)
_OTHERS = {"³": "0011150A00", "°": "0006090906", "±": "44445F4444", "×": "2214081422"}
WIDTH, HEIGHT = 6, 9  # dots of a character with the space around it
UNKNOWN = "?"


def _dots(columns: bytes) -> np.ndarray:
    """bool (HEIGHT, WIDTH)."""
    dots = np.zeros((HEIGHT, WIDTH), bool)
    bits = np.unpackbits(np.frombuffer(columns, np.uint8)[:, None], axis=1, bitorder="little")
    dots[1:8, :5] = bits.T[:7]
    return dots


_GLYPHS = {chr(32 + k): _dots(_COLUMNS[5 * k : 5 * k + 5]) for k in range(95)}
_GLYPHS |= {character: _dots(bytes.fromhex(columns)) for character, columns in _OTHERS.items()}


def dots(text: str, scale: int = 2) -> np.ndarray:
    """One line of text, bool (HEIGHT · scale, characters · WIDTH · scale)."""
    glyphs = [_GLYPHS[character] for character in drawable(text)]
    line = np.concatenate(glyphs, axis=1) if glyphs else np.zeros((HEIGHT, 0), bool)
    return line.repeat(scale, 0).repeat(scale, 1)


def drawable(text: str) -> str:
    """The same in the characters that there are: without accents, and ? for what cannot be drawn."""
    plain = []
    for character in text:
        base = unicodedata.normalize("NFKD", character)[:1]
        plain.append(next((c for c in (character, base) if c in _GLYPHS), UNKNOWN))
    return "".join(plain)


def wrapped(text: str, pixels: int, scale: int = 2) -> list[str]:
    """Lines that are no wider."""
    return textwrap.wrap(text, max(1, pixels // (WIDTH * scale))) or [""]
