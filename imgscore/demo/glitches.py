"""Drawings of failed pictures: noise, torn scan lines, half-grey files, lens caps and test bars."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgscore.demo.landscapes import landscape
from imgscore.demo.paint import Chance, finish, gradient, noise, pick, rgb, to_image

BARS = ("#bfbfbf", "#bfbf00", "#00bfbf", "#00bf00", "#bf00bf", "#bf0000", "#0000bf")


def glitch(chance: Chance) -> Image.Image:
    """Draw one failed picture."""
    kinds = (_snow, _torn, _half, _lens_cap, _bars)
    return kinds[int(chance.integers(len(kinds)))](chance)


def _snow(chance: Chance) -> Image.Image:
    canvas = chance.uniform(0, 255, (150, 200, 1 if chance.random() < 0.5 else 3))
    canvas = np.broadcast_to(canvas, (150, 200, 3)).astype(np.float32)
    return to_image(canvas).resize((800, 600), Image.Resampling.NEAREST)


def _torn(chance: Chance) -> Image.Image:
    canvas = np.asarray(landscape(chance)).copy()
    row = 0
    while row < len(canvas):
        high = int(chance.integers(6, 60))
        part = np.roll(canvas[row : row + high], int(chance.integers(-300, 300)), axis=1)
        canvas[row : row + high] = part[:, :, chance.permutation(3)]
        row += high
    return Image.fromarray(canvas)


def _half(chance: Chance) -> Image.Image:
    """Draw a picture whose download seems interrupted: the missing lines of pixels are grey."""
    canvas = np.asarray(landscape(chance)).copy()
    canvas[int(len(canvas) * chance.uniform(0.2, 0.45)) :] = 128
    return Image.fromarray(canvas)


def _lens_cap(chance: Chance) -> Image.Image:
    canvas = gradient(900, 600, [(9, 7, 6), (14, 11, 12)])
    canvas += noise(chance, 900, 600, 3, 2)[..., None] * 22
    return finish(canvas, chance, grain=9)


def _bars(chance: Chance) -> Image.Image:
    wide = 120
    stripes = [np.full((600, wide, 3), rgb(colour), np.float32) for colour in BARS]
    canvas = np.concatenate(stripes, axis=1)
    canvas[480:] = pick(chance, ["#101010", "#202040", "#3a3a3a"])
    return finish(canvas, chance, grain=20)
