"""The CPU time of one new file in an ordered inbox, for two sizes of the inbox."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting
from bench.idle import read_usage
from bench.retrain import label_files, prepare
from bench.sandbox import count_workers, make_png, new_sandbox
from imgscore.testing import Sandbox, eventually

LABELS = 60
"""labels before the first order: enough for a head"""
FIRST_NUMBER = 10**7
"""the number of the first new image; smaller numbers are those of the existing images"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Add single files, alternately without and with a sidecar, which makes a worker plan all."""
    drops = setting.choose(4, 10)
    for count in setting.choose((200, 1_000), (1_000, 100_000)):
        folder = setting.scratch / str(count)
        sandbox = new_sandbox(folder, train_after=3600, worker_idle=600, settle=0.05, workers=1)
        keep = prepare(sandbox, count)
        names = sorted(keep)
        random.Random(1).shuffle(names)
        with sandbox:
            sandbox.start()
            pid = sandbox.pid
            list(sandbox.call("scan"))
            label_files(sandbox, keep, names[:LABELS])
            list(sandbox.call("train"))
            sandbox.ask("wait")
            eventually(lambda pid=pid: count_workers(pid) <= 1)
            costs = [
                _add_file(sandbox, pid, number, sidecar=number % 2 == 1)
                for number in range(2 * drops + 2)
            ]
        shutil.rmtree(sandbox.folder)
        plain, planned = costs[2::2], costs[3::2]  # without the first of each, which loads modules
        daemon, workers = (statistics.median(cost[k] for cost in plain) for k in (0, 1))
        plan_daemon, plan_workers = (statistics.median(cost[k] for cost in planned) for k in (0, 1))
        yield Figure(
            f"one new file in an ordered inbox of {count}, CPU time of daemon + workers, embedding "
            f"included: median of {drops} (maximum {1000 * max(map(sum, plain)):.0f} ms)",
            f"{daemon * 1000:.1f} + {workers * 1000:.1f} ms",
            f"{plan_daemon * 1000:.1f} + {plan_workers * 1000:.1f} ms, when a worker plans the "
            "whole inbox",
            (daemon + workers) / (plan_daemon + plan_workers),
        )


def _add_file(sandbox: Sandbox, pid: int, number: int, *, sidecar: bool) -> tuple[float, float]:
    """Add a file; returns the CPU seconds of the daemon and of its workers until all is done."""
    file = sandbox.inbox / "000" / f"drop{number}.png"
    ready = sandbox.home / file.name
    ready.write_bytes(make_png(FIRST_NUMBER + number))
    date_ns = time.time_ns() + 10**14  # in the future, so that the daemon must change it
    os.utime(ready, ns=(date_ns, date_ns))
    if sidecar:
        file.with_suffix(".xmp").write_bytes(b"")
    before = _cpu_seconds(pid)
    os.rename(ready, file)
    eventually(lambda: file.stat().st_mtime_ns != date_ns, pause=0.005)
    # A worker that planned ends when its plan is applied.
    eventually(lambda: sandbox.ask("status")[0]["pending"] == 0 and count_workers(pid) == 1)
    after = _cpu_seconds(pid)
    return after[0] - before[0], after[1] - before[1]


def _cpu_seconds(pid: int) -> tuple[float, float]:
    """CPU seconds so far of a daemon, and of its workers, ended ones included."""
    ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    seconds = sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        seconds += read_usage(int(child)).cpu_ns / 1e9
    return read_usage(pid).cpu_ns / 1e9, seconds
