"""What an image file says of itself before its voxels, read here rather than by ITK.

ITK's readers of headers end the process on some damaged ones, print on stderr by themselves, and guess where a header
contradicts itself. Here nothing of a file reaches native code but its voxels.
"""

from dataclasses import dataclass

from model.images.stored import Stored


@dataclass(frozen=True)
class Header:
    """Size, spacing in mm, origin in mm and direction (9 cosines row by row) in SimpleITK's convention: (x, y, z), LPS.

    size_xyz may have a fourth axis, of channels; the others are of the first three. voxels: where they lie in the file.
    oddities: what is strange about it, a few words each, though it can be read.
    """

    size_xyz: tuple[int, ...]
    spacing_xyz: tuple[float, ...]
    origin_xyz: tuple[float, ...]
    direction: tuple[float, ...]
    voxels: Stored
    oddities: tuple[str, ...] = ()


def longer_axes(size_xyz: tuple[int, ...]) -> tuple[int, ...]:
    """x, y, z and more axes as far as they are longer than 1: some programs write one volume as several with one."""
    while len(size_xyz) > 3 and size_xyz[-1] == 1:
        size_xyz = size_xyz[:-1]
    return size_xyz
