"""The cost of groups in the plan of a large inbox: CPU time with a fifth of the files in groups.

A plan is made as by a worker that has not prepared it: with the load of the files. Without the
setting `groups`, the same store is planned as if it contained no groups. The files are
tiny, and their scores, qualities and groups synthetic.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Literal

import msgspec

from bench.figures import Figure, Setting
from bench.sandbox import add_known_files, new_sandbox
from imgscore.groups.best import VERSION, Quality
from imgscore.store import groups, qualities, scores, sightings
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers.order_planner import OrderPlanner

HEAD = "1"
ROUNDS = 5
"""pairs of plans; the figure is the median of their ratios, because the machine may be busy"""
MAX_RATIO = 1.10
SIZES = (2, 2, 2, 3, 3, 4, 6)
"""the sizes of the groups, repeated: most bursts and near-duplicates are pairs"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure the plan of an inbox with a fifth of its files in groups, new files and in order."""
    count = setting.choose(10_000, 100_000)
    sandbox = new_sandbox(setting.scratch / "sandbox")
    watch = Watch(os.fsencode(sandbox.inbox), (), (), "default", "best-newest")
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: add_known_files(txn, sandbox, count))
        store.commit(add_groups)
        for title in ("unsorted", "in order"):
            yield _figure(store, watch, count, title)
            with OrderPlanner(store) as planner:
                touches = list(planner.plan(watch, HEAD).touches())
            for touch in touches:
                os.utime(touch.sighting.path, ns=(touch.after_ns, touch.after_ns))

            def record(txn: Txn) -> None:
                for touch in touches:  # noqa: B023
                    seen = msgspec.structs.replace(touch.sighting.seen, mtime_ns=touch.after_ns)
                    sightings.record(txn, msgspec.structs.replace(touch.sighting, seen=seen))

            store.commit(record)
    shutil.rmtree(sandbox.folder)


def add_groups(txn: Txn) -> None:
    """Give each image a score, and put a fifth of the images into groups."""
    chance = random.Random(1)
    digests = [sighting.digest for sighting in sightings.iter_all(txn)]
    packed = b"".join(scores.pack(digest, chance.random(), 0.01) for digest in digests)
    scores.record(txn, "default", HEAD, packed)
    chance.shuffle(digests)
    members = digests[: len(digests) // 5]
    found = list(_parts(members))
    groups.replace(txn, members, [NewGroup("near-duplicates", part, "alike") for part in found])
    for part in found:
        pixels, size = 12_000_000, chance.randrange(10**6, 10**7)
        for digest in part:
            quality = Quality(
                pixels, size, *(chance.random() for _ in range(4)), None, *_clipped(chance),
                *(chance.random() for _ in range(2)),
            )  # fmt: skip
            qualities.record(txn, digest, QualityRecord(VERSION, quality))


def _parts(members: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    at = number = 0
    while at < len(members):
        size = SIZES[number % len(SIZES)]
        yield tuple(members[at : at + size])
        at, number = at + size, number + 1


def _clipped(chance: random.Random) -> tuple[float, float]:
    return chance.random() * 0.02, chance.random() * 0.02


def _figure(store: Store, watch: Watch, count: int, title: str) -> Figure:
    with_groups, without = [], []
    for _ in range(ROUNDS):
        without.append(cpu_seconds(store, watch, "off"))
        with_groups.append(cpu_seconds(store, watch, "together"))
    ratio = median(a / b for a, b in zip(with_groups, without, strict=True))
    return Figure(
        f"plan of {count} files, a fifth in groups, {title}",
        f"{min(with_groups):.2f} s CPU",
        f"{min(without):.2f} s, no groups",
        ratio,
        f"≤ {MAX_RATIO:.2f} times",
        ratio <= MAX_RATIO,
    )


def cpu_seconds(store: Store, watch: Watch, mode: Literal["off", "together"]) -> float:
    """Return the CPU seconds of one plan."""
    start = time.process_time()
    with OrderPlanner(store) as planner:
        planner.plan(replace(watch, groups=mode), HEAD)
    return time.process_time() - start
