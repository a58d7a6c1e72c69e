"""decode() of files whose end is missing: first incomplete, later whole or damaged."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from imgscore.errors import ImageError
from imgscore.images.decode import decode
from imgscore.images.decode_errors import IncompleteImageError


@functools.cache
def sample(kind: str, *, size: tuple[int, int] = (640, 480), progressive: bool = False) -> bytes:
    """A picture without repeated rows."""
    width, height = size
    noise = np.random.default_rng(5).integers(0, 60, (height, width, 3))
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.dstack([x * 190 // width, y * 190 // height, (x + y) % 190]) + noise
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, kind, progressive=progressive)
    return stream.getvalue()


JPEG, PNG, PROGRESSIVE = sample("JPEG"), sample("PNG"), sample("JPEG", progressive=True)
NEARLY_WHOLE = {
    "JPEG without end marker": JPEG[:-2],
    "JPEG without the last byte": JPEG[:-1],
    "JPEG without end marker, with zeros": JPEG[:-2] + bytes(5000),
    "JPEG without 2 %": JPEG[: len(JPEG) * 98 // 100],
    "progressive JPEG without end marker": PROGRESSIVE[:-2],
    "progressive JPEG without 10 %": PROGRESSIVE[: len(PROGRESSIVE) * 90 // 100],
    "PNG without 2 %": PNG[: len(PNG) * 98 // 100],
}
DAMAGED = {
    "JPEG without 20 %": JPEG[: len(JPEG) * 80 // 100],
    "half a JPEG": JPEG[: len(JPEG) // 2],
    "half a JPEG, with zeros": JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2),
    "progressive JPEG without 70 %": PROGRESSIVE[: len(PROGRESSIVE) * 30 // 100],
    "PNG without 20 %": PNG[: len(PNG) * 80 // 100],
    "JPEG header": JPEG[:200],
}


@pytest.mark.parametrize("name", NEARLY_WHOLE | DAMAGED)
def test_decode_cut_off_file_that_may_still_grow_is_incomplete(name: str) -> None:
    with pytest.raises(IncompleteImageError):
        decode((NEARLY_WHOLE | DAMAGED)[name])


@pytest.mark.parametrize("name", NEARLY_WHOLE)
def test_decode_settled_file_that_is_nearly_whole_gives_pixels(name: str) -> None:
    kind = "PNG" if name.startswith("PNG") else "JPEG"
    whole = decode(sample(kind, progressive=name.startswith("progressive")))
    decoded = decode(NEARLY_WHOLE[name], settled=True)
    assert decoded.pixels.shape == whole.pixels.shape
    upper = len(whole.pixels) * 9 // 10
    difference = np.abs(decoded.pixels[:upper].astype(int) - whole.pixels[:upper])
    assert difference.mean() < 2
    # The pixels that are missing look like the pixels above them, and are not black.
    assert decoded.pixels[-1].mean() > 60


@pytest.mark.parametrize("name", DAMAGED)
def test_decode_settled_file_that_is_not_whole_is_damaged(name: str) -> None:
    with pytest.raises(ImageError, match=r"^damaged: ") as caught:
        decode(DAMAGED[name], settled=True)
    assert not isinstance(caught.value, IncompleteImageError) and caught.value.remedy


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "BMP", "GIF"])
def test_decode_settled_cut_off_file_of_another_format_is_not_decoded(kind: str) -> None:
    data = sample(kind)
    with pytest.raises(ImageError):
        decode(data[: len(data) * 70 // 100], settled=True)


def test_decode_settled_flat_image_without_end_marker_is_whole() -> None:
    """All its rows are alike, so that the missing rows cannot be counted by their values alone."""
    for mode in ("L", "RGB", "CMYK"):
        stream = io.BytesIO()
        Image.new(mode, (300, 200), 90 if mode == "L" else (90,) * len(mode)).save(stream, "JPEG")
        assert decode(stream.getvalue()[:-2], settled=True).pixels.std() == 0


def test_decode_settled_large_jpeg_without_end_marker_is_reduced() -> None:
    data = sample("JPEG", size=(4000, 3000))
    decoded = decode(data[:-2], settled=True)
    assert np.array_equal(decoded.pixels, decode(data).pixels)
    assert (decoded.traits.width, decoded.traits.height) == (4000, 3000)
