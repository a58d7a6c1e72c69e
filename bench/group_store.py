"""Stores of many made-up images, a fifth of them in groups, for the benchmarks of groups."""

from __future__ import annotations

import hashlib
import io
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders.registry import Spec
from imgscore.images.pixels import FINE_GRID_QUALITY, unpacked_fine_grid
from imgscore.images.traits import FINE_GRID_SIDE, Traits
from imgscore.store import groups, similarity, traits, vectors
from imgscore.store.groups import NewGroup
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.compare_pairs import compare_pairs
from imgscore.workers.context import Context
from imgscore.workers.find_groups import find_groups
from imgscore.workers.find_pairs import find_pairs
from imgscore.workers.group_messages import ComparePairs, FindGroups, FindPairs, GroupsFound

BATCH = 5000


def context_of(store: Store, spec: Spec) -> Context:
    """Return the context in which a worker finds groups."""
    return cast("Context", SimpleNamespace(store=store, spec=spec, on_progress=lambda *_: None))


def digest_of(number: int) -> bytes:
    """The digest of a made-up image."""
    return hashlib.sha256(str(number).encode()).digest()


def fill(
    store: Store, spec: Spec, real: NDArray[np.float32], known: Sequence[Traits], count: int
) -> None:
    """Write mixtures of two real images: vectors, grids and fine grids. One in five has a copy."""
    random = np.random.default_rng(0)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        first, second = random.integers(0, len(real), (2, size))
        share = random.uniform(0.2, 0.8, (size, 1)).astype(np.float32)
        mixed = share * real[first] + (1 - share) * real[second]
        fifth = size // 5
        mixed[:fifth] = mixed[-fifth:] * random.normal(1, 0.02, mixed[-fifth:].shape)
        for values in (share, first, second):
            values[:fifth] = values[-fifth:]
        images = [
            _mixture(known[a], known[b], float(part[0]))
            for part, a, b in zip(share, first, second, strict=True)
        ]
        _store_images(store, spec.image_embedder, start, mixed, images)


def _mixture(first: Traits, second: Traits, share: float) -> Traits:
    grid, fine = (
        (share * one + (1 - share) * other).astype(np.uint8)
        for one, other in zip(_grids(first), _grids(second), strict=True)
    )
    file = io.BytesIO()
    Image.fromarray(fine).save(file, "JPEG", quality=FINE_GRID_QUALITY)
    return Traits(
        width=first.width, height=first.height, format="JPEG", bytes_per_pixel=1,
        grid=grid.tobytes(), fine_grid=file.getvalue(),
    )  # fmt: skip


def _grids(image: Traits) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fine = unpacked_fine_grid(image.fine_grid)
    if fine is None:
        fine = np.zeros((FINE_GRID_SIDE, FINE_GRID_SIDE), np.uint8)
    grid = np.frombuffer(image.grid or bytes(256), np.uint8)
    return grid.astype(np.float32), fine.astype(np.float32)


def _store_images(
    store: Store, embedder: str, start: int, rows: NDArray[np.float32], images: list[Traits]
) -> None:
    digests = [digest_of(start + row) for row in range(len(rows))]

    def write(txn: Txn) -> None:
        pairs = zip(digests, rows.astype(np.float16), strict=True)
        vectors.append(txn, embedder, [(digest, row.tobytes()) for digest, row in pairs])
        for digest, image in zip(digests, images, strict=True):
            traits.record(txn, digest, image)

    store.commit(write)


def compare_all(store: Store, context: Context) -> dict[str, float]:
    """Compare all images in this process, with the tasks of the workers.

    Return the CPU seconds of each step of the workers, and of the longest commit of the daemon.
    """
    seconds: defaultdict[str, float] = defaultdict(float)

    def do(step: str, parts: Iterable[GroupsFound]) -> list[GroupsFound]:
        began = time.process_time()
        found = list(parts)
        seconds[step] += time.process_time() - began
        for part in found:
            began = time.process_time()
            commit(store, part)
            longest = max(seconds["longest commit"], time.process_time() - began)
            seconds["longest commit"] = longest
        return found

    def compare(found: list[GroupsFound]) -> None:
        for block in (block for part in found for block in part.blocks):
            do("compare pairs", (compare_pairs(context, task) for task in [ComparePairs(0, block)]))

    found = do("choose pairs", find_pairs(context, FindPairs()))
    if found[-1].state is not None:
        return seconds
    compare(found)
    found = do("make groups", find_groups(context, FindGroups()))
    if found[-1].state is None:
        compare(found)
        do("make groups", find_groups(context, FindGroups(completed=True)))
    return seconds


def commit(store: Store, part: GroupsFound) -> None:
    """Store a part of the groups, as the daemon does."""

    def write(txn: Txn) -> None:
        if part.first:
            similarity.clear(txn)
        similarity.add(txn, part.entries, part.links)
        wanted = [
            NewGroup(new.kind, tuple(new.members), new.why, tuple(new.wholes))
            for new in part.groups
        ]
        groups.replace(txn, part.regrouped, wanted)

    store.commit(write)
