"""The tools that draw the demo's pictures: colours, gradients, noise, shapes and text.

A canvas is a float32 array [height, width, 3] of values from 0 to 255. A `Chance` is a seeded
random generator. This module reads and writes no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Canvas = NDArray[np.float32]
Chance = np.random.Generator
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

OVERSAMPLING = 2
"""The factor by which shapes are drawn larger before they are scaled down. Pillow draws jagged
edges. Scaling down makes the edges smooth."""


def rgb(text: str) -> Colour:
    """Return the three numbers of a colour "#rrggbb"."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a mixture of two colours. `share`: the share of the second colour, from 0 to 1."""
    parts = [round(a + (b - a) * share) for a, b in zip(first, second, strict=True)]
    return parts[0], parts[1], parts[2]


def pick(chance: Chance, choices: Sequence[str]) -> Colour:
    """Return one of the colours `choices`, chosen at random."""
    return rgb(choices[int(chance.integers(len(choices)))])


def gradient(width: int, height: int, stops: Sequence[Colour]) -> Canvas:
    """Return a canvas whose colour changes smoothly from top to bottom.

    `stops`: the colours, which are evenly spaced from top to bottom.
    """
    at = np.linspace(0, len(stops) - 1, height)
    colours = np.array(stops, np.float32)
    column = np.stack([np.interp(at, range(len(stops)), colours[:, i]) for i in range(3)], 1)
    return np.repeat(column[:, None].astype(np.float32), width, axis=1)


def noise(
    chance: Chance, width: int, height: int, cells: int, octaves: int = 4, stretch: float = 1
) -> Canvas:
    """Return smooth fractal noise [height, width] from 0 to 1.

    `cells`: the number of waves across the coarsest octave. `stretch`: the width of a spot divided
    by its height.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = min(width, cells * 2**octave)
        down = max(2, min(height, round(across * stretch * height / width)))
        grid = Image.fromarray(chance.random((down, max(2, across)), np.float32))
        grid = grid.resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(grid) / 2**octave
    low, high = float(total.min()), float(total.max())
    scaled: Canvas = (total - low) / max(high - low, 1e-6)
    return scaled


def ridge(chance: Chance, width: int, roughness: float, waves: float) -> Canvas:
    """Return a skyline [width] from -1 to 1, made of octaves of smooth noise.

    `roughness`: the weight of an octave divided by the weight of the octave before. `waves`: the
    number of waves of the first octave across the width.
    """
    line = np.zeros(width, np.float32)
    weight, total = 1.0, 0.0
    while waves < width / 4 and weight > 0.004:
        knots = chance.uniform(-1, 1, int(waves) + 3)
        at = np.linspace(0, waves, width)
        left = at.astype(int)
        part = at - left
        part = part * part * (3 - 2 * part)
        line += (weight * (knots[left] * (1 - part) + knots[left + 1] * part)).astype(np.float32)
        total += weight
        weight, waves = weight * roughness, waves * 2
    return line / np.float32(total)


def blend(canvas: Canvas, colour: Colour, cover: NDArray[Any]) -> None:
    """Paint a colour over the canvas. `cover`: the opacity [height, width], from 0 to 1."""
    canvas += (np.array(colour, np.float32) - canvas) * cover[..., None].astype(np.float32)


def finish(canvas: Canvas, chance: Chance, grain: float = 3.0) -> Image.Image:
    """Return the canvas as an image with grain and with darker corners, like a picture from a
    camera.

    `grain`: the standard deviation of the grain, on the scale from 0 to 255.
    """
    height, width = canvas.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shade = 1 - 0.16 * (x * x + y * y).astype(np.float32) ** 1.5 / 2.8
    speckle = chance.standard_normal((height, width), np.float32) * grain
    return to_image(canvas * shade[..., None] + speckle[..., None])


def to_image(canvas: NDArray[Any]) -> Image.Image:
    """Return the canvas as an image."""
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that is part of Pillow. It is available even if no fonts are installed."""
    default = ImageFont.load_default(size)
    assert isinstance(default, ImageFont.FreeTypeFont)
    return default


class Board:
    """A surface on which shapes with smooth edges are drawn.

    All coordinates and sizes are pixels of the final image.
    """

    def __init__(self, width: int, height: int, ground: Colour | Canvas) -> None:
        self.width, self.height = width, height
        size = (width * OVERSAMPLING, height * OVERSAMPLING)
        if isinstance(ground, tuple):
            self._image = Image.new("RGB", size, ground)
        else:
            self._image = to_image(ground).resize(size, Image.Resampling.BILINEAR)
        self._draw = ImageDraw.Draw(self._image)

    def image(self) -> Image.Image:
        """Return the final image."""
        return self._image.resize((self.width, self.height), Image.Resampling.BOX)

    def box(
        self, x: float, y: float, width: float, height: float, fill: Colour, corner: float = 0
    ) -> None:
        """Draw a rectangle. `corner`: the radius of its corners."""
        if width > 0 and height > 0:
            area = _scaled((x, y, x + width, y + height))
            self._draw.rounded_rectangle(area, radius=corner * OVERSAMPLING, fill=fill)

    def disc(self, x: float, y: float, width: float, height: float, fill: Colour) -> None:
        """Draw an ellipse around (x, y). `width` and `height`: its two radii."""
        area = _scaled((x - width, y - height, x + width, y + height))
        self._draw.ellipse(area, fill=fill)

    def slice(
        self, x: float, y: float, radius: float, start: float, end: float, fill: Colour
    ) -> None:
        """Draw a sector of a circle. The angles are in degrees."""
        area = _scaled((x - radius, y - radius, x + radius, y + radius))
        self._draw.pieslice(area, start, end, fill=fill)

    def arc(
        self, x: float, y: float, width: float, height: float, start: float, end: float,
        fill: Colour, thick: float = 2,
    ) -> None:  # fmt: skip
        """Draw a part of the outline of an ellipse. The angles are in degrees."""
        area = _scaled((x - width, y - height, x + width, y + height))
        self._draw.arc(area, start, end, fill=fill, width=round(thick * OVERSAMPLING))

    def area(self, points: Sequence[tuple[float, float]], fill: Colour) -> None:
        """Draw a filled polygon."""
        self._draw.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points], fill=fill)

    def line(self, points: Sequence[tuple[float, float]], fill: Colour, thick: float = 2) -> None:
        """Draw a line through the points."""
        scaled = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(thick * OVERSAMPLING), joint="curve")

    def write(
        self, x: float, y: float, text: str, size: float, fill: Colour, anchor: str = "la",
        outline: float = 0,
    ) -> None:  # fmt: skip
        """Write a line of text.

        `anchor`: the point of the text that is placed at (x, y), in Pillow's notation. `outline`:
        the width of a black edge around the letters.
        """
        self._draw.text(
            (x * OVERSAMPLING, y * OVERSAMPLING),
            text,
            fill=fill,
            font=font(round(size * OVERSAMPLING)),
            anchor=anchor,
            stroke_width=round(outline * OVERSAMPLING),
            stroke_fill=(0, 0, 0),
        )


def _scaled(area: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = area
    return (
        left * OVERSAMPLING, top * OVERSAMPLING, right * OVERSAMPLING, bottom * OVERSAMPLING
    )  # fmt: skip
