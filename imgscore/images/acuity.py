"""Measure the technical quality of pixels: detail, noise, traces of JPEG compression, and clipping.

The pixels are those of the full resolution. A view of 224 pixels does not show whether an image is
sharp. If you change a result of this module, increase `groups.best.VERSION`.
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE_PIXELS, MIN_TILE_PIXELS = 32, 4
"""The largest and the smallest side of a tile in pixels. A tile is small enough to be flat, or
sharp as a whole."""
MIN_TILES = 256
"""The number of tiles for which smaller ones are used in a small image. A few large tiles of a
drawing all contain an edge, which would be taken for noise. In small tiles of a photograph, a
smaller copy seems too sharp, so its detail is measured in large ones."""
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
PAPER_TONES = 4.0
"""The entropy of the tones below which an image is a drawing, in bits. Its white is paper."""
LARGE_TILE_TONES = 5.0
"""The entropy of the tones from which all tiles are large, in bits. An image with fewer tones has
smaller tiles, down to the small ones of a drawing: two versions of one image have similar tones,
and so similar tiles."""
CLIPPED_BLACK, CLIPPED_WHITE = 5, 250
"""The mean values (0 to 255) of a square of pixels that count as clipped. Noise and compression
change the mean of clipped pixels by up to five."""
CLIPPED_SQUARES = 50
"""The number of such squares along the longer side. Blur changes single pixels, but few squares.
A smaller copy has the same squares."""
TONE_SIDE, TONE_LEVELS = 64, 4
"""The side in pixels of the small view whose tones are counted, and the number of levels of luma
that count as one tone. Noise makes no new tones in means of many pixels."""
WHITE_SHARE = 0.99
"""The share of this view that is darker than its white."""
VISIBLE_VARIANCE = 12.0
"""The variance of luma (levels²) that structure needs to be visible as detail: a deviation of 3."""
NOISE_SHARE = 1.25
"""The number of times that the variance of the noise in a tile is subtracted from the variance
of its structure.
More than once, because the sharpest tiles are those in which chance made the noise large."""
ROUNDING_SHARE = 0.1
"""The share of the square of JPEG's steps that counts as noise. Rounding evenly gives 1/12, and the
blocks add edges."""
ENLARGED_SHARE = 0.5
"""The share of the detail at half the size that a pixel has even if the image was only enlarged."""
MAX_BLOCKS = 6000
"""The number of JPEG blocks in which the compression is measured. They take 30 ms."""
MIN_BLOCKS = 24
"""The number of blocks that must contain a coefficient, or chance could make a pattern."""
MAX_STEP = 63
"""The largest step that is searched for, in levels. A JPEG with the quality 20 has such steps."""
REGULAR = 0.5
"""The smallest regularity: 1 if all coefficients are multiples of the step, 0 for other numbers."""
EDGE_RANGE, CALM_RANGE = 64, 32
"""The smallest range of luma in 3 × 3 pixels that is an edge, and the largest one of pixels that
are calm. JPEG with the quality 30 changes the pixels beside an edge by about that."""
MAX_RING_PIXELS = 1_000_000
"""The number of pixels in which the ringing is measured. They take 4 ms."""
MIN_RING_BLOCKS = 8
"""The smallest number of blocks with an edge; else the ringing is not measured."""
STEP_OF_RINGING = 2.0
"""The largest step that a compression can have had, as a share of its ringing. Straight edges of a
clean drawing look like multiples of a large step by chance."""
_BLOCK = 8
_COEFFICIENTS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
"""The coefficients of a block that are large in most images."""
_COSINES = np.array(
    [
        [
            np.sqrt((2 if wave else 1) / _BLOCK) * np.cos((2 * place + 1) * wave * np.pi / 16)
            for place in range(_BLOCK)
        ]
        for wave in range(3)
    ],
    np.float32,
)


class Acuity(NamedTuple):
    """The measured facts; see `groups.best.Quality`."""

    sharpness: float
    detail: float
    noise: float
    step: float
    highlights: float
    shadows: float
    tones: float
    brightness: float
    white: float
    ringing: float | None


class _Tiles(NamedTuple):
    """The tiles of an image, each float32 [n].

    `across`, `down`: the mean square of the second difference along the rows and the columns.
    `both`: the same along rows, then columns. An edge has little of it, but noise has much.
    `detailed`: whether a tile can contain detail, bool [n]. White paper only shows noise.
    """

    across: NDArray[np.float32]
    down: NDArray[np.float32]
    both: NDArray[np.float32]
    detailed: NDArray[np.bool_]


def measure(pixels: NDArray[np.uint8], least_step: float = 1.0) -> Acuity:
    """Return the facts of an image. `pixels`: uint8 [h, w, 3], at full resolution.

    `least_step`: the smallest step of a compression that leaves no pattern.

    Noise raises the energy of fine structure like detail does. It is estimated in the flattest
    tiles and subtracted. Detail is counted at several sizes, so that an enlarged copy gains none.
    """
    image = Image.fromarray(pixels)
    highlights, shadows = _clipped(image)
    luma = image.convert("L")
    ringing, step = _ringing(np.asarray(luma)), _step(np.asarray(luma))
    if ringing is not None:
        step = min(step, STEP_OF_RINGING * ringing)
    step = max(least_step, step)
    tones = _tones(luma)
    found = levels(luma, step, tones[0])
    following = [*(level.bits for level in found[1:]), 0.0]
    detail = sum(
        max(0.0, level.bits - ENLARGED_SHARE * half) * level.pixels**0.5
        for level, half in zip(found, following, strict=False)
    )
    sharpness, noise = (found[0].bits, found[0].variance ** 0.5) if found else (0.0, 0.0)
    return Acuity(sharpness, detail, noise, step, highlights, shadows, *tones, ringing)


class Level(NamedTuple):
    """An image at one size: the number of pixels, and what `_bits` returns."""

    pixels: int
    bits: float
    variance: float


def levels(luma: Image.Image, step: float, entropy: float) -> list[Level]:
    """Measure a grey image at its full size, and then at half the sides again and again.

    `step`: the step of its compression. Its noise is fine, so that each halving removes most of it.
    `entropy`: that of its tones, in bits. The white of a drawing is paper, which shows noise.
    """
    rounding = ROUNDING_SHARE * (step**2 - 1)
    has_paper = entropy < PAPER_TONES
    large = (entropy - PAPER_TONES) / (LARGE_TILE_TONES - PAPER_TONES)
    large = min(max(large, 0.0), 1.0)
    found: list[Level] = []
    while len(found) < MAX_LEVELS and min(luma.size) >= MIN_SIDE:
        grey, pixels = np.asarray(luma), luma.width * luma.height
        small = min(TILE_PIXELS, max(MIN_TILE_PIXELS, isqrt(pixels // MIN_TILES)))
        side = round(TILE_PIXELS**large * small ** (1 - large))
        flat = _tiles(grey, small, has_paper)
        sharp = flat if side == small else _tiles(grey, side, has_paper)
        found.append(Level(pixels, *_bits(flat, sharp, rounding / 4 ** len(found))))
        luma = luma.reduce(2)
    return found


def _bits(flattest: _Tiles, sharpest: _Tiles, rounding: float) -> tuple[float, float]:
    """Return the bits of detail of a pixel in the sharpest tiles, and the variance of the noise.

    `flattest`, `sharpest`: the tiles that show the noise and the detail.
    `rounding`: the variance that the compression adds.

    White noise of the variance v has the energy 36 v along both directions and 6 v along one.
    Noise that was compressed or scaled is not white, and is found in the flattest tiles. The number
    of bits follows from the ratio of structure and noise (Shannon).
    """
    local = sharpest.both * np.float32(NOISE_SHARE / 36)
    bits = 0.0
    for calm, energies in (
        (flattest.across, sharpest.across),
        (flattest.down, sharpest.down),
    ):
        flat = float(np.percentile(calm, FLAT_PERCENTILE)) / 6
        visible = (energies / 6 - local)[sharpest.detailed]
        structure = max(0.0, float(np.percentile(visible, SHARP_PERCENTILE)) - flat)
        bits += np.log2(1 + structure / (flat + rounding + VISIBLE_VARIANCE)) / 4
    return float(bits), float(np.percentile(flattest.both, FLAT_PERCENTILE)) / 36


def _tiles(grey: NDArray[np.uint8], side: int, has_paper: bool) -> _Tiles:
    """Return the energies of the tiles of a grey image, uint8 [h, w], without clipped tiles.

    `side`: the side of a tile in pixels.
    """
    height, width = grey.shape
    rows = max(1, (height - 2) // side)
    step = (height - 2) // rows
    parts = []
    for first in range(0, rows, BAND_TILES):
        count = min(BAND_TILES, rows - first)
        band = grey[first * step : (first + count) * step + 2].astype(np.int16)
        parts.append(_band(band, count, step, max(1, (width - 2) // side)))
    across, down, both, mean = (np.concatenate(values) for values in zip(*parts, strict=True))
    detailed = (mean > BLACK) & (mean < WHITE)
    if not detailed.any():
        detailed[:] = True
    usable = detailed | (mean >= WHITE) if has_paper else detailed
    return _Tiles(across[usable], down[usable], both[usable], detailed[usable])


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


def _step(grey: NDArray[np.uint8]) -> float:
    """Return the mean step to whose multiples JPEG has rounded coefficients; 1 if there is none.

    The coarsest compression leaves its pattern in the pixels, also after a second compression and
    in a lossless copy. Scaling and blur destroy it, together with detail.
    """
    rows, columns = (side // _BLOCK for side in grey.shape)
    if rows * columns < MIN_BLOCKS:
        return 1.0
    cut = grey[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    numbers = np.arange(0, rows * columns, max(1, rows * columns // MAX_BLOCKS))
    blocks = cut[numbers // columns, :, numbers % columns]
    low, high = blocks.min(axis=(1, 2)), blocks.max(axis=(1, 2))
    # Clipping changes the coefficients of a block, and a block of one colour has none.
    blocks = _distinct(blocks[(low > 0) & (high < 255) & (low < high)]).astype(np.float32)
    found = [
        _step_of(np.einsum("nij,i,j->n", blocks, _COSINES[down], _COSINES[across]))
        for down, across in _COEFFICIENTS
    ]
    return sum(found) / len(found)


def _distinct(blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return each block once, uint8 [n, 8, 8].

    A drawing repeats few blocks, such as those of one straight edge. Their coefficients are few
    different numbers, which are multiples of a step by chance.
    """
    rows = np.ascontiguousarray(blocks).reshape(len(blocks), _BLOCK * _BLOCK)
    whole = rows.view(np.dtype((np.void, _BLOCK * _BLOCK))).ravel()
    first = np.unique(whole, return_index=True)[1]
    return blocks[first]


