"""Any Pillow mode → 8-bit RGB of a working size, in bands: memory stays near the decoder's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# What transparent pixels stand on: paper, unless what is visible is as light as paper itself.
WHITE, GREY = (255, 255, 255), (128, 128, 128)
LIGHT = 0.9  # mean luma, 0…1, of what is visible
SAMPLE = (64, 64)  # pixels looked at to know it
BAND_PIXELS = 1 << 20
WIDE_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})


def working_pixels(image: Image.Image, target: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
    """A loaded image → RGB pixels [h, w, 3] at least `target` (width, height) where it can, and
    whether any pixel is not opaque.

    Whole-number box reduction only: the exact resize is left to who needs a size. Transparency is
    laid on one background before anything is averaged, so that hidden colours never show.
    """
    across = max(1, image.width // target[0])
    down = max(1, image.height // target[1])
    rows = max(1, BAND_PIXELS // image.width // down) * down
    wide = image.mode in WIDE_MODES
    scale = _wide_range(image) if wide else (0.0, 1.0)
    ground = _background(image) if image.has_transparency_data and not wide else WHITE
    result = Image.new("RGB", (-(-image.width // across), -(-image.height // down)))
    see_through = False
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        band, opaque = _rgb(band, scale, ground)
        see_through = see_through or not opaque
        result.paste(band.reduce((across, down)), (0, top // down))
    return np.asarray(result), see_through


def _background(image: Image.Image) -> tuple[int, int, int]:
    """WHITE or GREY, for an image with transparency."""
    sample = np.asarray(image.resize(SAMPLE, Image.Resampling.NEAREST).convert("RGBA"), np.float32)
    seen = sample[..., 3]
    luma = sample[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    return GREY if float((luma * seen).sum()) > LIGHT * float(seen.sum()) else WHITE


def _rgb(
    band: Image.Image, scale: tuple[float, float], ground: tuple[int, int, int]
) -> tuple[Image.Image, bool]:
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
    result = Image.new("RGB", band.size, ground)
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
