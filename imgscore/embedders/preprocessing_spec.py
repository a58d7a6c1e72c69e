"""Read how pixels are prepared for a published image encoder: resizing, cropping, scaling,
normalisation.

Two formats are understood: `preprocessor_config.json` of transformers, and `preprocess_cfg.json` of
open_clip, which immich publishes beside its models. A setting that imgscore cannot apply is an
error with the reason. With wrong pixels, the vectors would be wrong, and no error would show it.

This module is separate from `preprocessing.py`, because the idle daemon needs the id of an embedder
but must not import numpy and Pillow, as `preprocessing.py` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from imgscore.errors import ConfigError

Channels = tuple[float, float, float]
Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
ResizeMode = Literal["shortest", "squash", "longest"]

# The numbers of Pillow's filters. transformers writes these numbers into its files.
_FILTERS: tuple[Resample, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
MAX_SIDE = 4096
"""The largest side of an input image in pixels. It limits the memory of one input to 200 MB. Models
that are published for photographs take 196 to 1,024 pixels."""

CLIP_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION: Channels = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Channels = (0.229, 0.224, 0.225)
_HALF: Channels = (0.5, 0.5, 0.5)


class Preprocessing(msgspec.Struct, frozen=True):
    """The steps from upright 8-bit RGB pixels to the input of a network.

    resize: `shortest` scales the shorter side to the size, `longest` the longer side, `squash` both
    sides.
    size: the width and height in pixels to which `squash` scales. For `shortest` and `longest`,
    both numbers are the length of the scaled side.
    crop: the width and height of the input of the network, from the centre of the scaled image.
    With `longest`, the image is padded to this size.
    offset: how half a pixel is rounded at the edge of the crop.
    scale: the factor for 8-bit values before `mean` is subtracted.
    mean, deviation: one number for each channel.
    bgr: whether the channels are in the order blue, green, red.
    fill: the 8-bit value of padded pixels.
    """

    resize: ResizeMode
    size: tuple[int, int]
    crop: tuple[int, int]
    resample: Resample
    mean: Channels
    deviation: Channels
    scale: float = 1 / 255
    bgr: bool = False
    fill: int = 0
    offset: Literal["floor", "even"] = "floor"

    @property
    def min_side(self) -> int:
        """The number of pixels that the shorter side of a picture should have before resizing."""
        return max(self.size)


# ---- transformers


class _Defaults(msgspec.Struct, frozen=True):
    """The settings that a class of transformers uses if the file does not contain them.

    square: whether a size with one number means a square (`squash`), or the shorter side.
    """

    square: bool
    size: int
    resample: int
    crop: bool
    mean: Channels
    deviation: Channels


_CLIP = _Defaults(False, 224, 3, True, CLIP_MEAN, CLIP_DEVIATION)
_SIGLIP = _Defaults(True, 224, 3, False, _HALF, _HALF)
_VIT = _Defaults(True, 224, 2, False, _HALF, _HALF)
_DINO3 = _Defaults(True, 224, 2, False, IMAGENET_MEAN, IMAGENET_DEVIATION)
# The classes of transformers by the name without its suffix. Older files name the class "feature
# extractor". DINOv2 uses the class of BiT.
_CLASSES = {
    "CLIP": _CLIP,
    "ChineseCLIP": _CLIP,
    "Bit": _CLIP,
    "Siglip": _SIGLIP,
    "ViT": _VIT,
    "DeiT": _Defaults(True, 256, 3, True, IMAGENET_MEAN, IMAGENET_DEVIATION),
    "DINOv3ViT": _DINO3,
}
_SUFFIXES = ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor")
# These steps are applied, or they do not change the result: decoded pictures are RGB, and a picture
# has no frames, labels or padding to remove.
_KNOWN_STEPS = frozenset(
    {
        "do_resize",
        "do_center_crop",
        "do_rescale",
        "do_normalize",
        "do_convert_rgb",
        "do_flip_channel_order",
    }
)


def of_transformers(file: Path) -> Preprocessing:
    """Read a `preprocessor_config.json`.

    Raises ConfigError if the file cannot be read, or if it asks for a step that imgscore does not
    apply.
    """
    tree = _read(file)
    kind = str(tree.get("image_processor_type") or tree.get("feature_extractor_type") or "")
    name = next((kind.removesuffix(end) for end in _SUFFIXES if kind.endswith(end)), kind)
    defaults = _CLASSES.get(name)
    for key, value in tree.items():
        if key.startswith("do_") and value is True and key not in _KNOWN_STEPS:
            raise _unsupported(file, f"{key} = true is not supported")
    for key in ("max_num_patches", "crop_pct", "longest_edge", "rescale_offset"):
        if tree.get(key):
            raise _unsupported(file, f"{key} is not supported")
    if defaults is None and kind and not {"size", "image_mean", "image_std"} <= tree.keys():
        raise _unsupported(
            file,
            f"the defaults of {kind} are unknown, and size, image_mean or image_std is missing",
        )
    defaults = defaults or _VIT
    if tree.get("do_resize") is False:
        raise _unsupported(file, "do_resize = false: images have different sizes")
    resize, size = _size_of(file, tree.get("size", defaults.size), defaults.square)
    crop = size
    if tree.get("do_center_crop", defaults.crop):
        crop = _size_of(file, tree.get("crop_size", size[0]), square=True)[1]
        if crop[0] > size[0] or crop[1] > size[1]:
            raise _unsupported(file, f"crop_size {crop} is larger than size {size}")
    elif resize == "shortest":
        raise _unsupported(file, "only the shorter side is scaled, and nothing is cropped")
    resample = tree.get("resample", defaults.resample)
    if not isinstance(resample, int) or not 0 <= resample < len(_FILTERS):
        raise _unsupported(file, f"resample = {resample!r} is unknown")
    scaled = tree.get("do_rescale", True)
    normalised = tree.get("do_normalize", True)
    return _checked(
        file,
        {
            "resize": resize,
            "size": size,
            "crop": crop,
            "resample": _FILTERS[resample],
            "scale": tree.get("rescale_factor", 1 / 255) if scaled else 1.0,
            "mean": tree.get("image_mean", defaults.mean) if normalised else (0.0, 0.0, 0.0),
            "deviation": tree.get("image_std", defaults.deviation)
            if normalised
            else (1.0, 1.0, 1.0),
            "bgr": bool(tree.get("do_flip_channel_order", False)),
        },
    )


def _size_of(file: Path, value: Any, square: bool) -> tuple[ResizeMode, tuple[int, int]]:
    """Return how an image is resized, with the width and height, for a size of transformers."""
    if isinstance(value, int):
        return ("squash" if square else "shortest"), (value, value)
    if isinstance(value, dict):
        sides = {key: side for key, side in value.items() if side is not None}
        if sides.keys() == {"height", "width"}:
            return "squash", (sides["width"], sides["height"])
        if sides.keys() == {"shortest_edge"}:
            return "shortest", (sides["shortest_edge"], sides["shortest_edge"])
    raise _unsupported(file, f"size = {value!r} is not supported")


# ---- open_clip


def of_open_clip(file: Path) -> Preprocessing:
    """Read a `preprocess_cfg.json`.

    Raises ConfigError if the file cannot be read, or if it asks for a step that imgscore does not
    apply.
    """
    tree = _read(file)
    if tree.get("mode", "RGB") != "RGB":
        raise _unsupported(file, f"mode = {tree['mode']!r} is not supported")
    size = tree.get("size", 224)
    height, width = (size, size) if isinstance(size, int) else (*size, 0)[:2]
    resample = tree.get("interpolation", "bicubic")
    # open_clip uses the bicubic filter for "random" in evaluation.
    mode = tree.get("resize_mode", "shortest")
    if mode != "squash" and width != height:
        raise _unsupported(file, f"size = {size!r} is not square")
    return _checked(
        file,
        {
            "resize": mode,
            "size": (width, height),
            "crop": (width, height),
            "resample": "bicubic" if resample == "random" else resample,
            "mean": tree.get("mean", CLIP_MEAN),
            "deviation": tree.get("std", CLIP_DEVIATION),
            "fill": tree.get("fill_color", 0),
            "offset": "even",
        },
    )


# ---- both


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}", "copy the model again") from None
    if not isinstance(tree, dict):
        raise _unsupported(file, "it is not a JSON object")
    return tree


def _checked(file: Path, values: dict[str, Any]) -> Preprocessing:
    try:
        result = msgspec.convert(values, Preprocessing)
    except msgspec.ValidationError as error:
        raise _unsupported(file, str(error)) from None
    if not all(1 <= side <= MAX_SIDE for side in (*result.size, *result.crop)):
        raise _unsupported(file, f"sizes must be from 1 to {MAX_SIDE} pixels")
    if min(result.deviation) <= 0 or not 0 <= result.fill <= 255:
        raise _unsupported(file, "deviations must be positive, and colours from 0 to 255")
    return result


def _unsupported(file: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{file}: imgscore cannot prepare images for this model: {reason}", "use another model"
    )
