"""What one new file costs in an inbox that is in order, by how many files are in it."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting
from bench.idle import usage
from bench.retrain import prepare
from bench.sandbox import new_sandbox, png, workers
from imgscore.testing import Sandbox, eventually

LABELS = 60
FIRST_NUMBER = 10**7  # beyond those of the files that are there


def measure(setting: Setting) -> Iterator[Figure]:
    """Single drops, by turns plain, and beside a sidecar, for which the whole inbox is planned."""
    drops = setting.either(4, 10)
    for count in setting.either((200, 1_000), (1_000, 100_000)):
        place = setting.scratch / str(count)
        sandbox = new_sandbox(place, train_after=3600, worker_idle=600, settle=0.05, workers=1)
        liking = prepare(sandbox, count)
        names = sorted(liking)
        random.Random(1).shuffle(names)
        with sandbox:
            sandbox.start()
            pid = sandbox.pid
            list(sandbox.call("scan"))
            for label in ("keep", "trash"):
                files = [name for name in names[:LABELS] if liking[name] == (label == "keep")]
                sandbox.ask("label", label=label, files=files)
            list(sandbox.call("train"))
            sandbox.ask("wait")
            eventually(lambda pid=pid: workers(pid) <= 1)
            costs = [
                _drop(sandbox, pid, number, sidecar=number % 2 == 1)
                for number in range(2 * drops + 2)
            ]
        shutil.rmtree(sandbox.folder)
        plain, planned = costs[2::2], costs[3::2]  # the first of each loads what it needs
        own, others = (statistics.median(cost[k] for cost in plain) for k in (0, 1))
        whole, others_whole = (statistics.median(cost[k] for cost in planned) for k in (0, 1))
        yield Figure(
            f"one file that comes into an ordered inbox of {count}, CPU of daemon + workers, "
            f"read and embedded: median of {drops} (most {1000 * max(map(sum, plain)):.0f} ms)",
            f"{own * 1000:.1f} + {others * 1000:.1f} ms",
            f"{whole * 1000:.1f} + {others_whole * 1000:.1f} ms, where all is planned",
            (own + others) / (whole + others_whole),
        )


def _drop(sandbox: Sandbox, pid: int, number: int, *, sidecar: bool) -> tuple[float, float]:
    """CPU seconds of the daemon and of its workers, until nothing is pending."""
    file = sandbox.inbox / "000" / f"drop{number}.png"
    ready = sandbox.home / file.name
    ready.write_bytes(png(FIRST_NUMBER + number))
    date_ns = time.time_ns() + 10**14  # to come, so that it cannot stay
    os.utime(ready, ns=(date_ns, date_ns))
    if sidecar:
        file.with_suffix(".xmp").write_bytes(b"")
    before = _spent(pid)
    os.rename(ready, file)
    eventually(lambda: file.stat().st_mtime_ns != date_ns, pause=0.005)
    # The worker that plans ends with that.
    eventually(lambda: sandbox.ask("status")[0]["pending"] == 0 and workers(pid) == 1)
    after = _spent(pid)
    return after[0] - before[0], after[1] - before[1]


def _spent(pid: int) -> tuple[float, float]:
    """CPU seconds so far of a daemon, and of the workers that it has or had."""
    ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    seconds = sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        seconds += usage(int(child)).cpu_ns / 1e9
    return usage(pid).cpu_ns / 1e9, seconds
