"""Measure the technical quality of pixels: detail, noise, the grid of JPEG's blocks, and clipping.

The pixels are those of the full resolution. A view of 224 pixels does not show whether an image is
sharp. If you change a result of this module, increase `groups.best.VERSION`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE_PIXELS = 32
"""The side of a tile in pixels. A tile is small enough to be flat, or to be sharp as a whole."""
BAND_TILES = 8
"""The number of rows of tiles that are measured at once, which limits the memory: the numbers of a
band of a 12-megapixel photograph take 10 MB."""
MAX_LEVELS = 6
"""The number of sizes at which an image is measured; each has half the sides of the one before.
With six, a photograph of 12 megapixels is also measured at 125 × 94 pixels."""
MIN_SIDE = 8
"""The side in pixels of the smallest image that is measured."""
SHARP_PERCENTILE = 99
"""A photograph is as sharp as its sharpest tiles: the background may be blurred on purpose, and the
subject may be small. With 99, more pairs are ranked right than with 90 (bench/RESULTS.md)."""
FLAT_PERCENTILE = 5
"""The flattest twentieth of the tiles contains only noise."""
BLACK, WHITE = 10, 245
"""The mean luma (0 to 255) outside of which a tile cannot show noise, because it is clipped."""
CLIPPED_BLACK, CLIPPED_WHITE = 5, 250
"""The mean values (0 to 255) of a square of pixels that count as clipped. Noise and compression
change the mean of clipped pixels by up to five."""
CLIPPED_SQUARE = 16
"""The side in pixels of such a square. Blur changes single pixels, but few squares."""
VISIBLE_VARIANCE = 8.0
"""The variance of luma (levels²) that structure needs to be visible as detail: a deviation of 3."""
NOISE_SHARE = 1.25
"""How often the variance of the noise in a tile is subtracted from the variance of its structure.
More than once, because the sharpest tiles are those in which chance made the noise large."""
MAX_STEP = 4
"""The largest step between two blocks in levels. A larger one is an edge of the image, and counts
as this value."""
_BLOCK = 8


class Acuity(NamedTuple):
    """The measured facts; see `groups.best.Quality`."""

    sharpness: float
    detail: float
    noise: float
    blocking: float
    highlights: float
    shadows: float


class _Level(NamedTuple):
    """The tiles of one level, each float32 [n].

    `across`, `down`: the mean square of the second difference along the rows and the columns.
    `both`: the same along rows, then columns. An edge has little of it, but noise has much.
    """

    across: NDArray[np.float32]
    down: NDArray[np.float32]
    both: NDArray[np.float32]


def measure(pixels: NDArray[np.uint8]) -> Acuity:
    """Return the facts of an image. `pixels`: uint8 [h, w, 3], at full resolution.

    Noise raises the energy of fine structure like detail does. It is estimated in the flattest
    tiles and subtracted. Detail is counted at several sizes, so that an enlarged copy gains none.
    """
    image = Image.fromarray(pixels)
    highlights, shadows = _clipped(image)
    luma = image.convert("L")
    grey = np.asarray(luma)
    blocking = (_grid(grey) + _grid(grey.T)) / 2
    detail = noise = sharpness = 0.0
    for number in range(MAX_LEVELS):
        if min(luma.size) < MIN_SIDE:
            break
        level = _tiles(np.asarray(luma))
        bits, variance = _bits(level)
        detail += bits * luma.width * luma.height
        if number == 0:
            sharpness, noise = bits, variance**0.5
        luma = luma.reduce(2)
    return Acuity(sharpness, detail, noise, blocking, highlights, shadows)


def _bits(level: _Level) -> tuple[float, float]:
    """Return the bits of detail of a pixel in the sharpest tiles, and the variance of the noise.

    White noise of the variance v has the energy 36 v along both directions and 6 v along one. The
    number of bits follows from the ratio of structure and noise (Shannon).
    """
    variance = float(np.percentile(level.both, FLAT_PERCENTILE)) / 36
    local = level.both * np.float32(NOISE_SHARE / 36)
    bits = 0.0
    for energies in (level.across, level.down):
        structure = max(0.0, float(np.percentile(energies / 6 - local, SHARP_PERCENTILE)))
        bits += np.log2(1 + structure / (variance + VISIBLE_VARIANCE)) / 4
    return float(bits), variance


def _tiles(grey: NDArray[np.uint8]) -> _Level:
    """Return the energies of the tiles of a grey image, uint8 [h, w], without clipped tiles."""
    height, width = grey.shape
    rows = max(1, (height - 2) // TILE_PIXELS)
    step = (height - 2) // rows
    parts = []
    for first in range(0, rows, BAND_TILES):
        count = min(BAND_TILES, rows - first)
        band = grey[first * step : (first + count) * step + 2].astype(np.int16)
        parts.append(_band(band, count, step, max(1, (width - 2) // TILE_PIXELS)))
    across, down, both, mean = (np.concatenate(values) for values in zip(*parts, strict=True))
    usable = (mean > BLACK) & (mean < WHITE)
    if not usable.any():
        usable[:] = True
    return _Level(across[usable], down[usable], both[usable])


def _band(
    band: NDArray[np.int16], rows: int, height: int, columns: int
) -> tuple[NDArray[np.float32], ...]:
    """Return the energies `across`, `down`, `both` and the mean luma of each tile of a band."""
    across = 2 * band[:, 1:-1] - band[:, :-2] - band[:, 2:]
    down = 2 * band[1:-1, 1:-1] - band[:-2, 1:-1] - band[2:, 1:-1]
    both = 2 * across[1:-1] - across[:-2] - across[2:]
    width = across.shape[1] // columns

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        cut = values[: rows * height, : columns * width]
        sums = cut.reshape(rows * height, columns, width).mean(axis=2, dtype=np.float32)
        result: NDArray[np.float32] = sums.reshape(rows, height, columns).mean(axis=1).ravel()
        return result

    def energy(values: NDArray[np.int16]) -> NDArray[np.float32]:
        numbers = values.astype(np.float32)
        return mean(numbers * numbers)

    luma = band[1:-1, 1:-1].astype(np.float32)
    return energy(across[1:-1]), energy(down), energy(both), mean(luma)


def _grid(grey: NDArray[np.uint8]) -> float:
    """Return how much larger the steps between the blocks of JPEG are than the steps beside them.

    The result is a mean in levels. Only the steps along the rows are compared. A step is the mean
    of 8 rows, so that noise cancels out, and is limited, so that one edge has little weight.
    """
    rows, columns = (side // _BLOCK * _BLOCK for side in grey.shape)
    columns -= _BLOCK
    if columns < _BLOCK or not rows:
        return 0.0
    total = 0.0
    for first in range(0, rows, BAND_TILES * TILE_PIXELS):
        band = grey[first : min(rows, first + BAND_TILES * TILE_PIXELS)]
        # The pixels beside the edges of the blocks: two on each side.
        near = [
            band[:, offset : offset + columns : _BLOCK].astype(np.int16) for offset in range(6, 10)
        ]
        steps = [np.abs(near[place + 1] - near[place]) for place in range(3)]
        extra = 2 * steps[1] - steps[0] - steps[2]
        means = extra.reshape(-1, _BLOCK, extra.shape[1]).mean(axis=1, dtype=np.float32) / 2
        total += float(np.clip(means, -MAX_STEP, MAX_STEP).sum())
    blocks: int = (rows // _BLOCK) * (columns // _BLOCK)
    return max(0.0, total / blocks)


def _clipped(image: Image.Image) -> tuple[float, float]:
    """Return the shares of the image whose brightest channel is white, or whose channels are black.

    `image`: an RGB image.
    """
    square = min(CLIPPED_SQUARE, *image.size)
    largest = np.asarray(image.reduce(square)).max(axis=2)
    return float(np.mean(largest >= CLIPPED_WHITE)), float(np.mean(largest <= CLIPPED_BLACK))
