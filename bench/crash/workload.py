"""What a person does to an inbox, the same for the same seed, and what has to be known afterwards.

Nothing in it depends on how far the daemon is: each file's label at the end follows from what was
done to it, and no file goes before it was embedded. So two runs must end alike.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.crash.sandbox import Sandbox

LONG_AGO = 1_500_000_000 * 10**9
HOUR = 3600 * 10**9


def draw(kind: str, number: int, folder: Path) -> Path:
    """A small picture: warm discs ("sun") or lines of text ("text"); each number another."""
    chance = random.Random(f"{kind} {number}")
    width, height = chance.randrange(160, 320), chance.randrange(160, 320)
    if kind == "sun":
        down = np.linspace(0, 1, height)[:, None, None]
        top = [chance.randrange(120, 255) for _ in range(3)]
        bottom = [chance.randrange(120) for _ in range(3)]
        pixels = (np.array(top) * (1 - down) + np.array(bottom) * down) * np.ones((1, width, 1))
        image = Image.fromarray(pixels.astype(np.uint8))
        x, y, r = (chance.randrange(30, 110) for _ in range(3))
        ImageDraw.Draw(image).ellipse((x, y, x + r, y + r), fill=(255, 220, chance.randrange(120)))
    else:
        image = Image.new("RGB", (width, height), "white")
        pen = ImageDraw.Draw(image)
        for y in range(10, height - 10, 12):
            x = 10
            while x < width - 20:
                word = chance.randrange(4, 40)
                pen.rectangle((x, y, x + word, y + 5), fill=(20, 20, 20))
                x += word + 6
    path = folder / f"{kind}-{number:04}.{'jpg' if number % 2 else 'png'}"
    image.save(path)
    return path


def digest_of(path: Path) -> str:
    """sha256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Workload:
    """Begins on a settled yard with labels; `steps` is done one by one."""

    def __init__(self, sandbox: Sandbox, dates: dict[str, int], seed: int) -> None:
        """`dates`: digest → the user's own mtime, of what is there already."""
        self.sandbox = sandbox
        self.dates = dict(dates)
        self.wanted: dict[str, str] = {}
        """digest → label, as it has to be at the end"""
        self._chance = random.Random(seed)
        self._number = 1000 * (1 + seed)
        self._staging = sandbox.folder / "staging"
        self._staging.mkdir(exist_ok=True)
        self._known = [path for path in sandbox.files() if path.parent == sandbox.inbox]
        self._seen_in_trash = sorted((sandbox.inbox / "trash").iterdir())
        for name in ("keep", "trash"):
            for path in (sandbox.inbox / name).iterdir():
                self.wanted[digest_of(path)] = name

    def steps(self, count: int) -> Iterator[None]:
        """Do `count` things, a little apart; the caller looks at the daemon in between."""
        kinds = ("drop", "drop", "drop", "teach", "teach", "correct", "back", "delete")
        for _ in range(count):
            getattr(self, f"_{self._chance.choice(kinds)}")()
            yield
            time.sleep(self._chance.choice((0.0, 0.0, 0.05, 0.2)))

    def _drop(self) -> None:
        for _ in range(self._chance.randrange(1, 4)):
            self._number += 1
            kind = self._chance.choice(("sun", "text"))
            ready = draw(kind, self._number, self._staging)
            date = LONG_AGO + self._number * HOUR + self._chance.randrange(10**9)
            os.utime(ready, ns=(date, date))
            self.dates[digest_of(ready)] = date
            ready.rename(self.sandbox.inbox / ready.name)

    def _take_known(self) -> Path | None:
        """A file of the beginning that nothing was done to yet."""
        if not self._known:
            return None
        return self._known.pop(self._chance.randrange(len(self._known)))

    def _teach(self) -> None:
        path = self._take_known()
        if path is not None:
            label = "keep" if path.name.startswith("sun") else "trash"
            self.wanted[digest_of(path)] = label
            path.rename(self.sandbox.inbox / label / path.name)

    def _labelled(self, label: str) -> Path | None:
        found = sorted((self.sandbox.inbox / label).iterdir())
        return found[self._chance.randrange(len(found))] if len(found) > 3 else None

    def _correct(self) -> None:
        path = self._labelled("trash")
        if path is not None:
            self.wanted[digest_of(path)] = "keep"
            path.rename(self.sandbox.inbox / "keep" / path.name)

    def _back(self) -> None:
        path = self._labelled("keep")
        if path is not None:
            del self.wanted[digest_of(path)]
            path.rename(self.sandbox.inbox / path.name)

    def _delete(self) -> None:
        """The label of a file that is deleted stays."""
        path = self._take_known() if self._chance.random() < 0.5 else None
        if path is None:
            # One that was seen there before: what comes and goes unseen is nobody's label.
            there = [one for one in self._seen_in_trash if one.exists()]
            path = self._chance.choice(there) if len(there) > 2 else None
        if path is not None:
            path.unlink()
