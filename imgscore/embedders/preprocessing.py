"""Prepare pixels for a published image encoder, as `preprocessing_spec` describes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders.preprocessing_spec import Preprocessing

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


def prepare(pixels: NDArray[np.uint8], steps: Preprocessing) -> NDArray[np.float32]:
    """Return the input of a network, float32 [1, 3, h, w], for the pixels uint8 [h, w, 3]."""
    return normalise(resize(pixels, steps)[np.newaxis], steps)


def resize(pixels: NDArray[np.uint8], steps: Preprocessing) -> NDArray[np.uint8]:
    """Return the pixels uint8 [h, w, 3] in the size of the input of the network.

    The image is cropped before it is resized, which gives the same pixels. In the opposite order,
    an image of 20000 × 2 pixels would first become 2,240,000 × 224 pixels.
    """
    method = {"squash": _squashed, "shortest": _cropped, "longest": _padded}[steps.resize]
    return np.asarray(method(Image.fromarray(pixels), steps))


def normalise(pixels: NDArray[np.uint8], steps: Preprocessing) -> NDArray[np.float32]:
    """Return the input of a network, float32 [n, 3, h, w], for pixels uint8 [n, h, w, 3]."""
    values = (pixels[..., ::-1] if steps.bgr else pixels).astype(np.float32)
    values *= steps.scale
    values -= np.array(steps.mean, np.float32)
    values /= np.array(steps.deviation, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _squashed(image: Image.Image, steps: Preprocessing) -> Image.Image:
    if steps.crop != steps.size:
        return _window(image, steps, *steps.size)
    return image.resize(steps.size, _FILTERS[steps.resample])


def _cropped(image: Image.Image, steps: Preprocessing) -> Image.Image:
    """Scale the shorter side, and crop the centre."""
    side = steps.size[0]
    if image.width <= image.height:
        return _window(image, steps, side, max(side, int(side * image.height / image.width)))
    return _window(image, steps, max(side, int(side * image.width / image.height)), side)


def _window(image: Image.Image, steps: Preprocessing, width: int, height: int) -> Image.Image:
    """Return the centre of the image that has `width` × `height` pixels after scaling."""
    left, top = (
        (scaled - kept) // 2 if steps.offset == "floor" else round((scaled - kept) / 2)
        for scaled, kept in zip((width, height), steps.crop, strict=True)
    )
    across, down = image.width / width, image.height / height
    box = (
        left * across,
        top * down,
        min(image.width, (left + steps.crop[0]) * across),
        min(image.height, (top + steps.crop[1]) * down),
    )
    return image.resize(steps.crop, _FILTERS[steps.resample], box=box)


def _padded(image: Image.Image, steps: Preprocessing) -> Image.Image:
    """Scale the longer side, and pad the other side on both ends."""
    ratio = steps.size[0] / max(image.size)
    width, height = (max(1, round(side * ratio)) for side in image.size)
    result = Image.new("RGB", steps.crop, (steps.fill,) * 3)
    scaled = image.resize((width, height), _FILTERS[steps.resample])
    result.paste(scaled, ((steps.crop[0] - width) // 2, (steps.crop[1] - height) // 2))
    return result
