"""Written images against Pillow, which reads them."""

import io

import numpy as np
import pytest
from PIL import Image

from model.preview.png import png


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (40, 301, 3)])
def test_what_was_drawn_is_read(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    content = png(pixels)
    Image.open(io.BytesIO(content)).verify()  # checksums
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.mode) == ("PNG", "RGB")
    np.testing.assert_array_equal(np.asarray(image), pixels)
