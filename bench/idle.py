"""The cost of an idle daemon: memory, CPU time, wake-ups."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.figures import Figure, Setting
from bench.sandbox import copy_images, count_workers, new_sandbox
from imgscore.testing import eventually

MAX_MB = 50
MAX_CPU_PERCENT = 0.1
MAX_WAKEUPS = 1.0
LABELS = 20
"""labels before the measurement: enough for a head"""
SETTLE_SECONDS = 20
"""the time for what follows from the last work: events of the set dates, the return of memory"""
STRACE_SECONDS = 20
CPU_CLOCK = 2
"""as in clock_getcpuclockid(3): the clock of a process's CPU time, ended threads included"""


class Usage(NamedTuple):
    """The resources that a process uses."""

    cpu_ns: int
    switches: int
    """voluntary context switches of the running threads"""
    rss: int
    """resident bytes, file pages included"""
    anonymous: int
    """resident bytes without file pages"""


def read_usage(pid: int) -> Usage:
    """Read the usage of a process, all of its threads together."""
    cpu = time.clock_gettime_ns(~pid << 3 | CPU_CLOCK)
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            switches += _read_field(task / "status", "voluntary_ctxt_switches")
    status = Path(f"/proc/{pid}/status")
    rss, anonymous = (_read_field(status, name) * 1024 for name in ("VmRSS", "RssAnon"))
    return Usage(cpu, switches, rss, anonymous)


def _read_field(status: Path, name: str) -> int:
    for line in status.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure a daemon with an ordered inbox and a head, after its workers have ended."""
    count, seconds = setting.choose((60, 30), (300, 300))
    sandbox = new_sandbox(setting.scratch / "sandbox", worker_idle=0.5)
    copy_images(sandbox.inbox, setting.images(count))
    with sandbox:
        sandbox.start()
        pid = sandbox.pid
        sandbox.ask("wait")
        for number, file in enumerate(sorted(sandbox.inbox.glob("*.*"))[:LABELS]):
            os.rename(file, (sandbox.keep, sandbox.trash)[number % 2] / file.name)
        sandbox.ask("wait")
        eventually(lambda: count_workers(pid) == 0)
        time.sleep(SETTLE_SECONDS)
        before, start = read_usage(pid), time.monotonic()
        time.sleep(seconds)
        after, duration = read_usage(pid), time.monotonic() - start
        calls = _count_system_calls(pid, setting)
        threads = len(os.listdir(f"/proc/{pid}/task"))
    shutil.rmtree(sandbox.folder)
    yield from _make_figures(before, after, duration, calls, threads)


def _make_figures(
    before: Usage, after: Usage, duration: float, calls: float | None, threads: int
) -> Iterator[Figure]:
    bare = _measure_bare_python()
    rss = after.rss / 2**20
    yield Figure(
        f"idle daemon, resident memory ({after.anonymous / 2**20:.0f} MB of it private, "
        f"{threads} threads)",
        f"{rss:.1f} MB",
        f"{bare.rss / 2**20:.1f} MB, a Python process that waits",
        after.rss / bare.rss,
        f"≤ {MAX_MB} MB",
        rss <= MAX_MB,
    )
    share = (after.cpu_ns - before.cpu_ns) / duration / 1e7
    yield Figure(
        f"idle daemon, CPU over {duration:.0f} s", f"{share:.4f} % of a core", "0", None,
        f"≤ {MAX_CPU_PERCENT} %", share <= MAX_CPU_PERCENT,
    )  # fmt: skip
    wakeups = (after.switches - before.switches) / duration
    traced = "no strace" if calls is None else f"{calls:.2f} system calls a second by strace"
    yield Figure(
        f"idle daemon, wake-ups a second ({traced})", f"{wakeups:.3f}/s", "0", None,
        f"≤ {MAX_WAKEUPS:.0f}/s", wakeups <= MAX_WAKEUPS,
    )  # fmt: skip


def _measure_bare_python() -> Usage:
    command = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        usage = read_usage(process.pid)
        process.kill()
    return usage


def _count_system_calls(pid: int, setting: Setting) -> float | None:
    """System calls a second of all threads; None if strace is missing or may not attach."""
    if shutil.which("strace") is None:
        return None
    seconds, report = setting.choose(5, STRACE_SECONDS), setting.scratch / "strace"
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", os.fspath(report), "-p", str(pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(seconds)
    if tracer.poll() is not None:
        return None
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    # strace also writes a line for the call in which each thread was when it attached.
    lines = [line for line in report.read_text().splitlines() if "resumed" not in line]
    return max(0, len(lines) - len(os.listdir(f"/proc/{pid}/task"))) / seconds
