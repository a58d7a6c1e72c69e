"""The speed of `imgscore embed` with a process for each core against one process, in wall time."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting, cores
from bench.sandbox import copy_images, new_sandbox, run_imgscore

MIN_OF_CORES = 0.9
"""target: speed-up / number of cores"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Embed a folder into new stores, alternating; two images alone give the start-up time."""
    archive, two = setting.scratch / "archive", setting.scratch / "two"
    images = setting.images(setting.choose(60, 1000))
    for folder, files in ((archive, images), (two, images[:2])):
        folder.mkdir()
        copy_images(folder, files)
    single: list[float] = []
    parallel: list[float] = []
    starts: list[float] = []
    for _ in range(setting.choose(1, 3)):
        starts.append(_embed(setting, two, 1))
        single.append(_embed(setting, archive, 1))
        parallel.append(_embed(setting, archive, cores()))
    alone, together, start = map(statistics.median, (single, parallel, starts))
    count, part = len(images), len(images) - 2
    yield Figure(
        f"`imgscore embed --workers {cores()}` of {count} mixed images, start to end",
        f"{count / together:.1f}/s",
        f"{count / alone:.1f}/s, with one worker",
        alone / together,
    )
    speedup = (alone - start) / (together - start)
    yield Figure(
        f"the same without the start-up time ({start:.1f} s, measured with two images)",
        f"{part / (together - start):.1f}/s",
        f"{part / (alone - start):.1f}/s, with one worker",
        speedup,
        f"≥ {MIN_OF_CORES} × {cores()} cores",
        speedup >= MIN_OF_CORES * cores(),
    )


def _embed(setting: Setting, folder: Path, workers: int) -> float:
    sandbox = new_sandbox(setting.scratch / "sandbox")
    run = run_imgscore(sandbox, "embed", str(folder), "--workers", str(workers))
    shutil.rmtree(sandbox.folder)
    return run.seconds
