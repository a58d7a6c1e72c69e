"""Where each crash begins, and the judgement at the end: nothing may be other than undisturbed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.crash.sandbox import LostError, Sandbox
from bench.crash.workload import HOUR, LONG_AGO, Workload, digest_of, draw

BEGINNING = 56
LABELS = 8
# Trained before the story, so that every end can be judged by the same.
HEADS = ("1", "2")


class Scenario:
    """A yard that has learned and come to rest; each try begins with a copy, at the same place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(folder / "sandbox")
        self.sandbox.configure()
        self.dates: dict[str, int] = {}
        files = [draw(("sun", "text")[n % 2], n, self.sandbox.inbox) for n in range(BEGINNING)]
        for number, path in enumerate(files):
            date = LONG_AGO + number * HOUR + 12_345 + number
            os.utime(path, ns=(date, date))
            self.dates[digest_of(path)] = date
        with self._daemon():
            self.sandbox.settle()
            for number, path in enumerate(files[: 2 * LABELS]):
                path.rename(self.sandbox.inbox / ("keep", "trash")[number % 2] / path.name)
            self.sandbox.settle()
            for number, path in enumerate(files[2 * LABELS : 2 * LABELS + 4]):
                path.rename(self.sandbox.inbox / ("keep", "trash")[number % 2] / path.name)
            self.sandbox.settle()
            heads = [row["head"] for row in self.sandbox.ask("heads", action="list")]
        assert set(heads) >= set(HEADS), heads
        self._ends: dict[tuple[int, int], list[str]] = {}
        self.sandbox.log.unlink()
        self.pristine = self.sandbox.folder.rename(folder / "pristine")

    @contextlib.contextmanager
    def _daemon(self) -> Iterator[None]:
        self.sandbox.start()
        try:
            yield
            self.sandbox.stop()
        finally:
            self.sandbox.kill()

    def fresh(self) -> Sandbox:
        """The yard for one try; there is one at a time."""
        shutil.copytree(self.pristine, self.sandbox.folder, symlinks=True)
        return Sandbox(self.sandbox.folder)

    def undisturbed(self, seed: int, acts: int) -> list[str]:
        """The order in which a story ends that nothing disturbs."""
        if (seed, acts) not in self._ends:
            with self.fresh() as sandbox:
                sandbox.start()
                workload = Workload(sandbox, self.dates, seed)
                for _ in workload.steps(acts):
                    pass
                self._ends[seed, acts] = conclude(sandbox, workload)
        return self._ends[seed, acts]


def conclude(sandbox: Sandbox, workload: Workload) -> list[str]:
    """Settle, give all dates back, order once more from them; the order. Raises LostError.

    Under the first head, for when and of what the later ones were made is the clock's affair.
    """
    sandbox.settle()
    for head in reversed(HEADS):
        sandbox.ask("heads", action="use", version=head)
        sandbox.settle()
    problems = [row for row in sandbox.ask("db", action="check") if row["error"]]
    if problems:
        raise LostError(f"db check: {problems}")
    refused = [row for row in sandbox.ask("restore-times") if row["error"]]
    if refused:
        raise LostError(f"restore-times: {refused[:3]}")
    for path in sandbox.files():
        own, found = workload.dates[digest_of(path)], path.stat().st_mtime_ns
        if own != found:
            raise LostError(f"{path.name}: its date was {own}, and restore-times made it {found}")
    sandbox.ask("order")
    status = sandbox.settle()
    if status["failed"] or status["troubles"]:
        raise LostError(f"troubles at the end: {status['failed']} {status['troubles']}")
    if sandbox.ask("order"):
        raise LostError("ordered, and not in order")
    sandbox.stop()
    labels = sandbox.labels()
    if labels != workload.wanted:
        wrong = {
            one
            for one in {*labels, *workload.wanted}
            if labels.get(one) != workload.wanted.get(one)
        }
        raise LostError(f"{len(wrong)} labels are not what the story made them: {wrong}")
    return sandbox.newest_first()
