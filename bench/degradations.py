"""Degraded copies of an image, and which of two copies is certainly the better one."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator

import msgspec
import numpy as np
from PIL import Image, ImageFilter

BLURS = (0.0, 0.5, 1.0, 2.0, 3.0)
"""standard deviations in pixels"""
MOTIONS = (0, 5, 9, 15)
"""lengths in pixels"""
ANGLES = (0, 45, 90, 135)
NOISES = (0, 3, 5, 10, 20)
"""standard deviations in levels, for each channel"""
QUALITIES = (95, 90, 75, 60, 45, 30)
SCALES = (1.0, 0.9, 0.75, 0.5, 0.25)
STOPS = (0.0, 1.0, -1.0, 1.5, -1.5)
"""exposure in stops; any exposure but the first clips highlights or shadows"""
FACTORS = (1.25, 1.5, 2.0, 3.0)
"""by how much the sides of the original are enlarged"""
COMBINATIONS = 14


class Degradation(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that make a copy of an image: lens, exposure, sensor, encoders."""

    blur: float = 0.0
    motion: int = 0
    angle: int = 0
    stops: float = 0.0
    scale: float = 1.0
    enlarged: bool = False
    """whether the copy is enlarged to the former size again"""
    factor: float = 1.0
    """the sides of an enlarged copy, in sides of the former size"""
    noise: int = 0
    quality: int = 95
    again: str = ""
    """the format to which the JPEG is converted: PNG, or JPEG or WEBP with the quality 90"""

    @property
    def losses(self) -> tuple[float, ...]:
        """The cost of each kind of degradation, in its own unit; 0 is none."""
        return (
            self.blur,
            self.motion,
            abs(self.stops),
            1 - self.scale,
            self.factor - 1,
            self.noise,
            95 - self.quality,
        )


KINDS = ("blur", "motion blur", "exposure", "scale", "enlarged", "noise", "quality")
"""the names of the losses"""


def is_better(one: Degradation, other: Degradation) -> bool:
    """Whether `one` has no greater loss of any kind, and a smaller loss of one kind."""
    if (one.again and one.again != other.again) or (one.enlarged and not other.enlarged):
        return False
    if one.stops or (one.motion and one.angle != other.angle):
        return False
    pairs = list(zip(one.losses, other.losses, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def name_of(one: Degradation, other: Degradation) -> str:
    """The name of a pair for the table: the kind of loss that differs."""
    losses = [kind for kind, loss in zip(KINDS, other.losses, strict=True) if loss]
    if len(losses) > 1:
        return "combinations"
    if losses == ["scale"]:
        return "scaled down and up again" if other.enlarged else "scaled down"
    return f"quality, then {other.again}" if other.again else losses[0]


def degradations(seed: str) -> list[Degradation]:
    """The list of copies of one image, the original first. Equal seeds give equal lists."""
    chance = random.Random(seed)
    made = [
        Degradation(),
        *(Degradation(blur=blur) for blur in BLURS[1:]),
        *(Degradation(motion=length, angle=chance.choice(ANGLES)) for length in MOTIONS[1:]),
        *(Degradation(noise=noise) for noise in NOISES[1:]),
        *(Degradation(quality=quality) for quality in QUALITIES[1:]),
        *(Degradation(quality=75, again=again) for again in ("PNG", "JPEG", "WEBP")),
        *(Degradation(quality=30, again=again) for again in ("PNG", "JPEG", "WEBP")),
        *(Degradation(scale=scale) for scale in SCALES[1:]),
        *(Degradation(scale=scale, enlarged=True) for scale in SCALES[1:]),
        *(Degradation(stops=stops) for stops in STOPS[1:]),
        *(Degradation(enlarged=True, factor=factor) for factor in FACTORS),
        Degradation(scale=0.5, enlarged=True, factor=2.0),
    ]
    for _ in range(COMBINATIONS):
        made += _combination(chance)
    return list(dict.fromkeys(made))


def _combination(chance: random.Random) -> Iterator[Degradation]:
    """Two or more losses at once, and the same with one of them a step greater."""

    def some(values: tuple[float, ...]) -> float:
        return chance.choice(values[1:]) if chance.random() < 0.5 else values[0]

    first = Degradation(
        blur=some(BLURS),
        noise=int(some(NOISES)),
        quality=int(some(QUALITIES)),
        scale=some(SCALES),
        enlarged=chance.random() < 0.5,
    )
    yield first
    ladders = {"blur": BLURS, "noise": NOISES, "quality": QUALITIES, "scale": SCALES}
    kind, ladder = chance.choice(list(ladders.items()))
    place = ladder.index(getattr(first, kind))
    if place + 1 < len(ladder):
        yield msgspec.structs.replace(first, **{kind: ladder[place + 1]})


def degrade(image: Image.Image, how: Degradation, seed: int) -> bytes:
    """The bytes of a copy of an RGB image."""
    size = image.size
    if how.blur:
        image = image.filter(ImageFilter.GaussianBlur(how.blur))
    if how.motion:
        image = _moved(image, how.motion, math.radians(how.angle))
    if how.stops:
        linear = (np.asarray(image, np.float32) / 255) ** 2.2 * 2**how.stops
        image = _from_floats(255 * np.clip(linear, 0, 1) ** (1 / 2.2))
    if how.scale < 1 or how.enlarged:
        width, height = (max(8, round(side * how.scale)) for side in size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        if how.enlarged:
            wide, high = (round(side * how.factor) for side in size)
            image = image.resize((wide, high), Image.Resampling.BICUBIC)
    if how.noise:
        pixels = np.asarray(image, np.float32)
        noise = np.random.default_rng(seed).normal(0, how.noise, pixels.shape)
        image = _from_floats(pixels + noise)
    data = _encoded(image, "JPEG", quality=how.quality)
    if how.again == "PNG":
        return _encoded(Image.open(io.BytesIO(data)), "PNG", compress_level=1)
    if how.again:
        return _encoded(Image.open(io.BytesIO(data)), how.again, quality=90)
    return data


def _moved(image: Image.Image, length: int, angle: float) -> Image.Image:
    """The mean of copies that are moved along a line."""
    pixels = np.asarray(image, np.float32)
    total = np.zeros_like(pixels)
    for step in range(length):
        away = step - (length - 1) / 2
        shift = round(away * math.sin(angle)), round(away * math.cos(angle))
        total += np.roll(pixels, shift, (0, 1))
    return _from_floats(total / length)


def _from_floats(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def _encoded(image: Image.Image, name: str, **settings: int) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **settings)
    return file.getvalue()
