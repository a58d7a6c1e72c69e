"""Compare a folder on disk with the store, a slice at a time.

A folder that is missing, or lies on another device than its files did, is offline: nothing is
inferred from that.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from imgscore.reconcile.walk import Found, Unlisted, walk
from imgscore.store import records, sightings
from imgscore.store.schema import FINGERPRINT_SIZE, path_key
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
    with store.read() as txn:
        table = txn.table("sightings")
        failures = txn.table("failures")
        any_failed = len(failures) > 0
        for found in part:
            key = path_key(found.path)
            present.add(key)
            value = table.get(key)
            if value is not None and value[:FINGERPRINT_SIZE] == found.seen.packed():
                if not any_failed or failures.get(key) is None:
                    sighting = sightings.decode(value)
                    place = watches.locate(found.path)
                    if (
                        place is not None
                        and not sighting.gone_ns
                        and (sighting.inbox, sighting.role) == (place.watch.inbox, place.role)
                    ):
                        continue
                elif not _worth_retrying(txn, found, decoder):
                    continue
            elif value is None and not _worth_retrying(txn, found, decoder):
                continue
            changed.append(found.path)
    return changed


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
