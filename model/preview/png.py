"""PNG files, as ISO/IEC 15948 has them: one image of 8-bit RGB, not interlaced."""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Rows are stored as the difference to the row above: filter type 2.
UP = 2
# Of zlib: more takes longer and gains next to nothing on noise.
LEVEL = 3


def png(pixels: np.ndarray) -> bytes:
    """The file of an image, uint8 (rows, columns, 3), the first row at the top."""
    rows, columns, _ = pixels.shape
    lines = np.empty((rows, 1 + 3 * columns), np.uint8)
    lines[:, 0] = UP
    flat = pixels.reshape(rows, -1)
    lines[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=lines[1:, 1:])  # modulo 256, as it is meant
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(lines.tobytes(), LEVEL))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
