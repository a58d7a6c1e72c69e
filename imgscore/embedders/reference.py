"""Prepare images with the library that defines a model's layout, to compare it with imgscore.

The libraries are large and not needed to use a model. If a library is not installed, there is
nothing to compare with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.onnx_spec import OnnxFolder
from imgscore.embedders.uform_spec import Folder

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]


class Reference(NamedTuple):
    """The preparation of a library.

    `library`: the name and version of the library.
    `prepare`: a function that returns the input uint8 [h, w, 3] of a network for an image.
    `upright`: whether the library prepares upright images without distortion.
    """

    library: str
    prepare: Callable[[Image.Image], Pixels]
    upright: bool = True


def reference_of(folder: Folder | OnnxFolder) -> Reference:
    """Return the preparation of the library that defines the layout of a folder.

    Raises ImportError if the library is not installed or cannot be imported.
    """
    if isinstance(folder, Folder):
        return _uform(folder)
    return _transformers(folder) if folder.layout == "transformers" else _open_clip(folder)


def _transformers(folder: OnnxFolder) -> Reference:
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder.path, local_files_only=True)

    def prepare(image: Image.Image) -> Pixels:
        values = processor(images=image, return_tensors="np")["pixel_values"]
        steps = folder.preprocessing
        return _eight_bit(values, steps.mean, steps.deviation, steps.scale)

    return Reference(f"transformers {metadata.version('transformers')}", prepare)


def _open_clip(folder: OnnxFolder) -> Reference:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    settings = json.loads((folder.path / "visual" / "preprocess_cfg.json").read_bytes())
    transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)

    def prepare(image: Image.Image) -> Pixels:
        steps = folder.preprocessing
        return _eight_bit(transform(image).numpy()[None], steps.mean, steps.deviation, steps.scale)

    return Reference(f"open_clip {metadata.version('open_clip_torch')}", prepare)


def _uform(folder: Folder) -> Reference:
    from uform.numpy_processors import ImageProcessor

    processor = ImageProcessor(str(folder.config))

    def prepare(image: Image.Image) -> Pixels:
        config = folder.image
        means, deviations = config.normalization_means, config.normalization_deviations
        return _eight_bit(processor(image), means, deviations, 1 / 255)

    # uform 3.1.3 does not scale the height of upright images.
    return Reference(f"uform {metadata.version('uform')}", prepare, upright=False)


def _eight_bit(values: Any, mean: Any, deviation: Any, scale: float) -> Pixels:
    """Undo the normalisation of pixels [1, 3, h, w], and return them as uint8 [h, w, 3]."""
    pixels = np.asarray(values, np.float32)[0].transpose(1, 2, 0)
    restored = (pixels * np.asarray(deviation, np.float32) + np.asarray(mean, np.float32)) / scale
    result: Pixels = np.clip(np.rint(restored), 0, 255).astype(np.uint8)
    return result
