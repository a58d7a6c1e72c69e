"""How fast real images are embedded, against the ideal of the parts, and against the old recipe.

The parts are reading with hashing, decoding, and inference: each timed alone, in CPU seconds.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from PIL import Image

from bench.figures import Figure, Setting, cores
from bench.parts import apart, old_recipe_rate
from bench.sandbox import Run, fill, imgscore, new_sandbox

MIN_OF_IDEAL = 0.9
MIN_OF_OLD = 10.0
# The old recipe takes a quarter of a second an image: its rate is known after a few hundred.
MAX_FOR_OLD = 300
MEGAPIXELS = 2
SOURCES = 20
PHOTOGRAPHS = frozenset({".jpg", ".jpeg"})
SMALL_BYTES = 1 << 17


def measure(setting: Setting) -> Iterator[Figure]:
    """A mixed sample of the corpus, small PNGs, large JPEGs, and those as cameras make them."""
    yield from _compare(setting, "mixed images", setting.images(setting.either(200, 2000)))
    pngs = setting.images(10**6, suffixes=frozenset({".png"}))
    small = [path for path in pngs if path.stat().st_size < SMALL_BYTES]
    yield from _compare(setting, "small PNGs", small[: setting.either(200, 2000)])
    large = [path for path in setting.images(10**6, suffixes=PHOTOGRAPHS) if _is_large(path)]
    if not large:
        return
    count = setting.either(60, 800)
    folder = setting.scratch / "photographs"
    folder.mkdir(parents=True)
    found = _repeated(large, folder, count)
    yield from _compare(setting, f"JPEGs of at least {MEGAPIXELS} megapixels", found)
    camera = [_as_a_camera(path, folder / f"camera-{path.stem}.jpg") for path in large[:SOURCES]]
    found = _repeated(camera, setting.scratch / "photographs", count)
    yield from _compare(setting, "12-megapixel baseline JPEGs, as cameras make them", found)


def _repeated(files: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """Files repeated to `count`, each ending in bytes of its own, which no decoder reads.

    Other content, the same work.
    """
    found = []
    for number, path in zip(range(count), cycle(files), strict=False):
        found.append(folder / f"{number:04d}.jpg")
        found[-1].write_bytes(path.read_bytes() + number.to_bytes(8, "big"))
    return found


def _as_a_camera(path: Path, target: Path) -> Path:
    """A picture of the corpus at 4000 × 3000, as a baseline JPEG of quality 92."""
    with Image.open(path) as image:
        image.convert("RGB").resize((4000, 3000)).save(target, quality=92)
    return target


def _is_large(path: Path) -> bool:
    with Image.open(path) as image:
        return image.width * image.height >= MEGAPIXELS * 10**6


def _compare(setting: Setting, name: str, files: Sequence[Path]) -> Iterator[Figure]:
    repeats = setting.either(1, 3)
    runs, ideals = [], []
    for _ in range(repeats):
        # By turns, so that a change of the machine's mood meets both alike.
        parts = apart(files)
        ideals.append(parts)
        runs.append(_scan(setting, files))
    seconds = statistics.median(run.seconds for run in runs)
    cpu = statistics.median(run.cpu_seconds for run in runs)
    rate = parts.images / seconds
    ideal = statistics.median(one.ideal_rate() for one in ideals)
    read, decode, infer = (
        statistics.median(seconds) / parts.images * 1000
        for seconds in zip(
            *((one.read_seconds, one.decode_seconds, one.infer_seconds) for one in ideals),
            strict=True,
        )
    )
    yield Figure(
        f"`imgscore scan` of {parts.images} {name} into a fresh store, start to end "
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
        yield Figure(f"the recipe it replaces, {name}", "skipped: no torch or no weights")
        return
    yield Figure(
        f"`imgscore scan` of {name} against the recipe it replaces",
        f"{rate:.1f}/s",
        f"{old:.1f}/s, full decode, one at a time in torch",
        rate / old,
        f"≥ {MIN_OF_OLD:.0f} ×",
        rate / old >= MIN_OF_OLD,
    )


def _scan(setting: Setting, files: Sequence[Path]) -> Run:
    sandbox = new_sandbox(setting.scratch / "sandbox")
    fill(sandbox.inbox, files)
    run = imgscore(sandbox, "scan")
    shutil.rmtree(sandbox.folder)
    return run
