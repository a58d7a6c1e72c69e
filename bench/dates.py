"""The cost of the dates of an order, in a daemon with a large inbox, without training and planning.

The files are tiny, and the scores of each head are random. The first order changes the date of
nearly every file for the first time. Each other head changes nearly all dates again.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting, repeated
from bench.idle import Usage, read_usage
from bench.sandbox import add_known_files, new_sandbox
from imgscore.config import Config
from imgscore.embedders import registry
from imgscore.paths import head_file
from imgscore.store import heads, scores, sightings
from imgscore.store.schema import HeadRecord
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import Sandbox

SAMPLE_SECONDS = 0.02
"""s between two samples of the daemon's CPU time"""
STATUS_SECONDS = 0.01
"""s between the end of one request for the status and the next one"""
MAX_STATUS_MS = 100
"""target"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure a first order, a second one, and a third one while a client asks for the status."""
    count = setting.choose(8_000, 100_000)
    sandbox = new_sandbox(setting.scratch / "sandbox", train_after=3600, worker_idle=0, settle=0.05)
    paths = prepare(sandbox, count)
    bare = bare_seconds(setting.scratch / "bare")
    with sandbox:
        for version, title in (("1", "first dates"), ("2", "later dates")):
            use_head(sandbox, version)
            sampler = Sampler(sandbox)
            sandbox.start()
            with repeated(sampler.sample, SAMPLE_SECONDS):
                sandbox.settle()
            yield sampler.figure(title, paths, bare)
            sandbox.stop()
        use_head(sandbox, "3")
        sandbox.start()
        client = StatusClient(sandbox)
        with repeated(client.ask, STATUS_SECONDS):
            sandbox.settle()
        yield client.figure(*span(paths))
    shutil.rmtree(sandbox.folder)


def prepare(sandbox: Sandbox, count: int) -> list[str]:
    """Write indexed files; return their paths."""
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: add_known_files(txn, sandbox, count))
        with store.read() as txn:
            return sorted(os.fsdecode(sighting.path) for sighting in sightings.iter_all(txn))


def use_head(sandbox: Sandbox, version: str) -> None:
    """Give the store a head with random scores. No daemon may run."""
    embedder = registry.spec(Config().model).id
    chance = random.Random(version)
    file = head_file(sandbox.data_folder / "heads", "default", version)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    def write(txn: Txn) -> None:
        digests = [sighting.digest for sighting in sightings.iter_all(txn)]
        packed = b"".join(scores.pack(digest, chance.random(), 0.0) for digest in digests)
        scores.record(txn, "default", version, packed)
        heads.record(txn, HeadRecord(version, "default", embedder, 0, 0, 1 << 60, True, {}))

    with Store(sandbox.store_folder) as store:
        store.commit(write)


def bare_seconds(folder: Path) -> float:
    """CPU seconds a file of os.utime alone, for new files in `folder`."""
    folder.mkdir()
    sample = [os.fspath(folder / f"{number}.png") for number in range(5_000)]
    for path in sample:
        Path(path).touch()
    start = time.process_time()
    for path in sample:
        os.utime(path, ns=(10**18, 10**18))
    return (time.process_time() - start) / len(sample)


def span(paths: list[str]) -> tuple[int, int]:
    """The times of the first and the last change of a date in the last order, in ns since 1970.

    The last order changes nearly all dates. utime sets the ctime of a file.
    """
    changed = sorted(os.stat(path).st_ctime_ns for path in paths)
    return changed[len(changed) // 10], changed[-1]


class Sampler:
    """Records the CPU time of the daemon, all of its threads together."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.times: list[int] = []
        """ns since 1970"""
        self.usages: list[Usage] = []

    def sample(self) -> None:
        """Record the usage now."""
        self.usages.append(read_usage(self.sandbox.pid))
        self.times.append(time.time_ns())

    def figure(self, title: str, paths: list[str], bare: float) -> Figure:
        """The CPU and wall time of nine tenths of the touches of the last order."""
        first, last = span(paths)
        before = self.usages[max(0, bisect_left(self.times, first) - 1)]
        after = self.usages[min(len(self.usages) - 1, bisect_left(self.times, last))]
        files = 0.9 * len(paths)
        cpu, wall = (after.cpu_ns - before.cpu_ns) / files / 1e3, (last - first) / files / 1e3
        peak = max(usage.anonymous for usage in self.usages) / 2**20
        switches = (after.switches - before.switches) / files
        return Figure(
            f"{title} of {len(paths)} files: CPU time of the daemon for a file ({wall:.1f} µs wall "
            f"time, {switches:.2f} waits, private memory at most {peak:.0f} MB)",
            f"{cpu:.1f} µs",
            f"{bare * 1e6:.1f} µs, os.utime",
            cpu / bare / 1e6,
        )


class StatusClient:
    """Asks the daemon for its status again and again, and records how long each answer took."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.answers: list[tuple[int, float]] = []
        """(end in ns since 1970, s)"""

    def ask(self) -> None:
        """Ask once."""
        start = time.perf_counter()
        self.sandbox.status()
        self.answers.append((time.time_ns(), time.perf_counter() - start))

    def figure(self, first: int, last: int) -> Figure:
        """The slowest answers between two times."""
        taken = sorted(seconds * 1e3 for at, seconds in self.answers if first <= at <= last)
        slow = taken[min(len(taken) - 1, int(0.999 * len(taken)))]
        return Figure(
            f"`status` while dates are set, 99.9 % of {len(taken)} answers "
            f"(99 %: {taken[int(0.99 * len(taken))]:.0f} ms, slowest: {taken[-1]:.0f} ms)",
            f"{slow:.0f} ms",
            target=f"≤ {MAX_STATUS_MS} ms",
            met=slow <= MAX_STATUS_MS,
        )
