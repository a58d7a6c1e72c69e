"""The initial state of each crash test, and the checks of its end state.

A run with crashes must end like a run without them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from bench.crash.sandbox import LostError, Sandbox
from bench.crash.workload import HOUR_NS, PAST_NS, Workload, draw_image, hash_file
from imgscore.store import sightings
from imgscore.store.schema import Fingerprint
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

FILES = 56
"""images in the inbox before the workload"""
LABELS = 8
"""labels of each kind before the first training: enough for the first head"""
HEADS = ("1", "2")
"""versions of the heads that exist before the workload; the checks order by the first"""


class Scenario:
    """A sandbox with labels, two heads and no pending work.

    Each try begins with a copy of it, at the same absolute path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(folder / "sandbox")
        self.sandbox.configure()
        self.dates: dict[str, int] = {}
        files = [draw_image(("sun", "text")[n % 2], n, self.sandbox.inbox) for n in range(FILES)]
        for number, path in enumerate(files):
            date = PAST_NS + number * HOUR_NS + 12_345 + number
            os.utime(path, ns=(date, date))
            self.dates[hash_file(path)] = date
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
        self._orders: dict[tuple[int, int], list[str]] = {}
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

    def copy(self) -> Sandbox:
        """Copy the initial state for one try; only one copy can exist at a time."""
        shutil.copytree(self.pristine, self.sandbox.folder, symlinks=True)
        sandbox = Sandbox(self.sandbox.folder)
        with Store(sandbox.store_folder) as store:
            store.commit(_record_inodes)
        return sandbox

    def expected_order(self, seed: int, actions: int) -> list[str]:
        """The final order of a workload during which the daemon is not disturbed."""
        if (seed, actions) not in self._orders:
            with self.copy() as sandbox:
                sandbox.start()
                workload = Workload(sandbox, self.dates, seed)
                for _ in workload.steps(actions):
                    pass
                self._orders[seed, actions] = check_end_state(sandbox, workload)
        return self._orders[seed, actions]


def _record_inodes(txn: Txn) -> None:
    """Record the inodes of the copied files, as if they were the files that were copied.

    imgscore recognises a moved file by its inode. A file with another inode counts as a new copy if
    it is indexed long after the other one was missed, so the labels would depend on the load.
    """
    for known in list(sightings.iter_all(txn)):
        if not known.gone_ns:
            seen = Fingerprint.of_stat(os.stat(known.path))
            sightings.record(txn, structs.replace(known, seen=seen))


def check_end_state(sandbox: Sandbox, workload: Workload) -> list[str]:
    """Restore all dates, check dates, labels and store, order again; returns the order.

    It orders by the first head: which labels the later heads were trained on depends on timing.
    Raises LostError.
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
        original, restored = workload.dates[hash_file(path)], path.stat().st_mtime_ns
        if original != restored:
            raise LostError(
                f"{path.name}: restore-times set the date {restored} instead of {original}"
            )
    sandbox.ask("order")
    status = sandbox.settle()
    if status["failed"] or status["troubles"]:
        raise LostError(f"problems at the end: {status['failed']} {status['troubles']}")
    if sandbox.ask("order"):
        raise LostError("a second `order` changed dates again")
    sandbox.stop()
    labels = sandbox.labels()
    if labels != workload.wanted:
        wrong = {
            digest
            for digest in {*labels, *workload.wanted}
            if labels.get(digest) != workload.wanted.get(digest)
        }
        raise LostError(f"{len(wrong)} labels differ from the workload's: {wrong}")
    return sandbox.newest_first()
