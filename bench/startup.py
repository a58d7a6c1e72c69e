"""The start-up time of commands and of the daemon, against a Python process that does nothing."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting, median_seconds
from bench.idle import read_usage
from bench.sandbox import add_known_files, new_sandbox, run_imgscore
from imgscore.store.store import Store
from imgscore.testing import Sandbox, eventually

MAX_SECONDS, MAX_VERB, MAX_DAEMON = 0.3, 0.2, 0.5
VERBS = (("status",), ("history",), ("heads", "list"))


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure the median of several starts of each command."""
    script = Path(sys.executable).with_name("imgscore")
    repeats = setting.choose(5, 21)
    names = ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR")
    environment = os.environ | {f"XDG_{name}": str(setting.scratch) for name in names}

    def start(*command: str) -> float:
        return median_seconds(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment),
            repeats,
        )

    start(str(script), "--help")
    bare = start(sys.executable, "-c", "pass")
    baseline = f"{bare * 1000:.0f} ms, `python -c pass`"
    for verb in ("--help", "status"):
        seconds = start(str(script), verb)
        yield Figure(
            f"`imgscore {verb}`",
            f"{seconds * 1000:.0f} ms",
            baseline,
            seconds / bare,
            f"≤ {MAX_SECONDS * 1000:.0f} ms" if verb == "--help" else "",
            seconds <= MAX_SECONDS if verb == "--help" else None,
        )
    yield from _with_a_daemon(setting, bare, baseline)


def _with_a_daemon(setting: Setting, bare: float, baseline: str) -> Iterator[Figure]:
    """Measure the time until the daemon listens, and commands that send it a request."""
    count, repeats = setting.choose((5_000, 3), (100_000, 9))
    sandbox = new_sandbox(setting.scratch / "sandbox")
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: add_known_files(txn, sandbox, count))
    started = [_ready(sandbox) for _ in range(repeats)]
    seconds, cpu = (statistics.median(column) for column in zip(*started, strict=True))
    yield Figure(
        f"start of the daemon until it listens, with {count} indexed files ({cpu:.2f} s CPU)",
        f"{seconds:.2f} s", baseline, seconds / bare, f"≤ {MAX_DAEMON} s", seconds <= MAX_DAEMON,
    )  # fmt: skip
    with sandbox:
        sandbox.start()
        sandbox.ask("wait")
        for verb in VERBS:
            runs = [run_imgscore(sandbox, *verb) for _ in range(repeats)]
            seconds = statistics.median(run.seconds for run in runs)
            cpu = statistics.median(run.cpu_seconds for run in runs)
            yield Figure(
                f"`imgscore {' '.join(verb)}` through the socket ({cpu * 1000:.0f} ms CPU)",
                f"{seconds * 1000:.0f} ms", baseline, seconds / bare,
                f"≤ {MAX_VERB * 1000:.0f} ms", seconds <= MAX_VERB,
            )  # fmt: skip
    shutil.rmtree(sandbox.folder)


def _ready(sandbox: Sandbox) -> tuple[float, float]:
    """Start the daemon; returns the seconds of wall and of CPU time until it listens."""
    start = time.perf_counter()
    with sandbox:
        sandbox.launch()
        eventually(lambda: sandbox.socket_path.exists() or not sandbox.running, pause=0.002)
        seconds, cpu_seconds = time.perf_counter() - start, read_usage(sandbox.pid).cpu_ns / 1e9
    return seconds, cpu_seconds
