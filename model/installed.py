"""What is installed: this version of the code, and the weights that are taken where none are named."""

import hashlib
from pathlib import Path

from model import VERSION
from model.errors import reason

NAME = "gtv.pt"
# In the image, or in the repository.
BUNDLED = Path(__file__).resolve().parents[1] / "weights" / NAME
# Where grand-challenge unpacks a model that was uploaded apart from the image.
UPLOADED = Path("/opt/ml/model")
CHUNK = 1 << 20


def usual_weights() -> Path:
    """The uploaded weights file where there is one, else the bundled one."""
    uploaded = UPLOADED / NAME
    return uploaded if uploaded.is_file() else BUNDLED


def remarks(weights: Path) -> list[str]:
    """What is to be said of a weights file that is about to be used; also what was uploaded under another name."""
    if weights == UPLOADED / NAME:
        return [f"weights: {weights}, uploaded apart from the image"]
    try:
        names = sorted(path.name for path in UPLOADED.iterdir())
    except OSError:
        names = []
    if weights == BUNDLED and names:
        shown = ", ".join(names[:3])
        return [f"warning: {UPLOADED} holds {shown} but no {NAME}: the bundled weights are used"]
    return []


def version_lines(weights: Path | None = None) -> str:
    """Code and weights, the usual ones if none are given: two lines; the hash is what sha256sum prints."""
    weights = weights or usual_weights()
    try:
        said = f"sha256 {sha256_of(weights)}"
    except OSError as error:
        said = f"cannot be read ({reason(error)})"
    return f"gtvseg {VERSION}\nweights {weights}, {said}"


def sha256_of(path: Path) -> str:
    """Of a file's content, as sha256sum prints it. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
