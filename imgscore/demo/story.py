"""What happens in the demo, from the first picture to the contact sheet. Yields its progress."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from typing import NamedTuple

from imgscore.demo.sandbox import Sandbox
from imgscore.messages import Progress

WAIT_SECONDS = 300.0
LABELS = 6
LIKED = "landscape"
DISLIKED = ("screen", "chart")


class Line(NamedTuple):
    """A file of the inbox, as it stands in the order by date."""

    name: str
    mtime_ns: int
    score: float | None


class Outcome(NamedTuple):
    """What the demo showed. The listings are newest first."""

    before: list[Line]
    after: list[Line]
    kept: list[str]
    trashed: list[str]
    seconds: float
    learning_seconds: float
    """from the last file that was moved to the inbox in its new order"""
    auc: float
    """of all pairs of a landscape and a screen or chart: the part with the landscape first"""


def run(sandbox: Sandbox) -> Generator[Progress, None, Outcome]:
    """Draw, drop, label, wait, look. The folder is prepared; the daemon is ended at the end."""
    from imgscore.demo import pictures
    from imgscore.demo.sheet import contact_sheet

    began = time.monotonic()
    drawing = sandbox.state / "drawing"
    drawing.mkdir()
    dates = pictures.dates(time.time_ns(), pictures.COUNT)
    with sandbox.daemon():
        for number, (name, image) in enumerate(pictures.draw_all()):
            yield Progress("drawing pictures", number, pictures.COUNT)
            pictures.save(image, drawing / name, dates[number])
            sandbox.remember(drawing / name)
            # A rename, so that the daemon never meets half a picture.
            os.rename(drawing / name, sandbox.inbox / name)
        yield from _wait(sandbox, "looking at them")
        before = [Line(name, date, None) for name, date in sandbox.by_date()]
        names = [line.name for line in before]
        kept = [name for name in names if pictures.kind_of(name) == LIKED][:LABELS]
        trashed = [
            name
            for kind in DISLIKED
            for name in [one for one in names if pictures.kind_of(one) == kind][: LABELS // 2]
        ]
        moved = time.monotonic()
        for folder, chosen in ((sandbox.keep, kept), (sandbox.trash, trashed)):
            for name in chosen:
                os.rename(sandbox.inbox / name, folder / name)
        yield from _wait(sandbox, "learning")
        learned = time.monotonic() - moved
        after = _after(sandbox)
    files = {name: sandbox.inbox / name for name in names}
    files |= {name: sandbox.keep / name for name in kept}
    files |= {name: sandbox.trash / name for name in trashed}
    yield Progress("making the contact sheet", 1, 2)
    scored = [(line.name, line.score or 0.0) for line in after]
    contact_sheet(files, names, scored, kept, trashed).save(sandbox.sheet, compress_level=4)
    sandbox.remember(sandbox.sheet)
    auc = _auc([pictures.kind_of(line.name) for line in after])
    return Outcome(before, after, kept, trashed, time.monotonic() - began, learned, auc)


def _wait(sandbox: Sandbox, what: str) -> Generator[Progress, None, None]:
    for message in sandbox.call("wait", timeout=WAIT_SECONDS):
        if isinstance(message, Progress):
            yield Progress(what, message.done, message.total)


def _after(sandbox: Sandbox) -> list[Line]:
    order = sandbox.by_date()
    rows = sandbox.rows("score", files=[str(sandbox.inbox / name) for name, _ in order])
    return [Line(name, date, row["score"]) for (name, date), row in zip(order, rows, strict=True)]


def _auc(kinds: Sequence[str]) -> float:
    """How often what is liked stands before what is not, over all pairs; 0.5 is chance."""
    liked, right, pairs = 0, 0, 0
    for kind in kinds:
        if kind == LIKED:
            liked += 1
        elif kind in DISLIKED:
            right += liked
    pairs = liked * sum(kind in DISLIKED for kind in kinds)
    return right / pairs if pairs else 0.5
