"""How much faster an archive is embedded by a process for each core than by one, by the clock."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting, cores
from bench.sandbox import fill, imgscore, new_sandbox

MIN_OF_CORES = 0.9


def measure(setting: Setting) -> Iterator[Figure]:
    """`imgscore embed` of one folder into fresh stores, by turns; its start is measured apart."""
    archive, two = setting.scratch / "archive", setting.scratch / "two"
    images = setting.images(setting.either(60, 1000))
    for folder, files in ((archive, images), (two, images[:2])):
        folder.mkdir()
        fill(folder, files)
    one: list[float] = []
    all_cores: list[float] = []
    starts: list[float] = []
    for _ in range(setting.either(1, 3)):
        starts.append(_embed(setting, two, 1))
        one.append(_embed(setting, archive, 1))
        all_cores.append(_embed(setting, archive, cores()))
    alone, together, start = map(statistics.median, (one, all_cores, starts))
    count, part = len(images), len(images) - 2
    yield Figure(
        f"`imgscore embed --workers {cores()}` of {count} mixed images, start to end",
        f"{count / together:.1f}/s",
        f"{count / alone:.1f}/s, with one worker",
        alone / together,
    )
    gain = (alone - start) / (together - start)
    yield Figure(
        f"the same without its start ({start:.1f} s, with two images)",
        f"{part / (together - start):.1f}/s",
        f"{part / (alone - start):.1f}/s, with one worker",
        gain,
        f"≥ {MIN_OF_CORES} × {cores()} cores",
        gain >= MIN_OF_CORES * cores(),
    )


def _embed(setting: Setting, folder: Path, workers: int) -> float:
    sandbox = new_sandbox(setting.scratch / "sandbox")
    run = imgscore(sandbox, "embed", str(folder), "--workers", str(workers))
    shutil.rmtree(sandbox.folder)
    return run.seconds