def _step_of(coefficients: NDArray[np.float32]) -> float:
    """Return the largest step of which most of these coefficients are multiples."""
    sizes = np.sort(np.abs(coefficients))
    for step in range(MAX_STEP, 1, -1):
        # Smaller coefficients are rounded to zero, which is a multiple of every step.
        rounded, counted = np.searchsorted(sizes, (0.3 * step, 0.6 * step))
        if len(sizes) - counted < MIN_BLOCKS:
            continue
        # A coefficient between both limits is no multiple.
        if float(np.cos(sizes[rounded:] * np.float32(2 * np.pi / step)).mean()) > REGULAR:
            return float(step)
    return 1.0


def _ringing(grey: NDArray[np.uint8]) -> float | None:
    """Return the mean range of luma in 3 × 3 calm pixels of the blocks with an edge, in levels.

    The pixels beside an edge of a drawing have one tone. Compression makes rings and dots of them,
    in all of the block that has the edge. This remains after a second compression, and also where
    the pattern of the steps is lost, because the luma is clipped at white. None: too few edges.
    """
    rows, columns = ((side - 2) // _BLOCK for side in grey.shape)
    counts, blocks = np.zeros(256, np.int64), 0
    every = max(1, rows * columns * _BLOCK**2 // MAX_RING_PIXELS)
    for row in range(0, rows, every):
        band = grey[row * _BLOCK : (row + 1) * _BLOCK + 2, : columns * _BLOCK + 2]
        high, low = band, band
        for axis in (0, 1):
            high, low = _of_three(np.maximum, high, axis), _of_three(np.minimum, low, axis)
        ranges = (high - low).reshape(_BLOCK, columns, _BLOCK)
        has_edge = ranges.max(axis=(0, 2)) > EDGE_RANGE
        counts += np.bincount(ranges[:, has_edge].ravel(), minlength=256)
        blocks += int(has_edge.sum())
    calm = counts[: CALM_RANGE + 1]
    if blocks < MIN_RING_BLOCKS or not calm.any():
        return None
    return float(calm @ np.arange(len(calm)) / calm.sum())


def _of_three(chosen: np.ufunc, grey: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Return the largest or smallest of each three neighbours along an axis."""
    cells = np.moveaxis(grey, axis, 0)
    found: NDArray[np.uint8] = chosen(chosen(cells[:-2], cells[1:-1]), cells[2:])
    return np.moveaxis(found, 0, axis)


def _tones(luma: Image.Image) -> tuple[float, float, float]:
    """Return the entropy of the luma in bits, from 0 to 6; its mean, and its white, from 0 to 1."""
    small = luma.resize((TONE_SIDE, TONE_SIDE), Image.Resampling.BOX)
    counts = np.array(small.histogram(), np.float64)
    shares = counts.reshape(-1, TONE_LEVELS).sum(axis=1) / counts.sum()
    shares = shares[shares > 0]
    mean = float(counts @ np.arange(256) / counts.sum() / 255)
    white = np.searchsorted(counts.cumsum(), WHITE_SHARE * counts.sum()) / 255
    return float(-(shares * np.log2(shares)).sum()), mean, float(white)


def _clipped(image: Image.Image) -> tuple[float, float]:
    """Return the shares of the image whose brightest channel is white, or whose channels are black.

    `image`: an RGB image.
    """
    square = max(1, min(max(image.size) // CLIPPED_SQUARES, *image.size))
    largest = np.asarray(image.reduce(square)).max(axis=2)
    return float(np.mean(largest >= CLIPPED_WHITE)), float(np.mean(largest <= CLIPPED_BLACK))
