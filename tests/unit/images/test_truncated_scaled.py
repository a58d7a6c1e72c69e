"""A cut off JPEG that is decoded at a smaller scale."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from imgscore.errors import ImageError
from imgscore.images import truncated


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(232, 145), (145, 232), (231, 143)])
def test_load_cut_off_jpeg_of_any_size_and_scale_names_the_missing_rows(
    size: tuple[int, int], scale: int
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    data = file.getvalue()
    image = JpegImagePlugin.JpegImageFile(
        io.BytesIO(truncated.complete(data[: len(data) // 3], "JPEG"))
    )
    image.draft(None, (size[0] // scale, size[1] // scale))
    with pytest.raises(ImageError, match=r"with it \d\d % of the rows"):
        truncated.load(image)
