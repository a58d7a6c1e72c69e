"""The process that starts the workers: its speed with many workers, which only sleep.

Workers that sleep use hardly any CPU time, so that a machine with few cores shows whether the
process keeps 16 or 64 workers busy, and how much CPU time it needs itself.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.figures import Figure, Setting
from bench.sandbox import FILES_PER_FOLDER, make_png, new_sandbox
from imgscore.testing import Sandbox, run

SCAN_WORKERS, SCAN_SECONDS = 16, 0.014
"""16 workers, each of which needs 14 ms for a file: an image of half a megapixel (RESULTS.md)"""
EMBED_WORKERS, EMBED_SECONDS = 64, 0.022
"""64 workers, each of which needs 22 ms for a file: a camera JPEG (SCALE.md)"""
MIN_OF_IDEAL = 0.9
"""target: rate / rate of workers that never wait"""
MAX_MICROSECONDS = 100
"""target: CPU time of the process for a file, without its start"""
START_FILES = 100
"""files of the run that gives the CPU time of the start"""


class Sleep(NamedTuple):
    """A run of `bench.sleeping`: files, seconds of wall time, and CPU seconds of the process."""

    files: int
    seconds: float
    cpu: float


def measure(setting: Setting) -> Iterator[Figure]:
    """Scan with 16 workers, and embed with 64."""
    count = setting.choose(600, 30_000)
    sandbox, small = (
        _sandbox(setting.scratch / name, files)
        for name, files in (("many", count), ("few", START_FILES))
    )
    yield from _figures(
        f"`imgscore scan` with {SCAN_WORKERS} workers that sleep {SCAN_SECONDS * 1000:.0f} ms",
        _sleep(sandbox, SCAN_SECONDS),
        _sleep(small, SCAN_SECONDS),
        SCAN_WORKERS / SCAN_SECONDS,
    )
    yield from _figures(
        f"`imgscore embed` with {EMBED_WORKERS} workers that sleep {EMBED_SECONDS * 1000:.0f} ms",
        _sleep(sandbox, EMBED_SECONDS, str(sandbox.inbox), str(EMBED_WORKERS)),
        _sleep(small, EMBED_SECONDS, str(small.inbox), str(EMBED_WORKERS)),
        EMBED_WORKERS / EMBED_SECONDS,
    )


def _figures(name: str, many: Sleep, few: Sleep, ideal: float) -> Iterator[Figure]:
    rate = many.files / many.seconds
    yield Figure(
        f"{name} for each of {many.files} files, start to end",
        f"{rate:.0f}/s",
        f"{ideal:.0f}/s, workers that never wait",
        rate / ideal,
    )
    files = many.files - few.files
    later = files / (many.seconds - few.seconds)
    yield Figure(
        f"the same without the start ({few.seconds:.1f} s, measured with {few.files} files)",
        f"{later:.0f}/s",
        f"{ideal:.0f}/s, workers that never wait",
        later / ideal,
        f"≥ {MIN_OF_IDEAL} of ideal",
        later / ideal >= MIN_OF_IDEAL,
    )
    cost = (many.cpu - few.cpu) / files * 1e6
    yield Figure(
        "CPU time of its main process for a file, without the start",
        f"{cost:.0f} µs",
        target=f"≤ {MAX_MICROSECONDS} µs",
        met=cost <= MAX_MICROSECONDS,
    )


def _sandbox(folder: Path, files: int) -> Sandbox:
    sandbox = new_sandbox(folder, workers=SCAN_WORKERS)
    for number in range(files):
        part = sandbox.inbox / f"{number // FILES_PER_FOLDER:03}"
        part.mkdir(exist_ok=True)
        (part / f"{number:06}.png").write_bytes(make_png(number))
    return sandbox


def _sleep(sandbox: Sandbox, seconds: float, *arguments: str) -> Sleep:
    shutil.rmtree(sandbox.data_folder, ignore_errors=True)
    command = [sys.executable, "-m", "bench.sleeping", str(seconds), *arguments]
    done = run(command, sandbox.environment(), seconds=None)
    if done.code:
        raise RuntimeError(done.err)
    return Sleep(**json.loads(done.out))
