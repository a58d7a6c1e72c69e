"""The speed of `imgscore embed` with a process for each core against one process, in wall time."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from bench.figures import Figure, Setting, cores
from bench.sandbox import copy_images, new_sandbox, run_imgscore
from imgscore.images.decode import BYTES_PER_PIXEL
from imgscore.workers.process import LOW_MEMORY_BYTES

MIN_OF_CORES = 0.9
"""target: speed-up / number of cores"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Embed a folder into new stores, alternating; two images alone give the start-up times."""
    images = setting.images(setting.choose(60, 1000))
    huge = [file for file in images if _is_huge(file)]
    yield from _compare(setting, images, f"mixed images ({len(huge)} are huge)")
    if huge:
        # One process decodes all huge images: while the others have no files left, they wait.
        others = [file for file in images if file not in huge]
        yield from _compare(setting, others, "of these images, without the huge ones")


def _compare(setting: Setting, images: list[Path], kind: str) -> Iterator[Figure]:
    archive, two = setting.scratch / "archive", setting.scratch / "two"
    for folder, files in ((archive, images), (two, images[:2])):
        folder.mkdir()
        copy_images(folder, files)
    times: dict[tuple[Path, int], list[float]] = {}
    for _ in range(setting.choose(1, 3)):
        for folder in (two, archive):
            for workers in (1, cores()):
                times.setdefault((folder, workers), []).append(_embed(setting, folder, workers))
    shutil.rmtree(archive)
    shutil.rmtree(two)
    alone, together = (statistics.median(times[archive, workers]) for workers in (1, cores()))
    starts = [statistics.median(times[two, workers]) for workers in (1, cores())]
    count, part = len(images), len(images) - 2
    yield Figure(
        f"`imgscore embed --workers {cores()}` of {count} {kind}, start to end",
        f"{count / together:.1f}/s",
        f"{count / alone:.1f}/s, with one worker",
        alone / together,
    )
    alone, together = alone - starts[0], together - starts[1]
    yield Figure(
        f"the same {count} without the start-up times ({starts[0]:.1f} and {starts[1]:.1f} s, "
        "measured with two images)",
        f"{part / together:.1f}/s",
        f"{part / alone:.1f}/s, with one worker",
        alone / together,
        f"≥ {MIN_OF_CORES} × {cores()} cores",
        alone / together >= MIN_OF_CORES * cores(),
    )


def _is_huge(file: Path) -> bool:
    """Whether only the worker process that may use 3 GB decodes this image, if it is no JPEG."""
    with (
        contextlib.suppress(OSError, Image.DecompressionBombError),
        warnings.catch_warnings(action="ignore"),
        Image.open(file) as image,
    ):
        pixels = image.width * image.height
        return image.format != "JPEG" and pixels * BYTES_PER_PIXEL > LOW_MEMORY_BYTES
    return False  # imgscore cannot decode it, either.


def _embed(setting: Setting, folder: Path, workers: int) -> float:
    sandbox = new_sandbox(setting.scratch / "sandbox")
    run = run_imgscore(sandbox, "embed", str(folder), "--workers", str(workers))
    shutil.rmtree(sandbox.folder)
    return run.seconds
