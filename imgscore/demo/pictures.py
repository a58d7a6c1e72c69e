"""The demo's collection: which pictures of which kind, under which name and date."""

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
# Dates spread over this long before now, as those of a folder that filled up by itself.
SPREAD_SECONDS = 300 * 86_400


class Kind(NamedTuple):
    """A kind of picture: how many there are, how one is drawn, the file's ending."""

    name: str
    number: int
    draw: Callable[[Chance], Image.Image]
    ending: str


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
    """The kind of a picture by its file's name; "" for somebody else's."""
    stem = name.partition("-")[0]
    return stem if any(kind.name == stem for kind in KINDS) else ""


def draw_all(count: int = COUNT, seed: int = SEED) -> Iterator[tuple[str, Image.Image]]:
    """(file name, image) of the collection, kinds mixed; the same for the same seed.

    `count`: how many; beyond the collection's own size it goes on with more of each kind.
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
        yield f"{kind.name}-{number:02}{kind.ending}", kind.draw(chance)


def save(image: Image.Image, path: Path, date_ns: int) -> None:
    """Write a picture under a date."""
    if path.suffix == ".jpg":
        image.save(path, quality=88)
    else:
        image.save(path, compress_level=3)
    os.utime(path, ns=(date_ns, date_ns))


def dates(now_ns: int, count: int, seed: int = SEED) -> list[int]:
    """Dates (ns) for `count` pictures, in no order that has to do with what they show."""
    seconds = np.random.default_rng([seed, 1]).choice(SPREAD_SECONDS, count, replace=False)
    return [now_ns - (int(one) + 3600) * 10**9 for one in seconds]
