"""Load an image whose end is missing, if nearly all of the picture is there.

Viewers show such an image. Half an image must never be scored. Therefore this module counts the
missing rows, and refuses the image if there are too many.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin

from imgscore.errors import ImageError
from imgscore.images import jpeg, memory
from imgscore.images.memory import NeedsMemoryError

MAX_MISSING_SHARE = 1 / 16
"""The largest share of the rows that may be missing."""
STRIP_ROWS = 18
"""The number of rows that may be missing even if this is a larger share. A JPEG consists of strips
of up to 16 rows. If a strip is cut off, all its rows count as missing, and so do the two rows above
it that the decoder blends with it."""
MAX_STRIP_SHARE = 1 / 4
"""The largest share of the rows that may be missing in an image of a few strips."""
FORMATS = frozenset({"JPEG", "PNG"})
"""The formats for which this module can count the missing rows."""
_FILL = 0x5A
"""The value of all bytes before decoding. A row that still has only this value is missing."""
_MORE_PIXELS = bytes(range(1, 255)) * 16
"""Bytes that a JPEG decoder takes for coded pixels. There are enough for a few blocks. No byte is
0xFF, which would begin a marker."""
_BAND_ROWS = 64
"""The number of rows that are compared at once. A whole image would need much memory."""
REMEDY = "download or copy the file again"


def complete(data: bytes, name: str) -> bytes:
    """Return the bytes of a cut off file in the form that `load` expects.

    A download program may have filled the rest of the file with zeros. The zeros are removed,
    because they are also valid pixels. `name`: one of FORMATS.
    """
    data = data.rstrip(b"\0")
    if name != "JPEG":
        return data
    # With an end marker, libjpeg also decodes the last strip.
    return (data[:-1] if data.endswith(b"\xff") else data) + jpeg.EOI


def load(image: Image.Image) -> None:
    """Load an opened image from the bytes that `complete` returned.

    Rows that are missing get the pixels of the nearest row above that is there. Raises ImageError
    if too many rows are missing.
    """
    assert isinstance(image, ImageFile.ImageFile)
    missing = _missing_rows(image)
    rows = len(missing)
    count = int(missing.sum())
    if count > max(min(STRIP_ROWS, rows * MAX_STRIP_SHARE), rows * MAX_MISSING_SHARE):
        if memory.is_low_memory():
            # The rows may be missing because memory ran out.
            raise NeedsMemoryError("too large: memory ran out", memory.REMEDY_TOO_LARGE)
        share = f"{100 * count // rows} % of the rows"
        if count == rows:  # a progressive JPEG, whose first scans show a coarse picture
            share = "the details of the picture"
        raise ImageError(f"damaged: the end is missing, and with it {share}", REMEDY)
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        present = np.flatnonzero(~missing)
        for row in np.flatnonzero(missing):
            source = int(present[max(0, int(np.searchsorted(present, row)) - 1)])
            line = image.crop((0, source, image.width, source + 1))
            image.paste(line, (0, int(row)))


def _missing_rows(image: ImageFile.ImageFile) -> NDArray[np.bool_]:
    """Load an image as far as possible. Return for each row whether it is missing."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return _missing_rows_of_jpeg(image)
    # The decoder of PNG leaves a missing row unchanged.
    channels = len(image.getbands())
    image.im = Image.new(image.mode, image.size, _FILL if channels == 1 else (_FILL,) * channels).im
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return _by_rows(image.height, lambda top, bottom: _rows(image, top, bottom) == _FILL)


def _missing_rows_of_jpeg(image: JpegImagePlugin.JpegImageFile) -> NDArray[np.bool_]:
    """Load a JPEG to which `complete` has added the end marker. Return the missing rows.

    The decoder fills missing pixels with a colour. It therefore decodes the image twice, the second
    time with some more bytes before the end marker. If nothing is missing, it ignores these bytes.
    Otherwise the two results differ from the first missing row on.
    """
    assert isinstance(image.fp, io.BytesIO)
    data = image.fp.getvalue()
    image.load()
    if jpeg.is_progressive(data) and jpeg.has_whole_picture(data):
        return np.zeros(image.height, np.bool_)
    other = JpegImagePlugin.JpegImageFile(
        io.BytesIO(data.removesuffix(jpeg.EOI) + _MORE_PIXELS + jpeg.EOI)
    )
    # draft() rounds the wanted size in another way than the decoder rounds the size that results.
    width, height = other.size
    scale = next(s for s in (1, 2, 4, 8) if image.size == (-(-width // s), -(-height // s)))
    other.draft(None, (width // scale, height // scale))
    other.load()
    same = _by_rows(
        image.height,
        lambda top, bottom: _rows(image, top, bottom) == _rows(other, top, bottom),
    )
    return np.logical_or.accumulate(~same)


def _rows(image: Image.Image, top: int, bottom: int) -> NDArray[np.generic]:
    return np.asarray(image.crop((0, top, image.width, bottom)))


def _by_rows(height: int, compare: Callable[[int, int], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return for each row whether `compare` is true for all values of the row.

    `compare`: a function that returns a truth value for each value in the rows from `top` to
    `bottom`. It is called for some rows at a time.
    """
    result = np.empty(height, np.bool_)
    for top in range(0, height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, height)
        result[top:bottom] = compare(top, bottom).reshape(bottom - top, -1).all(axis=1)
    return result
