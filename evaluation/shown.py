"""A case as the page shows it: pictures where to look, and its slices."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from evaluation.lesions import components
from evaluation.metrics import Spacing
from evaluation.pictures import position, strip
from evaluation.reading import UNUSABLE, Masks
from evaluation.scene import Scene
from evaluation.slices import encode
from evaluation.targets import Target, look, middle

# Of the page, and of one case however few there are.
MOST_BYTES, MOST_BYTES_A_CASE = 14_000_000, 3_000_000
# With more cases, the worst ones are shown, so that the page stays of a size that opens.
MOST_CASES = 60
# Of a case's bytes; the rest is for the slices.
SHARE_OF_PICTURES = 0.6


@dataclass(frozen=True)
class Picture:
    """What is seen, where it is, and the picture as a data URL."""

    words: str
    position: str
    url: str


@dataclass(frozen=True)
class ShownCase:
    """problem: why there is nothing to see. further: what could be looked at beyond the pictures, in words.

    volumes: by structure, cm³ and lesions of the prediction.
    """

    number: int
    name: str
    problem: str = ""
    pictures: list[Picture] = field(default_factory=list)
    further: list[str] = field(default_factory=list)
    slices: dict[str, Any] | None = None
    volumes: dict[str, tuple[float, int]] = field(default_factory=dict)


def show_case(
    number: int, name: str, read: Callable[[], Scene], tolerance_mm: float, cases: int
) -> ShownCase:
    """Reads and draws one of so many cases; one that cannot be read says why."""
    try:
        scene = read()
    except UNUSABLE as error:
        return ShownCase(number, name, _problem(error))
    errors, targets, left_out = look(scene)
    most_bytes = min(MOST_BYTES_A_CASE, MOST_BYTES // max(1, cases))
    pictures: list[Picture] = []
    room = SHARE_OF_PICTURES * most_bytes
    for target in targets or _middles(scene):
        url = f"data:image/webp;base64,{base64.b64encode(strip(scene, errors, target.at, tolerance_mm)).decode()}"
        if pictures and len(url) > room:
            break
        room -= len(url)
        pictures.append(Picture(target.words, _place(scene, target), url))
    used = sum(len(picture.url) for picture in pictures)
    further = [target.words for target in targets[len(pictures) :]]
    further += [f"{left_out} smaller lesion{'s' * (left_out > 1)}"] if left_out else []
    slices = encode(scene, errors, most_bytes - used, tolerance_mm)
    return ShownCase(
        number,
        name,
        pictures=pictures,
        further=further,
        slices=slices | {"name": name, "targets": [_as_values(t, slices["blocks"]) for t in targets]},
        volumes=_volumes(scene.prediction, scene.spacing_zyx),
    )


def measure_case(number: int, name: str, read: Callable[[], Masks]) -> ShownCase:
    """Of a case that the page has no room to show, the volumes alone; or why it cannot be read."""
    try:
        masks = read()
    except UNUSABLE as error:
        return ShownCase(number, name, _problem(error))
    return ShownCase(number, name, volumes=_volumes(masks.arrays, masks.grid.spacing_zyx))


def _problem(error: BaseException) -> str:
    return str(error) or "more memory is needed than there is"


def _middles(scene: Scene) -> list[Target]:
    """Of each structure that has voxels, where nothing is wrong."""
    found = [(s, at) for s in scene.prediction | scene.reference if (at := middle(scene, s)) is not None]
    return [Target("middle", structure, at, 0.0) for structure, at in found]


def _place(scene: Scene, target: Target) -> str:
    return ", ".join(position(scene, target.at, axis) for axis in (2, 1, 0))


def _as_values(target: Target, blocks: list[int]) -> dict[str, Any]:
    """Of a target, with its block (z, y, x) in the slices."""
    return {"words": target.words, "at": [i // b for i, b in zip(target.at, blocks, strict=True)]}


def _volumes(masks: dict[str, np.ndarray], spacing_zyx: Spacing) -> dict[str, tuple[float, int]]:
    voxel_cm3 = prod(spacing_zyx) / 1000
    return {s: (int(m.sum()) * voxel_cm3, int(components(m).max())) for s, m in masks.items()}
