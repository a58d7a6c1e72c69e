"""This module compares a folder on disk with the store, in batches.

A watched folder is offline if it is missing. It is also offline if it contains no images, and all
its files in the store were on another device. The files of an offline folder are not treated as
deleted.
"""

import os
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.reconcile import hard_links
from imgscore.reconcile.sidecar_scan import SidecarScan
from imgscore.reconcile.walk import Listing, Unlisted, listings
from imgscore.store import failures, sightings
from imgscore.store.path_keys import PathKeys
from imgscore.store.schema import Fingerprint, packed_stat, path_key
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Role, Watches, within

# The number of files in a batch. Between two batches, the daemon can answer requests.
SCAN_BATCH = 2000


class ChangedFile(NamedTuple):
    """A file that is new or that differs from its sighting.

    `status`: the result of stat. `role`: the role of its folder; None if no watch contains it.
    """

    path: bytes
    status: os.stat_result
    role: Role | None


@dataclass
class ScanBatch:
    """The differences between disk and store in one part of a scan."""

    changed: list[ChangedFile] = field(default_factory=list)
    """The files that are new or that differ from their sighting."""
    sidecars: list[bytes] = field(default_factory=list)
    """The paths of .xmp sidecars that are new, changed or deleted, if ratings are followed."""
    gone: list[bytes] = field(default_factory=list)
    """The paths that have a sighting or a failure in the store, but no file on the disk."""
    unlisted: list[Unlisted] = field(default_factory=list)
    """The folders that cannot be listed. Only the last batch of a scan has this field."""
    offline: bool = False
    left_alone: dict[bytes, Counter[str]] | None = None
    """The number of files that are left alone, by folder and by reason. Only the last batch of a
    scan has this field."""


def scan(store: Store, watches: Watches, root: bytes, decoder: int) -> Iterator[ScanBatch]:
    """Compare the files under `root` with the store, and yield the differences in batches.

    `decoder`: the version of the image decoder. If a file could not be read by another version of
    the decoder, `ScanBatch.changed` contains the file.
    """
    if not os.path.isdir(root):
        place = watches.folder(root)
        # If only a subfolder of a watched folder is missing, it was deleted with its files. If the
        # watched folder itself is missing, it is offline.
        if place is None or place == root or not os.path.isdir(place):
            yield ScanBatch(offline=True)
            return
    present = PathKeys()
    sidecars = SidecarScan(store, watches, root)
    part: list[Listing] = []
    unlisted: list[Unlisted] = []
    left_alone: dict[bytes, Counter[str]] = {}
    links = hard_links.LinkCounter()
    for entry in (
        listings(root, SCAN_BATCH, sidecars=sidecars.is_wanted) if os.path.isdir(root) else ()
    ):
        if isinstance(entry, Unlisted):
            unlisted.append(entry)
            continue
        part.append(entry)
        links.add(entry)
        if entry.left_alone:
            left_alone[entry.folder] = left_alone.get(entry.folder, Counter()) + entry.left_alone
        if sum(len(listing.names) for listing in part) >= SCAN_BATCH:
            yield _batch(store, watches, part, decoder, present, sidecars)
            part = []
    yield _batch(store, watches, part, decoder, present, sidecars)
    last = _gone(store, root, present, [folder.path for folder in unlisted])
    for folder, count in links.by_folder().items():
        left_alone.setdefault(folder, Counter())[hard_links.REASON] = count
    last.left_alone, last.unlisted = left_alone, unlisted
    if not last.offline:
        last.sidecars = sidecars.missing([folder.path for folder in unlisted])
    yield last


def _batch(
    store: Store,
    watches: Watches,
    part: list[Listing],
    decoder: int,
    present: PathKeys,
    sidecars: SidecarScan,
) -> ScanBatch:
    changed = _changed(store, watches, part, decoder, present)
    return ScanBatch(changed=changed, sidecars=sidecars.changed(part))


def _changed(
    store: Store, watches: Watches, part: list[Listing], decoder: int, present: PathKeys
) -> list[ChangedFile]:
    changed: list[ChangedFile] = []
    with store.read() as txn:
        known = txn.table("sightings").getter()
        failed = _failed_keys(txn)
        for folder, names, stats, *_ in part:
            place = watches.locate(folder)
            role = place.role if place else None
            ending = sightings.ending(place.watch.inbox, place.role) if place else b"nowhere"
            paths = [os.path.join(folder, b"") + name for name in names]
            keys = list(map(path_key, paths))
            present.update(keys)
            values = [known(key, b"") for key in keys]
            if (
                all(map(bytes.startswith, values, map(packed_stat, stats)))
                and all(value.endswith(ending) for value in values)
                and failed.isdisjoint(keys)
            ):
                continue
            for path, key, value, status in zip(paths, keys, values, stats, strict=True):
                same = value.startswith(packed_stat(status)) and value.endswith(ending)
                if _worth_retrying(txn, path, status, decoder) if key in failed else not same:
                    changed.append(ChangedFile(path, status, role))
    return changed


def changed_files(store: Store, paths: Collection[bytes]) -> list[bytes]:
    """Return the paths whose file differs from its sighting, or that have no sighting.

    Only the stat results are compared: a file that imgscore touched equals its sighting.
    """
    if not paths:
        return []
    with store.read() as txn:
        known = txn.table("sightings").getter()
        return [path for path in paths if not _is_seen(known(path_key(path), b""), path)]


def _is_seen(value: bytes, path: bytes) -> bool:
    try:
        return bool(value) and value.startswith(packed_stat(os.lstat(path)))
    except OSError:
        return False


def _failed_keys(txn: Txn) -> set[bytes]:
    return {key for key, _ in txn.table("failures").scan()}


def _worth_retrying(txn: Txn, path: bytes, status: os.stat_result, decoder: int) -> bool:
    """Return whether a file that has a failure in the store must be read again.

    It must be read again if the file or the version of the decoder has changed since the failure,
    or if the time for the next attempt has come.
    """
    failure, seen = failures.find(txn, path), Fingerprint.of_stat(status)
    return failure is None or not failure.is_current(seen, decoder, time.time_ns())


def _gone(store: Store, root: bytes, present: PathKeys, unlisted: list[bytes]) -> ScanBatch:
    batch = ScanBatch()
    try:
        device = os.stat(root).st_dev
    except OSError:
        device = None
    elsewhere = 0
    with store.read() as txn:
        for sighting in sightings.missing_from(txn, present, root):
            if sighting.gone_ns or not within(sighting.path, root):
                continue
            if any(within(sighting.path, folder) for folder in unlisted):
                continue
            elsewhere += device is not None and sighting.seen.dev != device
            batch.gone.append(sighting.path)
        for failure in failures.iter_all(txn):
            if path_key(failure.path) in present or not within(failure.path, root):
                continue
            if not any(within(failure.path, folder) for folder in unlisted):
                batch.gone.append(failure.path)
    if batch.gone and not present and elsewhere == len(batch.gone):
        # The folder `root` is the empty mount point of a disk that is not mounted.
        return ScanBatch(offline=True)
    return batch
