"""The rate of `imgscore scan` on real images, against an ideal rate and against the old recipe.

The rate is measured from the start of the command until the store contains all files. After that,
the command looks for groups among the images, and measures the quality of those in groups.

The ideal rate follows from the CPU seconds of reading with hashing, decoding, and inference, each
measured alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from PIL import Image

from bench.figures import Figure, Setting, cores
from bench.parts import measure_parts, old_recipe_rate
from bench.sandbox import Run, copy_images, new_sandbox
from imgscore.errors import ImgscoreError
from imgscore.store import counts
from imgscore.store.store import Store
from imgscore.testing import IMGSCORE, Sandbox

MIN_OF_IDEAL = 0.9
"""target: rate / ideal rate"""
MIN_OF_OLD = 10.0
"""target: rate / rate of the old recipe"""
MAX_FOR_OLD = 300
"""images for the old recipe, which takes a quarter of a second for each"""
LARGE_MEGAPIXELS = 2
CAMERA_SOURCES = 20
"""images that are scaled to 12 megapixels"""
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})
MAX_SMALL_BYTES = 1 << 17
POLL_SECONDS = 0.02
"""the time between two looks into the store"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure a mixed sample of the corpus, small PNGs, large JPEGs, and camera-like JPEGs."""
    yield from _compare(setting, "mixed images", setting.images(setting.choose(200, 2000)))
    pngs = setting.images(10**6, suffixes=frozenset({".png"}))
    small = [path for path in pngs if path.stat().st_size < MAX_SMALL_BYTES]
    yield from _compare(setting, "small PNGs", small[: setting.choose(200, 2000)])
    large = [path for path in setting.images(10**6, suffixes=JPEG_SUFFIXES) if _is_large(path)]
    if not large:
        return
    count = setting.choose(60, 800)
    folder = setting.scratch / "photographs"
    folder.mkdir(parents=True)
    copies = _copy_repeatedly(large, folder, count)
    yield from _compare(setting, f"JPEGs of at least {LARGE_MEGAPIXELS} megapixels", copies)
    camera = [
        _write_camera_jpeg(path, folder / f"camera-{path.stem}.jpg")
        for path in large[:CAMERA_SOURCES]
    ]
    copies = _copy_repeatedly(camera, folder, count)
    yield from _compare(setting, "12-megapixel baseline JPEGs, as cameras make them", copies)


def _copy_repeatedly(files: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """Write `count` copies of the files in turn, each with a number after the end of its image.

    The decoders ignore the number; it makes the digests distinct.
    """
    copies = []
    for number, path in zip(range(count), cycle(files), strict=False):
        copies.append(folder / f"{number:04d}.jpg")
        copies[-1].write_bytes(path.read_bytes() + number.to_bytes(8, "big"))
    return copies


def _write_camera_jpeg(path: Path, target: Path) -> Path:
    """Write an image at 4000 × 3000 as a baseline JPEG of quality 92."""
    with Image.open(path) as image:
        image.convert("RGB").resize((4000, 3000)).save(target, quality=92)
    return target


def _is_large(path: Path) -> bool:
    with Image.open(path) as image:
        return image.width * image.height >= LARGE_MEGAPIXELS * 10**6


def _compare(setting: Setting, name: str, files: Sequence[Path]) -> Iterator[Figure]:
    repeats = setting.choose(1, 3)
    runs, wholes, ideals = [], [], []
    for _ in range(repeats):
        # Alternate, so that a change of the machine's load affects both.
        parts = measure_parts(files)
        ideals.append(parts)
        indexed, whole = _scan(setting, files)
        runs.append(indexed)
        wholes.append(whole)
    seconds = statistics.median(run.seconds for run in runs)
    cpu = statistics.median(run.cpu_seconds for run in runs)
    rate = parts.images / seconds
    ideal = statistics.median(parts.ideal_rate() for parts in ideals)
    read, decode, infer = (
        statistics.median(seconds) / parts.images * 1000
        for seconds in zip(
            *((parts.read_seconds, parts.decode_seconds, parts.infer_seconds) for parts in ideals),
            strict=True,
        )
    )
    end = statistics.median(run.seconds for run in wholes)
    yield Figure(
        f"`imgscore scan` of {parts.images} {name} into a fresh store, from the start until all "
        f"are stored; {end - seconds:.1f} s more for groups "
        f"({cpu / parts.images * 1000:.1f} ms CPU an image)",
        f"{rate:.1f}/s",
        f"{ideal:.1f}/s, ideal: {read:.1f} ms reading and hashing + {decode:.1f} decoding + "
        f"{infer:.1f} inference on {cores()} cores",
        rate / ideal,
        f"≥ {MIN_OF_IDEAL} of ideal",
        rate / ideal >= MIN_OF_IDEAL,
    )
    old = old_recipe_rate(files[:MAX_FOR_OLD])
    if old is None:
        yield Figure(f"the old recipe, {name}", "skipped: torch or the weights are not installed")
        return
    yield Figure(
        f"`imgscore scan` of {name} against the old recipe",
        f"{rate:.1f}/s",
        f"{old:.1f}/s, full decode, one at a time in torch",
        rate / old,
        f"≥ {MIN_OF_OLD:.0f} ×",
        rate / old >= MIN_OF_OLD,
    )


def _scan(setting: Setting, files: Sequence[Path]) -> tuple[Run, Run]:
    """Return the cost until all files are stored, and the cost of the whole command."""
    sandbox = new_sandbox(setting.scratch / "sandbox")
    copy_images(sandbox.inbox, files)
    before, start = os.times(), time.perf_counter()
    indexed: Run | None = None
    with (
        contextlib.ExitStack() as stack,
        subprocess.Popen(
            [*IMGSCORE, "scan"],
            env=sandbox.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        store: Store | None = None
        while process.poll() is None:
            if store is None:
                store = _open(sandbox, stack)
            elif indexed is None and _stored(store, sandbox) == len(files):
                indexed = Run(time.perf_counter() - start, _tree_cpu_seconds(process.pid), "")
            time.sleep(POLL_SECONDS)
        stored = 0 if store is None else _stored(store, sandbox)
    seconds, after = time.perf_counter() - start, os.times()
    if indexed is None or process.returncode not in (0, 1):
        raise RuntimeError(f"imgscore scan stored {stored} of {len(files)} files")
    cpu = after.children_user + after.children_system - before.children_user
    shutil.rmtree(sandbox.folder)
    return indexed, Run(seconds, cpu - before.children_system, "")


def _open(sandbox: Sandbox, stack: contextlib.ExitStack) -> Store | None:
    """Open the store, or return None if it is being created. It stays open: to open it for each
    look would take 5 % of one core from the workers."""
    with contextlib.suppress(ImgscoreError):
        return stack.enter_context(Store(sandbox.store_folder, readonly=True))
    return None


def _stored(store: Store, sandbox: Sandbox) -> int:
    """The number of files in the inbox that the store contains."""
    with store.read() as txn:
        return counts.files(txn, os.fsencode(sandbox.inbox), "inbox")


def _tree_cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of its children, with those that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for process, fields in (
        (str(pid), slice(11, 15)),
        *((child, slice(11, 13)) for child in children),
    ):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, stat[fields]))
    return ticks / os.sysconf("SC_CLK_TCK")
