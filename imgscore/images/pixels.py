"""Any Pillow mode → 8-bit RGB of a working size, in bands: memory stays near the decoder's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# What transparent pixels stand on. Clip art and icons come in black and in white; mid-grey shows
# both, and a network trained on photographs meets it more often than either extreme.
BACKGROUND = (128, 128, 128)
BAND_PIXELS = 1 << 20
WIDE_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})


def working_pixels(image: Image.Image, target: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
    """A loaded image → RGB pixels [h, w, 3] at least `target` (width, height) where it can, and
    whether any pixel is not opaque.

    Whole-number box reduction only: the exact resize is left to who needs a size. Transparency is
    laid on BACKGROUND before anything is averaged, so that hidden colours never show.
    """
    across = max(1, image.width // target[0])
    down = max(1, image.height // target[1])
    rows = max(1, BAND_PIXELS // image.width // down) * down
    scale = _wide_range(image) if image.mode in WIDE_MODES else (0.0, 1.0)
    result = Image.new("RGB", (-(-image.width // across), -(-image.height // down)))
    see_through = False
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        band, opaque = _rgb(band, scale)
        see_through = see_through or not opaque
        result.paste(band.reduce((across, down)), (0, top // down))
    return np.asarray(result), see_through


def _rgb(band: Image.Image, scale: tuple[float, float]) -> tuple[Image.Image, bool]:
    """One band as RGB, and whether all of it is opaque."""
    if band.mode in WIDE_MODES:
        low, high = scale
        values = np.nan_to_num(np.asarray(band, dtype=np.float64))
        values = np.clip((values - low) * (255.0 / (high - low)), 0, 255)
        return Image.fromarray(values.astype(np.uint8)).convert("RGB"), True
    if not band.has_transparency_data:
        return band.convert("RGB"), True
    band = band.convert("RGBA")
    alpha = band.getchannel("A")
    result = Image.new("RGB", band.size, BACKGROUND)
    result.paste(band, mask=alpha)
    return result, alpha.getextrema() == (255, 255)


def _wide_range(image: Image.Image) -> tuple[float, float]:
    """The values shown as black and white. Pillow's own conversion clips at 255: nearly all white.

    16-bit integers have a full scale; wider ones and floats have none, so what they hold decides:
    within 0…1 or 0…65535 that range, else their own extremes.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = (float(np.nan_to_num(value)) for value in image.getextrema())
    if image.mode == "F" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 255 < high <= 65535:
        return 0.0, 65535.0
    return (low, high) if high > low else (low, low + 1.0)
