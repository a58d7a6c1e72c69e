"""Tries a model out on ten pictures of the demo: its speed, and its preparation of images."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from imgscore.demo.pictures import draw_all
from imgscore.embedders import lite0_spec, reference, registry
from imgscore.embedders.licence import licence_of
from imgscore.images.decode import Picture
from imgscore.images.traits import Traits

PICTURES = 10
MIN_COSINE = 0.99
"""The smallest cosine between vectors of differently prepared pixels that is accepted. Resizing by
two correct libraries gives 0.998 or more; a wrong mean or crop gives 0.97 or less."""
MIN_SPREAD = 1e-4
"""The smallest mean distance between vectors of different pictures. Untrained networks and networks
with a wrong output have less."""


class Tried(NamedTuple):
    """The measurements. The fields are described in the row that `model check` prints."""

    embedder: str
    dimension: int
    search: bool
    licence: str | None
    images_per_second: float
    spread: float
    library: str | None
    min_cosine: float | None


def try_out(name: str) -> Tried:
    """Embed PICTURES pictures on the CPU. Raises ImgscoreError if the model cannot be used."""
    images = [image.convert("RGB") for _, image in draw_all(PICTURES)]
    pictures = [
        Picture(
            np.asarray(image),
            Traits(width=image.width, height=image.height, format="PNG", bytes_per_pixel=1.0),
        )
        for image in images
    ]
    embedder = registry.load(name, "cpu")
    embedder.embed(pictures[:1])  # The first run allocates memory, so it is not timed.
    began = time.perf_counter()
    vectors = embedder.embed(pictures).astype(np.float32)
    seconds = time.perf_counter() - began
    library, min_cosine = None, None
    search, licence = False, "Apache-2.0"
    if embedder.id != lite0_spec.ID:
        folder = registry.open_model(name)
        search, licence = folder.has_text, licence_of(folder.path) or ""
        try:
            compared = reference.reference_of(folder)
        except (ImportError, RuntimeError, OSError, ValueError):
            compared = None  # The library is not installed, or it cannot read the folder.
        if compared is not None:
            library = compared.library
            rows = [
                row
                for row, image in enumerate(images)
                if compared.upright or image.width >= image.height
            ]
            theirs = [
                embedder.embed_inputs(compared.prepare(images[row])[np.newaxis]) for row in rows
            ]
            min_cosine = float(_cosines(vectors[rows], np.stack(theirs).astype(np.float32)).min())
    products = _unit(vectors) @ _unit(vectors).T
    others = products[~np.eye(PICTURES, dtype=bool)]
    return Tried(
        embedder.id,
        embedder.dim,
        search,
        licence or None,
        round(PICTURES / seconds, 1),
        round(float(1 - others.mean()), 6),
        library,
        None if min_cosine is None else round(min_cosine, 6),
    )


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray((_unit(left) * _unit(right)).sum(axis=1))
