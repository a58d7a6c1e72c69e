"""How fast real images are embedded, against the ideal of the parts, and against the old recipe."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import SUFFIXES, Figure, Setting, cores
from bench.house import Run, fill, imgscore, new_house
from bench.parts import apart, old_recipe_rate

LEAST_OF_IDEAL = 0.8
LEAST_OF_OLD = 10.0
# The old recipe takes a quarter of a second an image: its rate is known after a few hundred.
MOST_FOR_OLD = 300
PHOTOGRAPHS = frozenset({".jpg", ".jpeg"})


def measure(setting: Setting) -> Iterator[Figure]:
    """A mixed sample of the corpus; then its photographs alone."""
    count = setting.either(200, 2000)
    for name, suffixes in (("mixed images", SUFFIXES), ("JPEG photographs", PHOTOGRAPHS)):
        files = setting.images(count if suffixes is SUFFIXES else count // 4, suffixes=suffixes)
        if files:
            yield from _compare(setting, name, files)


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
    decode = statistics.median(one.decode_seconds for one in ideals) / parts.images
    infer = statistics.median(one.infer_seconds for one in ideals) / parts.images
    yield Figure(
        f"`imgscore scan` of {parts.images} {name} into a fresh store, start to end "
        f"({cpu / parts.images * 1000:.1f} ms CPU an image)",
        f"{rate:.1f}/s",
        f"{ideal:.1f}/s, ideal: {decode * 1000:.1f} ms decoding + {infer * 1000:.1f} ms "
        f"inference on {cores()} cores",
        rate / ideal,
        f"≥ {LEAST_OF_IDEAL} of ideal",
        rate / ideal >= LEAST_OF_IDEAL,
    )
    old = old_recipe_rate(files[:MOST_FOR_OLD])
    if old is None:
        yield Figure(f"the recipe it replaces, {name}", "skipped: no torch or no weights")
        return
    yield Figure(
        f"`imgscore scan` of {name} against the recipe it replaces",
        f"{rate:.1f}/s",
        f"{old:.1f}/s, full decode, one at a time in torch",
        rate / old,
        f"≥ {LEAST_OF_OLD:.0f} ×",
        rate / old >= LEAST_OF_OLD,
    )


def _scan(setting: Setting, files: Sequence[Path]) -> Run:
    house = new_house(setting.scratch / "house")
    imgscore(house, "init", str(house.inbox))
    fill(house.inbox, files)
    run = imgscore(house, "scan")
    shutil.rmtree(house.folder)
    return run
