"""The files of a large inbox, as arrays: everything that a plan needs before there are scores.

Loading them takes longer than the plan itself, so a worker can load them while another worker
trains the head. This module reads the store and the disk, but does not write to them.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from imgscore.order.entries import JOINING, NANOSECONDS, basename_key, keys_of
from imgscore.reconcile import hard_links, sidecars
from imgscore.reconcile.hard_links import Inode
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import sightings
from imgscore.store.schema import DIGEST_SIZE, Sighting
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers.inode_names import shared_inodes

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InboxFiles:
    """The files of an inbox that may be ordered. Hard links to other places are left out.

    `values`: the stored sighting of each file. `digests`: the digests, one after the other.
    `seconds`, `rests`: the dates, in whole seconds and further nanoseconds.
    `excluded`: for each file, whether the plan must not change its date.
    `sidecars`: the sidecars of the files. Their numbers follow those of the files.
    `ranks`: for each file and each sidecar, its place in the sequence of all paths.
    `alone`: the numbers of the files that share no date with other files.
    `shared`: the numbers of the other files, and of the sidecars.
    `folders`: the folders of the files, each with the time of its last change.
    """

    values: list[bytes]
    digests: bytes
    seconds: Ints
    rests: Ints
    excluded: NDArray[np.bool_]
    sidecars: list[Sighting]
    ranks: Ints
    alone: Ints
    shared: list[int]
    folders: dict[bytes, int]

    def __len__(self) -> int:
        return len(self.values)

    def digest(self, number: int) -> bytes:
        """Return the digest of a file."""
        return self.digests[number * DIGEST_SIZE : (number + 1) * DIGEST_SIZE]

    def file(self, number: int) -> Sighting:
        """Return the sighting of a file or a sidecar. The digest of a sidecar is empty."""
        count = len(self.values)
        if number >= count:
            return self.sidecars[number - count]
        return sightings.decode(self.values[number])

    def has_images_of(self, other: InboxFiles) -> bool:
        """Return whether both contain the same images, each as often."""
        if self is other or self.digests == other.digests:
            return True
        own, others = (
            np.sort(np.frombuffer(files.digests, f"S{DIGEST_SIZE}")) for files in (self, other)
        )
        return np.array_equal(own, others)

    @property
    def are_current(self) -> bool:
        """Whether no file has been added to the folders, or removed from them, since the load."""
        return all(_changed_ns(folder) == ns for folder, ns in self.folders.items())


def load(txn: Txn, watch: Watch, exclude: Container[bytes] = ()) -> InboxFiles:
    """Load the files of an inbox. The files in `exclude` keep their dates."""
    values: list[bytes] = []
    paths: list[bytes] = []
    devices, inodes, seconds = array("Q"), array("Q"), array("q")
    rests = array("i")
    digests: list[bytes] = []
    for value in sightings.values_in_place(txn, watch.inbox, "inbox"):
        file = sightings.decode(value)
        second, rest = divmod(file.seen.mtime_ns, NANOSECONDS)
        values.append(value)
        paths.append(file.path)
        digests.append(file.digest)
        devices.append(file.seen.dev)
        inodes.append(file.seen.ino)
        seconds.append(second)
        rests.append(rest)
    left_out = _left_out(txn, watch, paths, devices, inodes)
    if left_out:
        chosen = [number not in left_out for number in range(len(paths))]
        values, paths, digests = (
            list(compress(column, chosen)) for column in (values, paths, digests)
        )
        devices, inodes, seconds, rests = (
            array(column.typecode, compress(column, chosen))
            for column in (devices, inodes, seconds, rests)
        )
    excluded = np.zeros(len(paths), np.bool_)
    if exclude:
        excluded[:] = [path in exclude for path in paths]
    found: list[Sighting] = []
    folders: dict[bytes, int] = {}
    if watch.siblings:
        # Read the times before the folders are listed. A change during the list is then noticed.
        folders = {folder: _changed_ns(folder) for folder in {*map(os.path.dirname, paths)}}
        found = _sidecars(watch, (path for path in paths if path not in exclude), exclude)
    pairs = [*zip(devices, inodes, strict=True)]
    shared = _shared(watch, paths, pairs, excluded, found)
    is_alone = ~excluded
    is_alone[[number for number in shared if number < len(paths)]] = False
    every = [*paths, *(file.path for file in found)]
    ranks = np.empty(len(every), np.int64)
    ranks[sorted(range(len(every)), key=every.__getitem__)] = np.arange(len(every))
    return InboxFiles(
        values,
        b"".join(digests),
        np.array(seconds, np.int64),
        np.array(rests, np.int64),
        excluded,
        found,
        ranks,
        np.flatnonzero(is_alone),
        shared,
        folders,
    )


def _changed_ns(folder: bytes) -> int:
    """Return the time at which the list of a folder's files changed; -1 if it cannot be read."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1


