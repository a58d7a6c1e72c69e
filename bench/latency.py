"""The time from the arrival of a file in the inbox to its new date, with and without a worker."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import Figure, Setting, median_seconds, percentile
from bench.sandbox import copy_images, count_workers, new_sandbox
from imgscore.config import DaemonConfig
from imgscore.testing import Sandbox, eventually

SETTLE = DaemonConfig().settle
MAX_P50, MAX_P99, MAX_COLD = 0.5, 2.0, 3.0
LABELS = 20
"""labels before the measurement: enough for a head"""
POLL_SECONDS = 0.002
"""s between two reads of the date: short compared with the latency"""
IN_PLACE_SECONDS = 3.0
"""s without pending work after which the daemon keeps the date that the file has"""
LOAD = (
    "from imgscore.embedders import lite0; from imgscore.images.decode import decode; "
    "import sys; lite0.load().embed([decode(open(sys.argv[1], 'rb').read())])"
)


def measure(setting: Setting) -> Iterator[Figure]:
    """Add files one at a time to the inbox of a daemon that has a head."""
    inbox, warm, cold = setting.choose((80, 20, 4), (400, 150, 20))
    files = setting.images(inbox + LABELS + 2 * (warm + cold))
    rest = files[inbox + LABELS :]
    random.Random(1).shuffle(rest)
    for name, wanted, idle in (("warm", warm, 600.0), ("cold", cold, 0.2)):
        sandbox = new_sandbox(setting.scratch / name, worker_idle=idle)
        copy_images(sandbox.inbox, files[: inbox + LABELS])
        with sandbox:
            sandbox.start()
            pid = sandbox.pid
            _label(sandbox, sorted(sandbox.inbox.glob("*.*"))[:LABELS])
            seconds = _measure_drops(sandbox, pid, rest, wanted, cold=name == "cold")
        rest = rest[wanted:]
        shutil.rmtree(sandbox.folder)
        yield from (
            _warm_figures(seconds, rest) if name == "warm" else _cold_figures(seconds, rest[0])
        )


def _label(sandbox: Sandbox, files: Sequence[Path]) -> None:
    sandbox.ask("wait")
    for number, file in enumerate(files):
        os.rename(file, (sandbox.keep, sandbox.trash)[number % 2] / file.name)
    sandbox.ask("wait")
    assert sandbox.ask("status")[0]["head"], "no head was trained"


def _measure_drops(
    sandbox: Sandbox, pid: int, files: Sequence[Path], wanted: int, *, cold: bool
) -> list[float]:
    """Seconds from each arrival to the new date; files that keep their date do not count."""
    latencies: list[float] = []
    chance = random.Random(2)
    for number, file in enumerate(files):
        if len(latencies) == wanted:
            break
        if cold:
            eventually(lambda: count_workers(pid) == 0)
        ready = sandbox.home / f"drop{file.suffix.lower()}"
        shutil.copyfile(file, ready)
        date_ns = time.time_ns() - chance.randrange(10**17)
        os.utime(ready, ns=(date_ns, date_ns))
        target = sandbox.inbox / f"drop-{number:05}{file.suffix.lower()}"
        time.sleep(chance.uniform(0.05, 0.3))
        start = time.perf_counter()
        os.rename(ready, target)
        seconds = _wait_for_touch(sandbox, target, date_ns, start)
        if seconds is not None:
            latencies.append(seconds)
        eventually(lambda: sandbox.ask("status")[0]["pending"] == 0)
    return latencies


def _wait_for_touch(sandbox: Sandbox, target: Path, date_ns: int, start: float) -> float | None:
    """Seconds from `start` until the date changes; None if the daemon keeps it."""
    next_status = start + IN_PLACE_SECONDS
    while os.stat(target).st_mtime_ns == date_ns:
        now = time.perf_counter()
        if now > next_status:
            if sandbox.ask("status")[0]["pending"] == 0:
                return None
            next_status = now + IN_PLACE_SECONDS
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - start


def _warm_figures(seconds: Sequence[float], files: Sequence[Path]) -> Iterator[Figure]:
    work = _measure_embedding(files[:40])
    latencies = [latency - SETTLE for latency in seconds]
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    baseline = f"{work * 1000:.0f} ms, read, decode and embed one file (median)"
    name = f"new file → date set, warm, without the settle time of {SETTLE} s, {len(seconds)} files"
    yield Figure(
        f"{name}: p50", f"{p50:.3f} s", baseline, p50 / work, f"≤ {MAX_P50} s", p50 <= MAX_P50
    )
    yield Figure(
        f"{name}: p99", f"{p99:.3f} s", baseline, p99 / work, f"≤ {MAX_P99} s", p99 <= MAX_P99
    )


def _measure_embedding(files: Sequence[Path]) -> float:
    """The median seconds to read, decode and embed one file."""
    from imgscore.embedders import lite0
    from imgscore.errors import ImageError
    from imgscore.images.decode import decode

    embedder = lite0.load()
    times = []
    for file in files:
        start = time.perf_counter()
        try:
            embedder.embed([decode(file.read_bytes())])
        except ImageError:
            continue
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _cold_figures(seconds: Sequence[float], file: Path) -> Iterator[Figure]:
    command = [sys.executable, "-P", "-c", LOAD, os.fspath(file)]
    load = median_seconds(lambda: subprocess.run(command, check=True), 5)
    latencies = [latency - SETTLE for latency in seconds]
    slowest, median = max(latencies), percentile(latencies, 0.5)
    yield Figure(
        f"new file → date set, cold (no worker runs), without the settle time, {len(seconds)} "
        f"files, p50 {median:.2f} s: slowest",
        f"{slowest:.3f} s",
        f"{load:.2f} s, a Python process that loads the model and embeds one file",
        slowest / load,
        f"≤ {MAX_COLD:.0f} s",
        slowest <= MAX_COLD,
    )
