"""From a file's drop into the inbox to its new date, with workers running and with none."""

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
from bench.sandbox import fill, new_sandbox, workers
from imgscore.config import DaemonConfig
from imgscore.testing import Sandbox, eventually

SETTLE = DaemonConfig().settle
MAX_P50, MAX_P99, MAX_COLD = 0.5, 2.0, 3.0
LABELS = 20
POLL_SECONDS = 0.002
# After so long with nothing pending, the file's own date was the right one, and stays.
IN_PLACE_SECONDS = 3.0
LOAD = (
    "from imgscore.embedders import lite0; from imgscore.images.decode import decode; "
    "import sys; lite0.load().embed([decode(open(sys.argv[1], 'rb').read())])"
)


def measure(setting: Setting) -> Iterator[Figure]:
    """A daemon with an inbox, a head, and files that come in one at a time."""
    inbox, warm, cold = setting.either((80, 20, 4), (400, 150, 20))
    files = setting.images(inbox + LABELS + 2 * (warm + cold))
    reap_idle = files[inbox + LABELS :]
    random.Random(1).shuffle(reap_idle)
    for name, wanted, idle in (("warm", warm, 600.0), ("cold", cold, 0.2)):
        sandbox = new_sandbox(setting.scratch / name, worker_idle=idle)
        fill(sandbox.inbox, files[: inbox + LABELS])
        with sandbox:
            sandbox.start()
            pid = sandbox.pid
            _teach(sandbox, sorted(sandbox.inbox.glob("*.*"))[:LABELS])
            seconds = _drops(sandbox, pid, reap_idle, wanted, cold=name == "cold")
        reap_idle = reap_idle[wanted:]
        shutil.rmtree(sandbox.folder)
        yield from _warm(seconds, reap_idle) if name == "warm" else _cold(seconds, reap_idle[0])


def _teach(sandbox: Sandbox, files: Sequence[Path]) -> None:
    sandbox.ask("wait")
    for number, file in enumerate(files):
        os.rename(file, (sandbox.keep, sandbox.trash)[number % 2] / file.name)
    sandbox.ask("wait")
    assert sandbox.ask("status")[0]["head"], "no head was trained"


def _drops(
    sandbox: Sandbox, pid: int, files: Sequence[Path], wanted: int, *, cold: bool
) -> list[float]:
    """Seconds from each drop to the new date; files that are in place as they come do not count."""
    found: list[float] = []
    chance = random.Random(2)
    for number, file in enumerate(files):
        if len(found) == wanted:
            break
        if cold:
            eventually(lambda: workers(pid) == 0)
        ready = sandbox.home / f"drop{file.suffix.lower()}"
        shutil.copyfile(file, ready)
        date_ns = time.time_ns() - chance.randrange(10**17)
        os.utime(ready, ns=(date_ns, date_ns))
        target = sandbox.inbox / f"drop-{number:05}{file.suffix.lower()}"
        time.sleep(chance.uniform(0.05, 0.3))
        start = time.perf_counter()
        os.rename(ready, target)
        seconds = _until_touched(sandbox, target, date_ns, start)
        if seconds is not None:
            found.append(seconds)
        eventually(lambda: sandbox.ask("status")[0]["pending"] == 0)
    return found


def _until_touched(sandbox: Sandbox, target: Path, date_ns: int, start: float) -> float | None:
    asked = start + IN_PLACE_SECONDS
    while os.stat(target).st_mtime_ns == date_ns:
        now = time.perf_counter()
        if now > asked:
            if sandbox.ask("status")[0]["pending"] == 0:
                return None
            asked = now + IN_PLACE_SECONDS
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - start


def _warm(seconds: Sequence[float], files: Sequence[Path]) -> Iterator[Figure]:
    work = _work_seconds(files[:40])
    beyond = [one - SETTLE for one in seconds]
    p50, p99 = percentile(beyond, 0.5), percentile(beyond, 0.99)
    floor = f"{work * 1000:.0f} ms, read, decode and embed one file (median)"
    name = f"warm drop → date set, beyond the settle time of {SETTLE} s, {len(beyond)} drops"
    yield Figure(
        f"{name}: p50", f"{p50:.3f} s", floor, p50 / work, f"≤ {MAX_P50} s", p50 <= MAX_P50
    )
    yield Figure(
        f"{name}: p99", f"{p99:.3f} s", floor, p99 / work, f"≤ {MAX_P99} s", p99 <= MAX_P99
    )


def _work_seconds(files: Sequence[Path]) -> float:
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


def _cold(seconds: Sequence[float], file: Path) -> Iterator[Figure]:
    command = [sys.executable, "-P", "-c", LOAD, os.fspath(file)]
    load = median_seconds(lambda: subprocess.run(command, check=True), 5)
    beyond = [one - SETTLE for one in seconds]
    worst, middle = max(beyond), percentile(beyond, 0.5)
    yield Figure(
        f"cold drop → date set (no worker alive), beyond settle, {len(beyond)} drops, "
        f"p50 {middle:.2f} s: slowest",
        f"{worst:.3f} s",
        f"{load:.2f} s, a Python that loads the model and embeds one file",
        worst / load,
        f"≤ {MAX_COLD:.0f} s",
        worst <= MAX_COLD,
    )
