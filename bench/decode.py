"""Reduced decoding against full decoding: CPU time, and the cosine of the resulting vectors."""

from __future__ import annotations

import io
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.figures import Figure, Setting, percentile
from imgscore.embedders import lite0
from imgscore.errors import ImageError
from imgscore.images import decode as decoding
from imgscore.images.decode import Picture, decode

MIN_MEDIAN, MIN_FIRST = 0.99, 0.97
"""targets: the median and the first percentile of the cosines"""
FULL = 10_000.0
"""an oversampling so large that no image is reduced"""
MIN_MEGAPIXELS, MAX_MEGAPIXELS = 2, 40
"""of the images that are cropped"""
MAX_CROP_MEGAPIXELS = 5
SHAPES = (4 / 3, 3 / 2, 3 / 4, 2 / 3)
"""width / height of common cameras"""
QUALITIES = (85, 90, 95)
"""JPEG qualities of common cameras"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Compare on the images of the corpus, and on camera-like JPEGs made from its large images."""
    count = setting.choose(60, 1000)
    yield _compare("images as they are", (path.read_bytes() for path in setting.images(count)))
    large = [path for path in setting.images(10**6) if _is_large(path)]
    if large:
        name = f"JPEGs of up to {MAX_CROP_MEGAPIXELS} megapixels, crops of {len(large)} images,"
        yield _compare(name, _make_crops(large, count))


def _compare(name: str, files: Iterable[bytes]) -> Figure:
    embedder = lite0.load()
    cosines: list[float] = []
    ratios: list[float] = []
    for data in files:
        try:
            decode(data)  # loads the libraries and fills the caches before both measurements
            (reduced, seconds), (full, full_seconds) = _time_decode(data), _time_decode(data, FULL)
        except ImageError:
            continue
        embedding, expected = embedder.embed([reduced, full]).astype(np.float64)
        norms = np.linalg.norm(embedding) * np.linalg.norm(expected)
        cosines.append(float(embedding @ expected / norms))
        ratios.append(seconds / full_seconds)
    median, first = statistics.median(cosines), percentile(cosines, 0.01)
    return Figure(
        f"cosine of {len(cosines)} {name} to the full decode: median, first percentile",
        f"{median:.4f}, {first:.4f}; minimum {min(cosines):.4f}",
        "1; the ratio is that of the CPU times of decoding (median)",
        statistics.median(ratios),
        f"≥ {MIN_MEDIAN}, ≥ {MIN_FIRST}",
        median >= MIN_MEDIAN and first >= MIN_FIRST,
    )


def _time_decode(data: bytes, oversampling: float = decoding.OVERSAMPLING) -> tuple[Picture, float]:
    """Decode an image; returns it and the CPU seconds."""
    shipped = decoding.OVERSAMPLING
    decoding.OVERSAMPLING = oversampling
    try:
        start = time.process_time()
        return decode(data), time.process_time() - start
    finally:
        decoding.OVERSAMPLING = shipped


def _make_crops(sources: Sequence[Path], count: int) -> Iterator[bytes]:
    """JPEGs of random crops, half of them with a camera's proportions, reduced if too large."""
    pick = random.Random(5)
    for number, path in enumerate(sources):
        with Image.open(path) as image:
            source = image.convert("RGB")
        for _ in range(number, count, len(sources)):
            stream = io.BytesIO()
            _crop(source, pick).save(stream, "JPEG", quality=pick.choice(QUALITIES))
            yield stream.getvalue()


def _crop(source: Image.Image, pick: random.Random) -> Image.Image:
    width, height = pick.uniform(0.5, 1) * source.width, pick.uniform(0.5, 1) * source.height
    if pick.random() < 0.5:
        shape = pick.choice(SHAPES)
        width = min(width, height * shape)
        height = width / shape
    left, top = pick.uniform(0, source.width - width), pick.uniform(0, source.height - height)
    crop = source.crop((int(left), int(top), int(left + width), int(top + height)))
    scale = (MAX_CROP_MEGAPIXELS * 1e6 / (crop.width * crop.height)) ** 0.5
    if scale >= 1:
        return crop
    size = (int(crop.width * scale), int(crop.height * scale))
    return crop.resize(size, Image.Resampling.LANCZOS)


def _is_large(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return MIN_MEGAPIXELS <= image.width * image.height / 1e6 <= MAX_MEGAPIXELS
    except (OSError, Image.DecompressionBombError):
        return False
