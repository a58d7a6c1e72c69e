"""Drawings of landscapes: sky, sun or moon, clouds, ranges of hills in haze, trees and water."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from imgscore.demo.paint import Canvas, Chance, Colour, blend, finish, gradient, mix, noise, rgb
from imgscore.demo.paint import ridge as skyline

SIZES = ((1200, 800), (1200, 800), (1280, 720), (960, 1200), (1080, 1080), (1800, 640))


class Mood(NamedTuple):
    """The colours of a landscape at one time of the day.

    `sky`: the colours of the sky, from top to bottom. `far` and `near`: the colours of the hills.
    """

    sky: tuple[str, ...]
    sun: str
    far: str
    near: str
    clouds: str
    stars: bool = False


MOODS = (  # The columns are: the sky from top to bottom, sun, far hills, near hills, clouds, stars.
    Mood(("#1d2b64", "#8e5a8b", "#f2a07b", "#ffd9a0"), "#fff3cf", "#b98aa0", "#22263f", "#ffb199"),
    Mood(("#2f6fb4", "#7fb4dd", "#cfe6f2", "#eef6f5"), "#ffffff", "#9db9c9", "#2f5a35", "#ffffff"),
    Mood(("#f4845f", "#f7b267", "#fbd6a0", "#fff0d0"), "#fffbe8", "#d99f7b", "#5b2a2a", "#fff1dc"),
    Mood(("#070b24", "#14204d", "#2c3f78", "#57689c"), "#f3f1e2", "#3b4c7f", "#080d20", "#44527f",
         stars=True),
    Mood(("#3f8fbf", "#a9d3e3", "#f3e9cf", "#f9dfae"), "#fff7da", "#c5b998", "#7a4a1c", "#fffaf0"),
    Mood(("#5a7f8c", "#9fb8bb", "#d5dcd6", "#ecebe2"), "#fdfcf4", "#a9b8b5", "#25382f", "#f4f4ef"),
    Mood(("#41295a", "#a0446e", "#ef7f6a", "#ffc38b"), "#ffe9b8", "#96567f", "#1b1530", "#ff9e8c"),
)  # fmt: skip


def landscape(chance: Chance) -> Image.Image:
    """Draw one landscape."""
    width, height = SIZES[int(chance.integers(len(SIZES)))]
    mood = MOODS[int(chance.integers(len(MOODS)))]
    shore = int(height * chance.uniform(0.62, 0.8)) if chance.random() < 0.55 else height
    horizon = int(height * chance.uniform(0.42, 0.56))
    sun = (float(width * chance.uniform(0.15, 0.85)), float(horizon * chance.uniform(0.3, 0.92)))
    canvas = _sky(chance, mood, width, height, horizon, sun)
    _hills(chance, canvas, mood, horizon, shore)
    if shore < height:
        _water(chance, canvas, shore, sun[0], rgb(mood.sun))
    return finish(canvas, chance)


def _sky(
    chance: Chance, mood: Mood, width: int, height: int, horizon: int, sun: tuple[float, float]
) -> Canvas:
    canvas = gradient(width, height, [rgb(colour) for colour in mood.sky])
    canvas[:horizon] = gradient(width, horizon, [rgb(colour) for colour in mood.sky])
    canvas[horizon:] = canvas[horizon - 1]
    if mood.stars:
        stars = chance.random((height // 2, width // 2), np.float32) > 0.9975
        bright = stars * chance.uniform(0.3, 1, stars.shape).astype(np.float32)
        bright = np.pad(np.repeat(np.repeat(bright, 2, 0), 2, 1), ((0, height % 2), (0, width % 2)))
        blend(canvas, (255, 255, 245), bright)
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(x - sun[0], y - sun[1]).astype(np.float32)
    light, radius = rgb(mood.sun), min(width, height) * chance.uniform(0.035, 0.06)
    blend(canvas, light, 0.75 * np.exp(-distance / (radius * 4)))
    cover = noise(chance, width, horizon, int(chance.integers(2, 5)), 5)
    # The clouds become thinner towards the horizon.
    thickness = np.clip((cover - chance.uniform(0.48, 0.66)) * 3.2, 0, 1)
    thickness *= np.linspace(1, 0.35, horizon, dtype=np.float32)[:, None]
    sky = canvas[:horizon]
    blend(sky, mix(rgb(mood.clouds), rgb(mood.sky[0]), 0.35), thickness * 0.5)
    lit = np.clip(thickness - np.roll(thickness, 9, axis=0) * 0.55, 0, 1)
    blend(sky, rgb(mood.clouds), lit * 0.85)
    blend(canvas, light, np.clip(radius - distance + 0.5, 0, 1))
    return canvas


def _hills(chance: Chance, canvas: Canvas, mood: Mood, horizon: int, shore: int) -> None:
    height, width = canvas.shape[:2]
    layers = int(chance.integers(4, 7))
    far, near = rgb(mood.far), rgb(mood.near)
    texture = noise(chance, width, height, 24, 4)
    rows = np.arange(height, dtype=np.float32)[:, None]
    steep = chance.uniform(0.42, 0.6)
    for layer in range(layers):
        depth = layer / (layers - 1)
        base = horizon + (shore - horizon) * (0.05 + 0.72 * depth**1.3)
        reach = height * (0.17 * (1 - depth) + 0.05)
        line = base - reach * skyline(chance, width, steep - 0.12 * depth, 2.2 + 2 * depth)
        line = np.minimum(line, shore - 2).astype(np.float32)
        inside = np.clip(rows - line[None] + 0.5, 0, 1)
        inside[shore:] = 0
        colour = mix(far, near, depth**0.8)
        blend(canvas, colour, inside)
        # Each range of hills has haze at its lower edge, and light that varies over its slopes.
        foot = np.clip((rows - line[None]) / (height * 0.22), 0, 1)
        blend(canvas, rgb(mood.sky[-1]), inside * foot * 0.42 * (1 - depth))
        canvas += (texture[..., None] - 0.5) * inside[..., None] * (14 + 26 * depth)
        if layer >= layers - 2 and chance.random() < 0.75:
            _trees(chance, canvas, line, mix(colour, (8, 14, 12), 0.55), 0.35 + 0.65 * depth)


def _trees(chance: Chance, canvas: Canvas, line: Canvas, colour: Colour, scale: float) -> None:
    """Draw groups of fir trees along a skyline."""
    height, width = canvas.shape[:2]
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    density = noise(chance, width, 2, 5, 3)[0]
    x = 0.0
    while x < width:
        column = int(x)
        if density[column] > 0.45:
            tall = height * scale * chance.uniform(0.035, 0.085)
            foot = float(line[column]) + 4
            wide = tall * chance.uniform(0.17, 0.24)
            for step in range(4):
                top, low = foot - tall * (1 - step * 0.2), foot - tall * (0.62 - step * 0.2)
                spread = wide * (0.42 + 0.2 * step)
                draw.polygon([(x, top), (x - spread, low), (x + spread, low)], fill=255)
        x += chance.uniform(4, 16) * scale
    blend(canvas, colour, np.asarray(mask, np.float32) / 255)


def _water(chance: Chance, canvas: Canvas, shore: int, sun_x: float, light: Colour) -> None:
    """Draw the water.

    It is a mirror image of the scene above the shore, but darker and with ripples.
    """
    height, width = canvas.shape[:2]
    depth = np.arange(height - shore)
    source = np.clip(shore - 1 - (depth * 1.15).astype(int), 0, shore - 1)
    mirror = canvas[source]
    ripples = noise(chance, width, height - shore, 14, 3, stretch=9)
    swell = (np.sin(depth * 0.9 + chance.uniform(0, 6)) * (1 + depth * 0.05)).astype(int)
    for row, shift in enumerate(swell):
        mirror[row] = np.roll(mirror[row], int(shift), axis=0)
    mirror = mirror * 0.8 + np.array((6, 22, 34), np.float32)
    mirror += (ripples[..., None] - 0.5) * (10 + 30 * (depth / max(1, len(depth))))[:, None, None]
    spread = (width * 0.02 + depth * 0.22).astype(np.float32)[:, None]
    path = np.exp(-(((np.arange(width)[None] - sun_x) / spread) ** 2)).astype(np.float32)
    blend(mirror, light, path * np.clip((ripples - 0.5) * 9, 0, 0.75))
    canvas[shore:] = mirror
