"""What an order costs: time to plan and to apply it, and dates changed for each arrival."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from math import log2
from pathlib import Path

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
    """Planning, touching, arrivals one at a time, and the worst that arrivals can do."""
    count = setting.either(10_000, 100_000)
    fresh, noisy = folder(count), folder(count, deviation=0.005)
    ordered = applied(noisy, plan(noisy, NOW_NS))
    for name, entries in (("unsorted", fresh), ("with noise", noisy), ("in order", ordered)):
        cpu, wall = least_seconds(lambda entries=entries: plan(entries, NOW_NS))
        yield Figure(
            f"plan {count} files, {name}",
            f"{cpu:.2f} s CPU, {wall:.2f} s wall",
            target=f"≤ {MAX_SECONDS:g} s CPU",
            met=cpu <= MAX_SECONDS,
        )
    ours, bare = apply_seconds(setting.scratch, setting.either(1_000, 10_000))
    yield Figure(
        "touch: checked, never through a link, read back",
        f"{ours * 1e6:.1f} µs CPU a file",
        f"{bare * 1e6:.1f} µs, os.utime",
        ours / bare,
    )
    cpu, wall = journalled_seconds(setting.scratch / "store", setting.scratch)
    yield Figure(
        "the same with the journal, originals and sightings on disk",
        f"{cpu * 1e6:.0f} µs CPU, {wall * 1e6:.0f} µs wall a file",
        f"{bare * 1e6:.1f} µs, os.utime",
        cpu / bare,
    )
    costs = insert_files(setting.either(1_000, 10_000))
    yield Figure(
        "dates changed for one arrival in an ordered folder: mean, most",
        f"{sum(costs) / len(costs):.2f}, {max(costs)}",
        target="≤ 1",
        met=max(costs) <= 1,
    )
    for name, place in (("best", -1), ("middle", 250), ("worst", 0)):
        touches, entries = adversary(place)
        yield Figure(
            f"dates changed for one of 1,500 arrivals at one moment, all {name} so far",
            f"{touches:.1f}",
            f"{log2(entries):.1f}, log2 of the files",
            touches / log2(entries),
        )


def folder(count: int, deviation: float = 0.0, seed: int = 1) -> list[Entry]:
    """`count` files with random scores and dates of the last five years: nothing is in order."""
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
    """The entries after the touches, without a disk."""
    after = {item.path: item.after_ns for item in touches}
    return [
        entry._replace(
            members=tuple(Member(path, after.get(path, ns)) for path, ns in entry.members)
        )
        for entry in entries
    ]


def apply_seconds(place: Path, count: int) -> tuple[float, float]:
    """CPU seconds a file: `touch` with its checks and read-back, and os.utime alone."""
    paths = [os.fsencode(place / f"{i}.jpg") for i in range(count)]
    for path in paths:
        Path(os.fsdecode(path)).touch()
    seen = [os.lstat(path) for path in paths]

    def bare() -> None:
        for path, status in zip(paths, seen, strict=True):
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def checked() -> None:
        for path, status in zip(paths, seen, strict=True):
            expect = Seen(status.st_dev, status.st_ino, status.st_mtime_ns)
            touch(path, expect, status.st_mtime_ns)

    return least_seconds(checked)[0] / count, least_seconds(bare)[0] / count


def journalled_seconds(store_folder: Path, place: Path) -> tuple[float, float]:
    """CPU and wall seconds a file to carry out a plan for all the files in a folder."""
    wanted = []
    with Store(store_folder) as store:
        with store.write() as txn:
            for number, path in enumerate(sorted(place.glob("*.jpg"))):
                seen = fingerprint_of(os.fsencode(path))
                assert seen is not None
                digest = number.to_bytes(DIGEST_SIZE, "big")
                sighting = Sighting(bytes(path), seen, digest, bytes(place), "inbox")
                sightings.record(txn, sighting)
                wanted.append(PlannedTouch(sighting, (NOW - 2 * number) * NANOSECONDS))
        cpu, wall = least_seconds(lambda: list(apply_plan(store, wanted, "1")), runs=1)
    return cpu / len(wanted), wall / len(wanted)


def insert_files(count: int, trials: int = 50) -> list[int]:
    """Touches for one new file, dated now, in an ordered folder of `count`."""
    fresh = folder(count, deviation=0.005)
    ordered = applied(fresh, plan(fresh, NOW_NS))
    chance = random.Random(3)
    return [
        len(plan([*ordered, Entry((Member(b"new", NOW_NS),), chance.random(), 0.005)], NOW_NS))
        for _ in range(trials)
    ]


def adversary(place: int, fresh: int = 500, count: int = 1_500) -> tuple[float, int]:
    """(touches an insertion, entries): all at one place (-1: the top), while the clock stands."""
    dates, touches = space([None] * fresh, NOW), 0
    for _ in range(count):
        at = len(dates) if place < 0 else place
        before = [*dates[:at], None, *dates[at:]]
        dates = space(before, NOW)
        touches += sum(old != new for old, new in zip(before, dates, strict=True))
    return touches / count, fresh + count


def least_seconds(work: Callable[[], object], runs: int = 3) -> tuple[float, float]:
    """(CPU, wall) seconds, the least of some runs: the machine may have other work to do."""
    cpu, wall = [], []
    for _ in range(runs):
        start = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    return min(cpu), min(wall)
