"""A seeded sequence of a person's actions in an inbox, and the labels and dates they must lead to.

The final state does not depend on the daemon's progress: the label of a file follows from the
actions alone, and no file leaves before it was embedded. So two runs of a seed must end alike.
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

PAST_NS = 1_500_000_000 * 10**9
"""ns since 1970 (July 2017): a date that is older than every test run"""
HOUR_NS = 3600 * 10**9
"""ns: the interval between the dates of the images"""


def draw_image(kind: str, number: int, folder: Path) -> Path:
    """Write a small image: a warm disc ("sun") or lines of text ("text"), different per number."""
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


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Workload:
    """Actions in a sandbox that has labels and whose daemon has no pending work."""

    def __init__(self, sandbox: Sandbox, dates: dict[str, int], seed: int) -> None:
        """`dates`: digest → the original mtime in ns, of the files that exist already."""
        self.sandbox = sandbox
        self.dates = dict(dates)
        self.wanted: dict[str, str] = {}
        """digest → the label that it must have at the end"""
        self._chance = random.Random(seed)
        self._number = 1000 * (1 + seed)
        self._staging = sandbox.folder / "staging"
        self._staging.mkdir(exist_ok=True)
        self._unlabelled = [path for path in sandbox.files() if path.parent == sandbox.inbox]
        self._initial_trash = sorted((sandbox.inbox / "trash").iterdir())
        for name in ("keep", "trash"):
            for path in (sandbox.inbox / name).iterdir():
                self.wanted[hash_file(path)] = name

    def steps(self, count: int) -> Iterator[None]:
        """Perform `count` random actions with short pauses; yields after each of them."""
        actions = (
            self._add_files, self._add_files, self._add_files, self._label, self._label,
            self._correct_label, self._remove_label, self._delete_file,
        )  # fmt: skip
        for _ in range(count):
            self._chance.choice(actions)()
            yield
            time.sleep(self._chance.choice((0.0, 0.0, 0.05, 0.2)))

    def _add_files(self) -> None:
        for _ in range(self._chance.randrange(1, 4)):
            self._number += 1
            kind = self._chance.choice(("sun", "text"))
            ready = draw_image(kind, self._number, self._staging)
            date = PAST_NS + self._number * HOUR_NS + self._chance.randrange(10**9)
            os.utime(ready, ns=(date, date))
            self.dates[hash_file(ready)] = date
            ready.rename(self.sandbox.inbox / ready.name)

    def _take_unlabelled(self) -> Path | None:
        """An initial file that no action has used yet."""
        if not self._unlabelled:
            return None
        return self._unlabelled.pop(self._chance.randrange(len(self._unlabelled)))

    def _label(self) -> None:
        path = self._take_unlabelled()
        if path is not None:
            label = "keep" if path.name.startswith("sun") else "trash"
            self.wanted[hash_file(path)] = label
            path.rename(self.sandbox.inbox / label / path.name)

    def _choose_labelled(self, label: str) -> Path | None:
        paths = sorted((self.sandbox.inbox / label).iterdir())
        return paths[self._chance.randrange(len(paths))] if len(paths) > 3 else None

    def _correct_label(self) -> None:
        path = self._choose_labelled("trash")
        if path is not None:
            self.wanted[hash_file(path)] = "keep"
            path.rename(self.sandbox.inbox / "keep" / path.name)

    def _remove_label(self) -> None:
        path = self._choose_labelled("keep")
        if path is not None:
            del self.wanted[hash_file(path)]
            path.rename(self.sandbox.inbox / path.name)

    def _delete_file(self) -> None:
        """Delete a file; the store keeps its label."""
        path = self._take_unlabelled() if self._chance.random() < 0.5 else None
        if path is None:
            # Choose an initial file: the daemon stores no label of a file it never scanned.
            paths = [path for path in self._initial_trash if path.exists()]
            path = self._chance.choice(paths) if len(paths) > 2 else None
        if path is not None:
            path.unlink()
