"""Convert an image of any Pillow mode to 8-bit RGB, and reduce it to a working size.

The image is converted in horizontal bands to save memory.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgscore.images.traits import FINE_GRID_SIDE, GRID_SIDE

# Transparent pixels get a white background. If the visible pixels are almost white, transparent
# pixels get a grey background.
WHITE, GREY = (255, 255, 255), (128, 128, 128)
LIGHT_LUMA = 0.9
"""The largest mean luma (0…1) of the visible pixels for a white background. Lighter pixels would be
invisible on white."""
LUMA_SAMPLE_SIZE = (64, 64)
"""The width and height in pixels of the sample from which the mean luma is computed."""
BAND_PIXELS = 1 << 20
"""The number of pixels that are converted at once. As RGBA they take 4 MB, which is little compared
with the decoded image."""
FINE_GRID_QUALITY = 93
"""The JPEG quality of a fine grid. With 85, noise beside sharp edges hid the frames of a seventh of
the screenshots."""
WIDE_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""The Pillow modes with more than 8 bits a channel."""


def working_pixels(image: Image.Image, target: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
    """Convert a loaded image to RGB, and reduce it. Return (pixels, has_transparency).

    `target`: the smallest allowed width and height of the result. If the image is smaller than
    `target`, the size of the image is not changed.

    The pixels are uint8 [h, w, 3]. `has_transparency` is True if at least one pixel is not opaque.

    The image is reduced by whole factors with a box filter. Callers must resize the result to the
    exact size that they need. Transparent pixels are combined with the background before the
    reduction, so that the hidden colours of transparent pixels have no effect.
    """
    factor_x = max(1, image.width // target[0])
    factor_y = max(1, image.height // target[1])
    rows = max(1, BAND_PIXELS // image.width // factor_y) * factor_y
    wide = image.mode in WIDE_MODES
    value_range = _value_range(image) if wide else (0.0, 1.0)
    background = _background(image) if image.has_transparency_data and not wide else WHITE
    if rows >= image.height:  # The image is one band: most images of the web are.
        band, opaque = _rgb(image, value_range, background)
        return np.asarray(_reduced(band, factor_x, factor_y)), not opaque
    result = Image.new("RGB", (-(-image.width // factor_x), -(-image.height // factor_y)))
    transparent = False
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        band, opaque = _rgb(band, value_range, background)
        transparent = transparent or not opaque
        result.paste(_reduced(band, factor_x, factor_y), (0, top // factor_y))
    return np.asarray(result), transparent


def _reduced(band: Image.Image, factor_x: int, factor_y: int) -> Image.Image:
    """Return a band reduced by whole factors. Without a reduction, it is not copied."""
    return band if (factor_x, factor_y) == (1, 1) else band.reduce((factor_x, factor_y))


def luma_grids(pixels: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """Return the grid and the fine grid of RGB pixels uint8 [h, w, 3].

    Both contain the mean luma of each part. The grid is raw, row by row. The fine grid is a JPEG.
    """
    luma = Image.fromarray(pixels).convert("L")
    grid = luma.resize((GRID_SIDE, GRID_SIDE), Image.Resampling.BOX).tobytes()
    fine = luma.resize((FINE_GRID_SIDE, FINE_GRID_SIDE), Image.Resampling.BOX)
    file = io.BytesIO()
    fine.save(file, "JPEG", quality=FINE_GRID_QUALITY, optimize=True)
    return grid, file.getvalue()


def unpacked_fine_grid(value: bytes) -> NDArray[np.uint8] | None:
    """Return a fine grid as uint8 [64, 64]. None means that the value is empty or damaged."""
    try:
        # Image.open would take as long again to find out what imgscore has written itself.
        image = Image.frombytes("L", (FINE_GRID_SIDE, FINE_GRID_SIDE), value, "jpeg", "L", "")
    except (OSError, ValueError):
        return None
    return np.asarray(image)


def _background(image: Image.Image) -> tuple[int, int, int]:
    """Return the background for an image with transparency: WHITE or GREY."""
    sample = np.asarray(
        image.resize(LUMA_SAMPLE_SIZE, Image.Resampling.NEAREST).convert("RGBA"), np.float32
    )
    alpha = sample[..., 3]
    luma = sample[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    return GREY if float((luma * alpha).sum()) > LIGHT_LUMA * float(alpha.sum()) else WHITE


def _rgb(
    band: Image.Image, value_range: tuple[float, float], background: tuple[int, int, int]
) -> tuple[Image.Image, bool]:
    """Return one band as RGB, and whether all its pixels are opaque."""
    if band.mode in WIDE_MODES:
        low, high = value_range
        values = np.nan_to_num(np.asarray(band, dtype=np.float64))
        values = np.clip((values - low) * (255.0 / (high - low)), 0, 255)
        return Image.fromarray(values.astype(np.uint8)).convert("RGB"), True
    # `convert` would copy a band that has the mode already.
    if not band.has_transparency_data:
        return (band if band.mode == "RGB" else band.convert("RGB")), True
    band = band if band.mode == "RGBA" else band.convert("RGBA")
    alpha = band.getchannel("A")
    extrema = alpha.getextrema()
    if extrema == (255, 255):
        return band.convert("RGB"), True
    result = Image.new("RGB", band.size, background)
    if extrema != (0, 0):
        result.paste(band, mask=alpha)
    return result, False


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Return the value that becomes black and the value that becomes white.

    The range of 16-bit modes is 0…65535. The range of 32-bit integers and floats depends on the
    values of the image. If all floats are from 0 to 1, the range is 0…1. If all values are from 0
    to 65535 and the largest is above 255, the range is 0…65535. In all other cases, the range is
    from the smallest to the largest value. The conversion by Pillow is not used, because it clips
    all values at 255.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = (float(np.nan_to_num(value)) for value in image.getextrema())
    if image.mode == "F" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 255 < high <= 65535:
        return 0.0, 65535.0
    return (low, high) if high > low else (low, low + 1.0)


def colourfulness(pixels: NDArray[np.uint8]) -> float:
    """Return the mean difference between a pixel's largest and smallest channel, from 0 to 1.

    The channels are compared as three separate arrays, because a numpy reduction over an axis of
    length three takes 16 times as long.
    """
    red, green, blue = (pixels[..., channel] for channel in range(3))
    largest = np.maximum(np.maximum(red, green), blue)
    smallest = np.minimum(np.minimum(red, green), blue)
    return float((largest - smallest).mean()) / 255
