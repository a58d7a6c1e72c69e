"""From "training is wanted" to the last date set, in the real daemon, with a large inbox.

Files are tiny and their vectors made up: what is measured is the way from labels to dates.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Setting
from bench.idle import usage
from bench.sandbox import fill_known, liked, new_sandbox
from imgscore.embedders import registry
from imgscore.errors import ImgscoreError
from imgscore.messages import Result
from imgscore.store import sightings, vectors
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import Sandbox

MODEL = "efficientnet-lite0"
KINDS = 40
MAX_SECONDS, MAX_MB = 5.0, 300
SAMPLE_SECONDS = 0.05


def measure(setting: Setting) -> Iterator[Figure]:
    """A first order, in which every date changes, and one after a few more labels."""
    count, labels, more = setting.either((5_000, 60, 10), (100_000, 300, 30))
    sandbox = new_sandbox(setting.scratch / "sandbox", train_after=3600, worker_idle=0, settle=0.05)
    liking = prepare(sandbox, count)
    names = sorted(liking)
    random.Random(1).shuffle(names)
    with sandbox:
        sandbox.start()
        pid = sandbox.pid
        list(sandbox.call("scan"))
        for wanted, what in ((names[:labels], "first order"), (names[labels:][:more], "retrain")):
            for label in ("keep", "trash"):
                files = [name for name in wanted if liking[name] == (label == "keep")]
                sandbox.ask("label", label=label, files=files)
            with Watchman(sandbox, pid).watching() as seen:
                start = time.time_ns()
                list(sandbox.call("train"))
                end = time.time_ns()
            yield from seen.figures(f"{what} of {count} files", start, end)
    shutil.rmtree(sandbox.folder)


def prepare(sandbox: Sandbox, count: int) -> dict[str, bool]:
    """Known files with vectors, and which of them are liked, by path."""
    digests: list[bytes] = []
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: fill_known(txn, sandbox, count))
        with store.read() as txn:
            known = {one.digest: os.fsdecode(one.path) for one in sightings.iter_all(txn)}
        digests = list(known)
        model = registry.spec(MODEL)
        values = made_up(count, model.dim)
        for at in range(0, count, 2000):
            part = slice(at, at + 2000)

            def write(txn: Txn, part: slice = part) -> None:
                rows = (row.tobytes() for row in values[part])
                vectors.append(txn, model.id, zip(digests[part], rows, strict=True))

            store.commit(write)
    return {known[digest]: bool(yes) for digest, yes in zip(digests, liked(values), strict=True)}


def made_up(count: int, dim: int) -> NDArray[np.float16]:
    """Vectors of some kinds of images, never negative: centres, and noise around them."""
    chance = np.random.default_rng(1)
    centres = np.abs(chance.standard_normal((KINDS, dim), np.float32))
    found = np.empty((count, dim), np.float16)
    for at in range(0, count, 4096):
        size = min(4096, count - at)
        noise = chance.standard_normal((size, dim), np.float32)
        found[at : at + size] = np.abs(centres[chance.integers(0, KINDS, size)] + 0.7 * noise)
    return found


@dataclass
class Watchman:
    """Follows a daemon's news, and how large it and its workers are."""

    sandbox: Sandbox
    pid: int
    heard: list[tuple[str, int]] = field(default_factory=list)
    """(event, ns since 1970), as they came"""
    most: dict[str, int] = field(default_factory=lambda: {"daemon": 0, "workers": 0})
    """bytes of their own"""
    spent: dict[int, int] = field(default_factory=dict)
    """ns of CPU by process"""

    @contextmanager
    def watching(self) -> Iterator[Watchman]:
        """From here to the end of the block."""
        ended = threading.Event()
        before = {pid: usage(pid).cpu_ns for pid in (self.pid, *self._workers())}
        threads = [
            threading.Thread(target=one, args=(ended,)) for one in (self._sample, self._follow)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            ended.set()
            self.sandbox.ask("resume")  # is news, and the last that is heard
            for thread in threads:
                thread.join()
        self.spent = {pid: ns - before.get(pid, 0) for pid, ns in self.spent.items()}

    def _workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def _sample(self, ended: threading.Event) -> None:
        more = True
        while more:
            more = not ended.wait(SAMPLE_SECONDS)
            for name, pids in (("daemon", [self.pid]), ("workers", self._workers())):
                try:
                    now = {pid: usage(pid) for pid in pids}
                except (OSError, KeyError):
                    continue  # one has just ended
                self.spent |= {pid: one.cpu_ns for pid, one in now.items()}
                self.most[name] = max(self.most[name], sum(one.anonymous for one in now.values()))

    def _follow(self, ended: threading.Event) -> None:
        messages = self.sandbox.call("watch-log")
        try:
            for message in messages:
                if isinstance(message, Result):
                    self.heard.append((message.row["event"], time.time_ns()))
                if ended.is_set():
                    return
        except ImgscoreError:
            return

    def figures(self, what: str, start: int, end: int) -> Iterator[Figure]:
        """The whole, and its parts."""
        seconds = (end - start) / 1e9
        parts = " + ".join(f"{part} {took:.2f}" for part, took in self._parts(start, end))
        cpu = {pid: ns / 1e9 for pid, ns in self.spent.items()}
        workers = sum(cpu.values()) - cpu[self.pid]
        yield Figure(
            f"{what}, training wanted → last date set ({parts} s by the clock; CPU {workers:.1f} s "
            f"of workers, {cpu[self.pid]:.1f} s of the daemon)",
            f"{seconds:.1f} s",
            target=f"≤ {MAX_SECONDS:.0f} s",
            met=seconds <= MAX_SECONDS,
        )
        daemon, peak = (self.most[name] / 2**20 for name in ("daemon", "workers"))
        yield Figure(
            f"most memory of its own meanwhile, daemon and workers ({daemon:.0f} MB the daemon)",
            f"{daemon + peak:.0f} MB",
            target=f"≤ {MAX_MB} MB",
            met=daemon + peak <= MAX_MB,
        )

    def _parts(self, start: int, end: int) -> Iterator[tuple[str, float]]:
        before = start
        heard = [(event, at) for event, at in self.heard if at >= start]
        for event, part in (("trained", "train"), ("rescored", "score"), ("ordered", "plan")):
            at = next((at for name, at in heard if name == event and at >= before), before)
            yield part, (at - before) / 1e9
            before = at
        yield "dates", (end - before) / 1e9
