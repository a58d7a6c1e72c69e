"""Compare a folder on disk with the store, a slice at a time.

A folder that is missing, or lies on another device than its files did, is offline: nothing is
inferred from that.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from imgscore.reconcile.walk import Found, Unlisted, walk
from imgscore.store import records, sightings
from imgscore.store.schema import packed_stat, path_key
from imgscore.store.store import Store, Txn
from imgscore.watches import Watches, within

SLICE = 2000


@dataclass
class Slice:
    """What a part of a scan found."""

    changed: list[bytes] = field(default_factory=list)
    """paths whose file is not as it was last seen"""
    gone: list[bytes] = field(default_factory=list)
    """paths with a sighting or a failure, and no file"""
    unlisted: list[Unlisted] = field(default_factory=list)
    """folders that cannot be listed"""
    offline: bool = False


def scan(store: Store, watches: Watches, root: bytes, decoder: int) -> Iterator[Slice]:
    """Look at everything under `root`, and at everything known under it that is not there."""
    if not os.path.isdir(root):
        place = watches.folder(root)
        # A folder that was removed inside of a place is gone with its files; a place is offline.
        if place is None or place == root or not os.path.isdir(place):
            yield Slice(offline=True)
            return
    present: set[bytes] = set()
    part: list[Found] = []
    unlisted: list[Unlisted] = []
    for entry in walk(root) if os.path.isdir(root) else ():
        if isinstance(entry, Unlisted):
            unlisted.append(entry)
            continue
        part.append(entry)
        if len(part) == SLICE:
            yield Slice(changed=_changed(store, watches, part, decoder, present))
            part = []
    yield Slice(changed=_changed(store, watches, part, decoder, present), unlisted=unlisted)
    gone = _gone(store, root, present, [one.path for one in unlisted])
    yield gone


def _changed(
    store: Store, watches: Watches, part: list[Found], decoder: int, present: set[bytes]
) -> list[bytes]:
    changed: list[bytes] = []
    endings: dict[bytes, bytes] = {}
    with store.read() as txn:
        known = txn.table("sightings").get
        failed = _failed_keys(txn)
        for found in part:
            path, status = found
            key = path_key(path)
            present.add(key)
            folder = path.rpartition(b"/")[0] or b"/"
            ending = endings.get(folder)
            if ending is None:
                place = watches.locate(folder)
                ending = sightings.ending(place.watch.inbox, place.role) if place else b"nowhere"
                endings[folder] = ending
            value = known(key) or b""
            unchanged = value.startswith(packed_stat(status)) and value.endswith(ending)
            if key in failed:
                unchanged = not _worth_retrying(txn, found, decoder)
            if not unchanged:
                changed.append(path)
    return changed


def _failed_keys(txn: Txn) -> set[bytes]:
    return {key for key, _ in txn.table("failures").scan()}


def _worth_retrying(txn: Txn, found: Found, decoder: int) -> bool:
    """A file that failed is tried again when it, or what reads it, has changed."""
    failure = records.failure(txn, found.path)
    return failure is None or failure.seen != found.seen or failure.decoder != decoder


def _gone(store: Store, root: bytes, present: set[bytes], unlisted: list[bytes]) -> Slice:
    result = Slice()
    try:
        device = os.stat(root).st_dev
    except OSError:
        device = None
    elsewhere = 0
    with store.read() as txn:
        for key, value in sightings.raw(txn):
            if key in present:
                continue
            sighting = sightings.decode(value)
            if sighting.gone_ns or not within(sighting.path, root):
                continue
            if any(within(sighting.path, folder) for folder in unlisted):
                continue
            elsewhere += device is not None and sighting.seen.dev != device
            result.gone.append(sighting.path)
        for failure in records.failures(txn):
            if path_key(failure.path) not in present and within(failure.path, root):
                result.gone.append(failure.path)
    if result.gone and not present and elsewhere == len(result.gone):
        return Slice(offline=True)  # the mount point without its disk
    return result