def _left_out(
    txn: Txn, watch: Watch, paths: Sequence[bytes], devices: Sequence[int], inodes: Sequence[int]
) -> set[int]:
    """Return the numbers of the files that an order leaves out; see `shared_inodes`.

    Nearly all files have one link and one sighting. They are found without a dict of all inodes.
    """
    pairs = [*zip(devices, inodes, strict=True)]
    doubtful = {
        pair for path, pair in zip(paths, pairs, strict=True) if not _has_one_link(path, pair)
    }
    others: list[Sighting] = []
    if len(txn.table("sightings")) > len(paths):
        others = list(sightings.of_inodes(txn, pairs, exclude=(watch.inbox, "inbox")))
        doubtful.update((other.seen.dev, other.seen.ino) for other in others)
    if not doubtful:
        return set()
    names: dict[Inode, list[bytes]] = {}
    for path, pair in zip(paths, pairs, strict=True):
        if pair in doubtful:
            names.setdefault(pair, []).append(path)
    shared = shared_inodes(watch, names, others)
    return {number for number, pair in enumerate(pairs) if pair in shared}


def _has_one_link(path: bytes, inode: Inode) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_nlink == 1 and (status.st_dev, status.st_ino) == inode


def _sidecars(watch: Watch, paths: Iterable[bytes], exclude: Container[bytes]) -> list[Sighting]:
    """Return sightings of the sidecars of some files. Their digests are empty."""
    found: list[Sighting] = []
    names: dict[Inode, list[bytes]] = {}
    for path in sidecars.sidecars_of(paths):
        seen = fingerprint_of(path)
        if seen is not None and path not in exclude:
            found.append(Sighting(path, seen, b"", watch.inbox, "inbox"))
            names.setdefault((seen.dev, seen.ino), []).append(path)
    outside = hard_links.linked_outside(names)
    return [file for file in found if (file.seen.dev, file.seen.ino) not in outside]


def _shared(
    watch: Watch,
    paths: Sequence[bytes],
    inodes: Sequence[Inode],
    excluded: NDArray[np.bool_],
    found: Sequence[Sighting],
) -> list[int]:
    """Return the numbers of the files and sidecars that can share a date with other files.

    The function `order.entries.group` finds out which of them share one.
    """
    count = len(paths)
    rows = [number for number in range(count) if not excluded[number]]
    rows += range(count, count + len(found))
    every = [*paths, *(file.path for file in found)]
    pairs = [*inodes, *((file.seen.dev, file.seen.ino) for file in found)]
    links: Counter[Inode] = Counter()
    if len({*pairs}) < len(pairs):
        links.update(pairs[number] for number in rows)
    keys: set[tuple[bytes, bytes]] = set()
    if watch.siblings:
        joining = (every[number] for number in rows)
        keys = {basename_key(path) for path in joining if path.lower().endswith(JOINING)}
    if not links and not keys:
        return []
    return [
        number
        for number in rows
        if links[pairs[number]] > 1 or any(key in keys for key in keys_of(every[number]))
    ]
