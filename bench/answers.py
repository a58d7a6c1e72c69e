"""The time until the daemon answers `status` while it orders a large inbox.

A thread trains; the main thread asks again and again, one connection each time.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator

from bench.figures import Figure, Setting
from bench.retrain import label_files, prepare
from bench.sandbox import new_sandbox

PAUSE_SECONDS = 0.005
"""s between an answer and the next request"""
IDLE_REQUESTS = 200
MAX_SECONDS = 0.1
"""target of the slowest of 1,000 answers"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure the answers during a first order, from its training to its last date."""
    count, labels = setting.choose((8_000, 60), (100_000, 300))
    sandbox = new_sandbox(setting.scratch / "sandbox", train_after=3600, worker_idle=0, settle=0.05)
    keep = prepare(sandbox, count)
    names = sorted(keep)
    random.Random(1).shuffle(names)

    def ask() -> float:
        start = time.perf_counter()
        sandbox.ask("status")
        took = time.perf_counter() - start
        time.sleep(PAUSE_SECONDS)
        return took

    with sandbox:
        sandbox.start()
        list(sandbox.call("scan"))
        label_files(sandbox, keep, names[:labels])
        idle = sorted(ask() for _ in range(IDLE_REQUESTS))
        training = threading.Thread(target=lambda: list(sandbox.call("train")))
        training.start()
        busy: list[float] = []
        while training.is_alive():
            busy.append(ask())
        training.join()
    shutil.rmtree(sandbox.folder)
    busy.sort()
    slow = busy[max(0, -(-len(busy) * 999 // 1000) - 1)]
    median, slowest = busy[len(busy) // 2] * 1e3, busy[-1] * 1e3
    yield Figure(
        f"answer to `status` while {count} files are trained, scored and ordered, p99.9 of "
        f"{len(busy)} (median {median:.1f} ms, slowest {slowest:.0f} ms)",
        f"{slow * 1e3:.0f} ms",
        f"{idle[len(idle) // 2] * 1e3:.1f} ms, median of an idle daemon",
        target=f"≤ {MAX_SECONDS * 1e3:.0f} ms",
        met=slow <= MAX_SECONDS,
    )
