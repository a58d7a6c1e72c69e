"""Where each crash begins, and the judgement at the end: nothing may be other than undisturbed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.crash.sandbox import LostError, Yard, ending
from bench.crash.workload import HOUR, LONG_AGO, Story, digest_of, draw

BEGINNING = 56
LABELS = 8
# Trained before the story, so that every end can be judged by the same.
HEADS = ("1", "2")


class Scene:
    """A yard that has learned and come to rest; each try begins with a copy, at the same place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.yard = Yard(folder / "yard")
        self.yard.folder.mkdir(parents=True)
        self.yard.prepare()
        self.dates: dict[str, int] = {}
        files = [draw(("sun", "text")[n % 2], n, self.yard.inbox) for n in range(BEGINNING)]
        for number, path in enumerate(files):
            date = LONG_AGO + number * HOUR + 12_345 + number
            os.utime(path, ns=(date, date))
            self.dates[digest_of(path)] = date
        with self._daemon():
            self.yard.settle()
            for number, path in enumerate(files[: 2 * LABELS]):
                path.rename(self.yard.inbox / ("keep", "trash")[number % 2] / path.name)
            self.yard.settle()
            for number, path in enumerate(files[2 * LABELS : 2 * LABELS + 4]):
                path.rename(self.yard.inbox / ("keep", "trash")[number % 2] / path.name)
            self.yard.settle()
            heads = [row["head"] for row in self.yard.ask("heads", action="list")]
        assert set(heads) >= set(HEADS), heads
        self._ends: dict[tuple[int, int], list[str]] = {}
        self.yard.log.unlink()
        self.pristine = self.yard.folder.rename(folder / "pristine")

    @contextlib.contextmanager
    def _daemon(self) -> Iterator[None]:
        self.yard.start()
        try:
            yield
            self.yard.stop()
        finally:
            self.yard.kill()

    def fresh(self) -> Yard:
        """The yard for one try; there is one at a time."""
        shutil.copytree(self.pristine, self.yard.folder, symlinks=True)
        return Yard(self.yard.folder)

    def undisturbed(self, seed: int, acts: int) -> list[str]:
        """The order in which a story ends that nothing disturbs."""
        if (seed, acts) not in self._ends:
            with ending(self.fresh()) as yard:
                yard.start()
                story = Story(yard, self.dates, seed)
                for _ in story.steps(acts):
                    pass
                self._ends[seed, acts] = conclude(yard, story)
        return self._ends[seed, acts]


def conclude(yard: Yard, story: Story) -> list[str]:
    """Settle, give all dates back, order once more from them; the order. Raises LostError.

    Under the first head, for when and of what the later ones were made is the clock's affair.
    """
    yard.settle()
    for head in reversed(HEADS):
        yard.ask("heads", action="use", version=head)
        yard.settle()
    problems = [row for row in yard.ask("db", action="check") if row["error"]]
    if problems:
        raise LostError(f"db check: {problems}")
    refused = [row for row in yard.ask("restore-times") if row["error"]]
    if refused:
        raise LostError(f"restore-times: {refused[:3]}")
    for path in yard.files():
        own, found = story.dates[digest_of(path)], path.stat().st_mtime_ns
        if own != found:
            raise LostError(f"{path.name}: its date was {own}, and restore-times made it {found}")
    yard.ask("order")
    status = yard.settle()
    if status["failed"] or status["troubles"]:
        raise LostError(f"troubles at the end: {status['failed']} {status['troubles']}")
    if yard.ask("order"):
        raise LostError("ordered, and not in order")
    yard.stop()
    labels = yard.labels()
    if labels != story.wanted:
        wrong = {
            one for one in {*labels, *story.wanted} if labels.get(one) != story.wanted.get(one)
        }
        raise LostError(f"{len(wrong)} labels are not what the story made them: {wrong}")
    return yard.newest_first()
