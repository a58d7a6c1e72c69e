"""What the daemon costs when there is nothing to do: memory, CPU time, wake-ups."""

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
from bench.sandbox import fill, new_sandbox, workers
from imgscore.testing import eventually

MAX_MB = 50
MAX_CPU_PERCENT = 0.1
MAX_WAKEUPS = 1.0
LABELS = 20
STRACE_SECONDS = 20
CPU_CLOCK = 2
"""Of clock_getcpuclockid(3): the CPU time of a process, threads that have ended included."""


class Usage(NamedTuple):
    """A process at a moment."""

    cpu_ns: int
    switches: int
    rss: int
    """resident bytes, file pages included"""
    anonymous: int


def usage(pid: int) -> Usage:
    """All threads of a process together; the switches of those that still run."""
    cpu = time.clock_gettime_ns(~pid << 3 | CPU_CLOCK)
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            switches += _field(task / "status", "voluntary_ctxt_switches")
    status = Path(f"/proc/{pid}/status")
    return Usage(cpu, switches, _field(status, "VmRSS") * 1024, _field(status, "RssAnon") * 1024)


def _field(status: Path, name: str) -> int:
    for line in status.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def measure(setting: Setting) -> Iterator[Figure]:
    """An inbox in order, a head, and workers that have ended."""
    count, seconds = setting.either((60, 30), (300, 300))
    sandbox = new_sandbox(setting.scratch / "sandbox", worker_idle=0.5)
    fill(sandbox.inbox, setting.images(count))
    with sandbox:
        sandbox.start()
        pid = sandbox.pid
        sandbox.ask("wait")
        for number, file in enumerate(sorted(sandbox.inbox.glob("*.*"))[:LABELS]):
            os.rename(file, (sandbox.keep, sandbox.trash)[number % 2] / file.name)
        sandbox.ask("wait")
        eventually(lambda: workers(pid) == 0)
        time.sleep(2)
        before, start = usage(pid), time.monotonic()
        time.sleep(seconds)
        after, spent = usage(pid), time.monotonic() - start
        calls = _system_calls(pid, setting)
        threads = len(os.listdir(f"/proc/{pid}/task"))
    shutil.rmtree(sandbox.folder)
    yield from _figures(before, after, spent, calls, threads)


def _figures(
    before: Usage, after: Usage, spent: float, calls: float | None, threads: int
) -> Iterator[Figure]:
    bare = _bare_python()
    rss = after.rss / 2**20
    yield Figure(
        f"idle daemon, resident memory ({after.anonymous / 2**20:.0f} MB of it its own, "
        f"{threads} threads)",
        f"{rss:.1f} MB",
        f"{bare.rss / 2**20:.1f} MB, a Python that waits",
        after.rss / bare.rss,
        f"≤ {MAX_MB} MB",
        rss <= MAX_MB,
    )
    share = (after.cpu_ns - before.cpu_ns) / spent / 1e7
    yield Figure(
        f"idle daemon, CPU over {spent:.0f} s", f"{share:.4f} % of a core", "0", None,
        f"≤ {MAX_CPU_PERCENT} %", share <= MAX_CPU_PERCENT,
    )  # fmt: skip
    wakeups = (after.switches - before.switches) / spent
    traced = "no strace" if calls is None else f"{calls:.2f} system calls a second by strace"
    yield Figure(
        f"idle daemon, wake-ups a second ({traced})", f"{wakeups:.3f}/s", "0", None,
        f"≤ {MAX_WAKEUPS:.0f}/s", wakeups <= MAX_WAKEUPS,
    )  # fmt: skip


def _bare_python() -> Usage:
    command = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage(process.pid)
        process.kill()
    return found


def _system_calls(pid: int, setting: Setting) -> float | None:
    """System calls a second of all threads; None without strace, or where it may not look."""
    if shutil.which("strace") is None:
        return None
    seconds, report = setting.either(5, STRACE_SECONDS), setting.scratch / "strace"
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", os.fspath(report), "-p", str(pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(seconds)
    if tracer.poll() is not None:
        return None
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    # Each thread's call that was under way when strace came, and when it left, is a line too.
    lines = [one for one in report.read_text().splitlines() if "resumed" not in one]
    return max(0, len(lines) - len(os.listdir(f"/proc/{pid}/task"))) / seconds
