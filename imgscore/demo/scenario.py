"""The steps of the demo: draw, label, wait for the order, draw the contact sheet."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from typing import NamedTuple

from imgscore.demo.folder import DemoFolder
from imgscore.messages import Progress

WAIT_SECONDS = 300.0
"""The largest number of seconds to wait for the indexing of all pictures, and again for their new
order. An idle machine needs a few seconds for each."""
LABELS = 6
"""The number of pictures that are moved into keep/. The same number is moved into trash/."""
LIKED = "landscape"
DISLIKED = ("screen", "chart")


class Line(NamedTuple):
    """One file of the inbox. A list of Lines is sorted by the dates of the files."""

    name: str
    mtime_ns: int
    score: float | None


class Outcome(NamedTuple):
    """The result of the demo.

    `before` and `after`: the files of the inbox before and after imgscore has ordered them, newest
    first.
    """

    before: list[Line]
    after: list[Line]
    kept: list[str]
    trashed: list[str]
    seconds: float
    learning_seconds: float
    """the number of seconds from the first label until the inbox is in its new order"""
    auc: float
    """the share of pairs in which the landscape is newer; each pair has a landscape, and a
    screen or a chart"""


def run(demo: DemoFolder) -> Generator[Progress, None, Outcome]:
    """Draw pictures, label some of them, and wait for the new order.

    `demo.prepare` must have been called before.
    """
    from imgscore.demo import pictures
    from imgscore.demo.sheet import contact_sheet

    began = time.monotonic()
    with demo:
        demo.start()
        yield from _draw(demo)
        yield from _wait(demo, "indexing them")
        before = [Line(name, date, None) for name, date in demo.by_date()]
        names = [line.name for line in before]
        kept = _first(names, LIKED, LABELS)
        trashed = [name for kind in DISLIKED for name in _first(names, kind, LABELS // 2)]
        moved = time.monotonic()
        for folder, chosen in ((demo.keep, kept), (demo.trash, trashed)):
            for name in chosen:
                os.rename(demo.inbox / name, folder / name)
        yield from _wait(demo, "learning")
        learning_seconds = time.monotonic() - moved
        after = _after(demo)
    files = {name: demo.inbox / name for name in names}
    files |= {name: demo.keep / name for name in kept}
    files |= {name: demo.trash / name for name in trashed}
    yield Progress("making the contact sheet", 1, 2)
    scored = [(line.name, line.score or 0.0) for line in after]
    contact_sheet(files, names, scored, kept, trashed).save(demo.sheet, compress_level=4)
    demo.record(demo.sheet)
    auc = _auc([pictures.kind_of(line.name) for line in after])
    return Outcome(before, after, kept, trashed, time.monotonic() - began, learning_seconds, auc)


def _draw(demo: DemoFolder) -> Generator[Progress, None, None]:
    """Draw the pictures in another folder, and move each finished file into the inbox."""
    from imgscore.demo import pictures

    drawing = demo.home / "drawing"
    drawing.mkdir()
    dates = pictures.dates(time.time_ns(), pictures.COUNT)
    for number, (name, image) in enumerate(pictures.draw_all()):
        yield Progress("drawing pictures", number, pictures.COUNT)
        pictures.save(image, drawing / name, dates[number])
        demo.record(drawing / name)
        # A rename is atomic, so the daemon finds only complete files in the inbox.
        os.rename(drawing / name, demo.inbox / name)


def _first(names: Sequence[str], kind: str, count: int) -> list[str]:
    from imgscore.demo import pictures

    return [name for name in names if pictures.kind_of(name) == kind][:count]


def _wait(demo: DemoFolder, what: str) -> Generator[Progress, None, None]:
    for message in demo.call("wait", timeout=WAIT_SECONDS):
        if isinstance(message, Progress):
            yield Progress(what, message.done, message.total)


def _after(demo: DemoFolder) -> list[Line]:
    order = demo.by_date()
    rows = demo.ask("score", files=[str(demo.inbox / name) for name, _ in order])
    return [Line(name, date, row["score"]) for (name, date), row in zip(order, rows, strict=True)]


def _auc(kinds: Sequence[str]) -> float:
    """Return the AUC of an order of pictures. `kinds`: the kinds of the pictures in this order.

    The AUC is the share of all pairs (liked picture, disliked picture) in which the liked picture
    is first. The AUC of a random order is about 0.5.
    """
    liked, right = 0, 0
    for kind in kinds:
        if kind == LIKED:
            liked += 1
        elif kind in DISLIKED:
            right += liked
    pairs = liked * sum(kind in DISLIKED for kind in kinds)
    return right / pairs if pairs else 0.5
