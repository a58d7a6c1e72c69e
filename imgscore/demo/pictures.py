"""The pictures of the demo: their kinds, numbers, names and dates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from imgscore.demo.charts import chart
from imgscore.demo.glitches import glitch
from imgscore.demo.landscapes import landscape
from imgscore.demo.paint import Chance
from imgscore.demo.people import portrait, poster
from imgscore.demo.screens import screen

SEED = 20
SPREAD_SECONDS = 300 * 86_400
"""The length in seconds of the period in which all pictures are dated. The period ends an hour
before the present time. It is long because the demo imitates a folder that grew slowly."""


class Kind(NamedTuple):
    """A kind of picture.

    `number`: the number of pictures of this kind in the collection. `draw`: the function that draws
    one picture. `suffix`: the suffix of the file name.
    """

    name: str
    number: int
    draw: Callable[[Chance], Image.Image]
    suffix: str


KINDS = (
    Kind("landscape", 36, landscape, ".jpg"),
    Kind("portrait", 16, portrait, ".jpg"),
    Kind("poster", 16, poster, ".png"),
    Kind("chart", 22, chart, ".png"),
    Kind("screen", 24, screen, ".png"),
    Kind("glitch", 6, glitch, ".jpg"),
)
COUNT = sum(kind.number for kind in KINDS)


def kind_of(name: str) -> str:
    """Return the name of the kind to which a picture belongs. `name`: the file name of the picture.

    Return "" if the file name is not that of a picture of the demo.
    """
    stem = name.partition("-")[0]
    return stem if any(kind.name == stem for kind in KINDS) else ""


def draw_all(count: int = COUNT, seed: int = SEED) -> Iterator[tuple[str, Image.Image]]:
    """Yield (file name, image) of each picture, with the kinds in random order.

    Equal seeds produce equal pictures. `count`: the number of pictures. If `count` is larger than
    COUNT, more pictures of each kind are drawn.
    """
    wanted = [
        (kind, number + 1)
        for kind in KINDS
        for number in range(-(-kind.number * max(count, COUNT) // COUNT))
    ]
    order = np.random.default_rng(seed).permutation(len(wanted))
    for index in order[:count]:
        kind, number = wanted[index]
        chance = np.random.default_rng([seed, KINDS.index(kind), number])
        yield f"{kind.name}-{number:02}{kind.suffix}", kind.draw(chance)


def save(image: Image.Image, path: Path, date_ns: int) -> None:
    """Save a picture as a file, and set the date of the file."""
    if path.suffix == ".jpg":
        image.save(path, quality=88)
    else:
        image.save(path, compress_level=3)
    os.utime(path, ns=(date_ns, date_ns))


def dates(now_ns: int, count: int, seed: int = SEED) -> list[int]:
    """Return `count` random dates, in ns since 1970.

    The dates do not depend on the kinds of the pictures.
    """
    seconds = np.random.default_rng([seed, 1]).choice(SPREAD_SECONDS, count, replace=False)
    return [now_ns - (int(age) + 3600) * 10**9 for age in seconds]
