"""The cost of an order: time to plan and to apply it, and dates changed for each new file."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from math import log2
from pathlib import Path

from msgspec.structs import astuple

from bench.figures import Figure, Setting
from imgscore.engine.apply import apply_plan
from imgscore.order.entries import NANOSECONDS, Entry, Member
from imgscore.order.plan import Touch, plan
from imgscore.order.spacing import space
from imgscore.order.touch import Seen, touch
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import sightings
from imgscore.store.schema import DIGEST_SIZE, Sighting
from imgscore.store.store import Store
from imgscore.workers.messages import PlannedTouch

NOW = 1_790_000_000
NOW_NS = NOW * NANOSECONDS
MAX_SECONDS = 1.0


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure plans, touches, single new files, and sequences of new files at one place."""
    count = setting.choose(10_000, 100_000)
    fresh, noisy = make_entries(count), make_entries(count, deviation=0.005)
    ordered = applied(noisy, plan(noisy, NOW_NS))
    for name, entries in (("unsorted", fresh), ("with noise", noisy), ("in order", ordered)):
        cpu, wall = measure_min(lambda entries=entries: plan(entries, NOW_NS))
        yield Figure(
            f"plan {count} files, {name}",
            f"{cpu:.2f} s CPU, {wall:.2f} s wall",
            target=f"≤ {MAX_SECONDS:g} s CPU",
            met=cpu <= MAX_SECONDS,
        )
    checked, bare = measure_touches(setting.scratch, setting.choose(1_000, 10_000))
    yield Figure(
        "touch of a file, with checks before and after it",
        f"{checked * 1e6:.1f} µs CPU a file",
        f"{bare * 1e6:.1f} µs, os.utime",
        checked / bare,
    )
    cpu, wall = measure_apply(setting.scratch / "store", setting.scratch)
    yield Figure(
        "the same with the journal, originals and sightings on disk",
        f"{cpu * 1e6:.0f} µs CPU, {wall * 1e6:.0f} µs wall a file",
        f"{bare * 1e6:.1f} µs, os.utime",
        cpu / bare,
    )
    costs = count_touches(setting.choose(1_000, 10_000))
    yield Figure(
        "dates changed for one new file in an ordered folder: mean, maximum",
        f"{sum(costs) / len(costs):.2f}, {max(costs)}",
        target="≤ 1",
        met=max(costs) <= 1,
    )
    for name, position in (("best", -1), ("middle", 250), ("worst", 0)):
        touches, total = insert_repeatedly(position)
        yield Figure(
            f"dates changed for each of 1,500 new files of the same second, each {name} so far",
            f"{touches:.1f}",
            f"{log2(total):.1f}, log2 of the files",
            touches / log2(total),
        )


def make_entries(count: int, deviation: float = 0.0, seed: int = 1) -> list[Entry]:
    """`count` files with random scores and random dates of the last five years."""
    chance = random.Random(seed)
    return [
        Entry(
            (Member(b"%08d.jpg" % i, (NOW - chance.randrange(157_000_000)) * NANOSECONDS),),
            chance.random(),
            deviation,
        )
        for i in range(count)
    ]


def applied(entries: Sequence[Entry], touches: Sequence[Touch]) -> list[Entry]:
    """The entries with the dates of the touches."""
    after = {item.path: item.after_ns for item in touches}
    return [
        entry._replace(
            members=tuple(Member(path, after.get(path, ns)) for path, ns in entry.members)
        )
        for entry in entries
    ]


def measure_touches(folder: Path, count: int) -> tuple[float, float]:
    """CPU seconds a file of `touch` with its checks, and of os.utime alone."""
    paths = [os.fsencode(folder / f"{i}.jpg") for i in range(count)]
    for path in paths:
        Path(os.fsdecode(path)).touch()
    seen = [os.lstat(path) for path in paths]

    def touch_unchecked() -> None:
        for path, status in zip(paths, seen, strict=True):
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    checked = []
    for _ in range(3):  # each touch changes the ctime that the next one expects
        expected = [Seen(*astuple(fingerprint_of(path))) for path in paths]
        start = time.process_time()
        for path, expect in zip(paths, expected, strict=True):
            touch(path, expect, expect.mtime_ns)
        checked.append(time.process_time() - start)
    return min(checked) / count, measure_min(touch_unchecked)[0] / count


def measure_apply(store_folder: Path, folder: Path) -> tuple[float, float]:
    """CPU and wall seconds a file to apply a plan that touches all files of a folder."""
    touches = []
    with Store(store_folder) as store:
        with store.write() as txn:
            for number, path in enumerate(sorted(folder.glob("*.jpg"))):
                seen = fingerprint_of(os.fsencode(path))
                assert seen is not None
                digest = number.to_bytes(DIGEST_SIZE, "big")
                sighting = Sighting(bytes(path), seen, digest, bytes(folder), "inbox")
                sightings.record(txn, sighting)
                touches.append(PlannedTouch(sighting, (NOW - 2 * number) * NANOSECONDS))
        cpu, wall = measure_min(lambda: list(apply_plan(store, touches, "1")), runs=1)
    return cpu / len(touches), wall / len(touches)


def count_touches(count: int, trials: int = 50) -> list[int]:
    """Touches of each trial: one new file, dated now, in an ordered folder of `count`."""
    fresh = make_entries(count, deviation=0.005)
    ordered = applied(fresh, plan(fresh, NOW_NS))
    chance = random.Random(3)
    return [
        len(plan([*ordered, Entry((Member(b"new", NOW_NS),), chance.random(), 0.005)], NOW_NS))
        for _ in range(trials)
    ]


def insert_repeatedly(position: int, fresh: int = 500, count: int = 1_500) -> tuple[float, int]:
    """Insert `count` files at one position (-1: the top) in the same second, the worst case.

    Returns the touches for each insertion, and the number of entries at the end.
    """
    dates, touches = space([None] * fresh, NOW), 0
    for _ in range(count):
        at = len(dates) if position < 0 else position
        before = [*dates[:at], None, *dates[at:]]
        dates = space(before, NOW)
        touches += sum(old != new for old, new in zip(before, dates, strict=True))
    return touches / count, fresh + count


def measure_min(work: Callable[[], object], runs: int = 3) -> tuple[float, float]:
    """The minimum of the (CPU, wall) seconds of some runs, which excludes most other load."""
    cpu, wall = [], []
    for _ in range(runs):
        start = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    return min(cpu), min(wall)
