"""One slice of a case as pixels: greys, outlines, letters. All arrays are (z, y, x) in canonical orientation.

Axial slices have the face at the top and the patient's right on the left; the others have the head at the top, and the
patient's right, or the face, on the left.
"""

from dataclasses import dataclass

import numpy as np

from model.preview.font import dots
from model.structures import LABELS

PLANES = ("axial", "coronal", "sagittal")
# At the left, right, top and bottom of each plane.
LETTERS = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}
COLOURS = {"GTVp": (255, 79, 216), "GTVnd": (56, 198, 255)}
TEXT, DIM, AMBER = (255, 255, 255), (150, 150, 150), (255, 190, 80)
LETTER_COLOUR = (255, 220, 120)
# Of an outline, which lies within the mask.
THICKNESS = 2

Box = tuple[slice, slice, slice]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Slice:
    """What is shown: perpendicular to an axis (0 z, 1 y, 2 x) at this voxel of it, within the box; mm of a pixel."""

    axis: int
    at: int
    box: Box
    spacing_zyx: tuple[float, float, float]
    pixel_mm: float

    @property
    def plane(self) -> str:
        return PLANES[self.axis]

    @property
    def shape(self) -> tuple[int, int]:
        """In pixels."""
        rows, columns = (max(2, len(self._places(axis))) for axis in self._axes)
        return rows, columns

    @property
    def _axes(self) -> tuple[int, int]:
        """Of the array, down and across."""
        down, across = (axis for axis in range(3) if axis != self.axis)
        return down, across

    def _places(self, axis: int) -> np.ndarray:
        """Of each pixel along an axis of the array, in voxels of the input; from the top, or from the left."""
        start, stop, mm = self.box[axis].start, self.box[axis].stop, self.spacing_zyx[axis]
        count = max(2, round((stop - start) * mm / self.pixel_mm))
        places = start - 0.5 + (np.arange(count) + 0.5) * (stop - start) / count
        return places[::-1] if axis == 0 else places  # z grows to the head, which is at the top

    def of(self, array: np.ndarray, step: Triple = (1, 1, 1)) -> np.ndarray:
        """The whole slice, as it is in an array (z, y, x) that has one value for `step` voxels of the input."""
        return array.take(min(self.at // step[self.axis], array.shape[self.axis] - 1), self.axis)

    def sampled(self, plane: np.ndarray, step: Triple = (1, 1, 1)) -> np.ndarray:
        """float32 (rows, columns) of what is shown, linearly between the values of such a slice."""
        for axis, own in enumerate(self._axes):
            places = (self._places(own) - (step[own] - 1) / 2) / step[own]
            plane = _between(plane, places, axis)
        return plane


def _between(plane: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Linearly along an axis of a plane; beyond the first and the last the edge's value holds."""
    places = places.clip(0, plane.shape[axis] - 1)
    low = places.astype(int)
    high = np.minimum(low + 1, plane.shape[axis] - 1)
    part = (places - low).astype(np.float32)
    part = part[:, None] if axis == 0 else part
    below, above = (plane.take(index, axis).astype(np.float32) for index in (low, high))
    return np.asarray(below + part * (above - below))


def panel(view: Slice, grey: np.ndarray, step: Triple, labels: np.ndarray) -> np.ndarray:
    """RGB uint8 (rows, columns, 3): greys as `kept.py` has them, outlines of labels uint8 (z, y, x), letters."""
    greys = (view.sampled(view.of(grey, step), step) + 0.5).astype(np.uint8)
    pixels, drawn = greys[..., None].repeat(3, 2), view.of(labels)
    for structure, label in LABELS.items():
        if (mask := drawn == label).any():
            pixels[outline(view.sampled(mask) > 0.5)] = COLOURS[structure]
    _letters(pixels, LETTERS[view.plane])
    return pixels


def outline(mask: np.ndarray) -> np.ndarray:
    """The mask's pixels, bool (rows, columns), that are next to others; at the picture's edge there are none."""
    inner = mask
    for _ in range(THICKNESS):
        padded = np.pad(inner, 1, mode="edge")
        sides = padded[1:-1, :-2] & padded[1:-1, 2:] & padded[:-2, 1:-1] & padded[2:, 1:-1]
        inner = inner & sides
    return mask & ~inner


def _letters(pixels: np.ndarray, letters: str) -> None:
    rows, columns = pixels.shape[:2]
    left, right, top, bottom = (dots(letter) for letter in letters)
    height, width = left.shape
    if rows < 3 * height or columns < 3 * width:
        return
    for letter, y, x in (
        (left, (rows - height) // 2, 3),
        (right, (rows - height) // 2, columns - width - 1),
        (top, 2, (columns - width) // 2),
        (bottom, rows - height - 2, (columns - width) // 2),
    ):
        stamp(pixels, letter, y, x, LETTER_COLOUR, shadow=True)


def write(
    pixels: np.ndarray, text: str, y: int, x: int, colour: tuple[int, int, int], scale: int = 2
) -> None:
    """A line of text with its upper left corner there; what goes beyond the image is cut off."""
    stamp(pixels, dots(text, scale), y, x, colour)


def stamp(
    pixels: np.ndarray,
    shape: np.ndarray,
    y: int,
    x: int,
    colour: tuple[int, int, int],
    *,
    shadow: bool = False,
) -> None:
    """The true dots of a shape, in a colour; shadow: on black, one pixel beside."""
    for offset, ink in ((1, (0, 0, 0)), (0, colour)) if shadow else ((0, colour),):
        part = pixels[y + offset : y + offset + len(shape), x + offset : x + offset + shape.shape[1]]
        part[shape[: part.shape[0], : part.shape[1]]] = ink
