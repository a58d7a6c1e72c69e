"""What decoding less than the whole costs and saves: vectors against those of a full decode."""

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
WHOLE = 10_000.0  # more pixels for each that a view needs than any image has: nothing is reduced
MEGAPIXELS, HUGE_MEGAPIXELS = 2, 40  # of what is cropped
MAX_MEGAPIXELS = 5  # of a crop
SHAPES = (4 / 3, 3 / 2, 3 / 4, 2 / 3)  # cameras' width to height
QUALITIES = (85, 90, 95)


def measure(setting: Setting) -> Iterator[Figure]:
    """The corpus as it is, and JPEGs like a camera's made of its large pictures."""
    count = setting.either(60, 1000)
    found = setting.images(count)
    yield _compared("images as they are", (path.read_bytes() for path in found))
    large = [path for path in setting.images(10**6) if _is_large(path)]
    if large:
        name = f"JPEGs of up to {MAX_MEGAPIXELS} megapixels, crops of {len(large)} pictures,"
        yield _compared(name, _photographs(large, count))


def _compared(name: str, files: Iterable[bytes]) -> Figure:
    embedder = lite0.load()
    cosines: list[float] = []
    ratios: list[float] = []
    for data in files:
        try:
            decode(data)  # whatever is cold is met by neither
            (picture, seconds), (whole, whole_seconds) = _timed(data), _timed(data, WHOLE)
        except ImageError:
            continue
        one, other = embedder.embed([picture, whole]).astype(np.float64)
        cosines.append(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
        ratios.append(seconds / whole_seconds)
    median, first = statistics.median(cosines), percentile(cosines, 0.01)
    return Figure(
        f"cosine of {len(cosines)} {name} to themselves decoded in full: median, first percentile",
        f"{median:.4f}, {first:.4f}; least {min(cosines):.4f}",
        "1, with the median of the decoding's CPU time as ratio",
        statistics.median(ratios),
        f"≥ {MIN_MEDIAN}, ≥ {MIN_FIRST}",
        median >= MIN_MEDIAN and first >= MIN_FIRST,
    )


def _timed(data: bytes, oversampling: float = decoding.OVERSAMPLING) -> tuple[Picture, float]:
    """The picture, and the CPU seconds it took."""
    shipped = decoding.OVERSAMPLING
    decoding.OVERSAMPLING = oversampling
    try:
        start = time.process_time()
        return decode(data), time.process_time() - start
    finally:
        decoding.OVERSAMPLING = shipped


def _photographs(sources: Sequence[Path], count: int) -> Iterator[bytes]:
    """Crops of any proportion, and of cameras', at their own scale or reduced, as JPEGs."""
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
    scale = (MAX_MEGAPIXELS * 1e6 / (crop.width * crop.height)) ** 0.5
    if scale >= 1:
        return crop
    size = (int(crop.width * scale), int(crop.height * scale))
    return crop.resize(size, Image.Resampling.LANCZOS)


def _is_large(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return MEGAPIXELS <= image.width * image.height / 1e6 <= HUGE_MEGAPIXELS
    except (OSError, Image.DecompressionBombError):
        return False
