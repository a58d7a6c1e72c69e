"""The rules that determine which original belongs to a file (docs/dates.md has them as a table).

An original belongs to a file if the file has one of the dates of the original's record. The bytes,
the path and the inode of the file decide between several records. If no record has the date of the
file, the user set this date, and the file needs no original.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeGuard

from msgspec import structs

from imgscore.reconcile import edited_files
from imgscore.reconcile.date_match import Match, match
from imgscore.store import originals, shifts, sightings
from imgscore.store.schema import Original
from imgscore.store.shifts import NO_SHIFTS, Shifts
from imgscore.store.transaction import Txn


class Place(IntEnum):
    """The relation of the path of a record to the file. The relation with the highest value is the
    closest one.
    """

    PRESENT = 0
    """another file is at the path of the record, so the file is a copy"""
    GONE = 1
    """no file is at the path of the record, so the file may have been moved"""
    OWN = 2
    """the record has the path of the file, or of another hard link of the file"""
    MOVED = 3
    """the inode of the file was last seen at the path of the record"""


@dataclass(frozen=True)
class Candidate:
    """A record that may belong to a file.

    `aside`: whether the record was set aside. `replaced`: whether the path of the file had other
    bytes when it was last seen.
    """

    original: Original
    place: Place
    aside: bool = False
    replaced: bool = False


def choose(
    candidates: Iterable[Candidate], mtime_ns: int, known: Shifts = NO_SHIFTS
) -> Candidate | None:
    """Return the candidate whose dates explain the date of the file best.

    None means that the user set the date.
    """
    candidates = list(candidates)
    if any(candidate.original.original_ns == mtime_ns for candidate in candidates):
        # The date is known as a date of the user, so no change of the time zone is assumed.
        known = known._replace(zones=False)
    rated = [
        (rating, candidate)
        for candidate in candidates
        if (rating := _rate(candidate, mtime_ns, known))
    ]
    best = max(rated, key=lambda pair: pair[0], default=None)
    return None if best is None else best[1]


def _rate(
    candidate: Candidate, mtime_ns: int, known: Shifts
) -> tuple[int, bool, bool, int, bool, int, int] | None:
    """Return a rating for `choose`. None means that the record does not belong to the file."""
    original, place = candidate.original, candidate.place
    found = match(original, mtime_ns, known)
    if place < Place.OWN and found in (
        Match.ORIGINAL,
        Match.ORIGINAL_ALIKE,
        Match.MOVED_ALIKE,
        Match.ROUNDED_ORIGINAL,
        Match.SHIFTED,
        Match.NONE,
    ):
        # The file was never touched: it only has the bytes of a touched file.
        return None
    if found is Match.NONE or (found is Match.SHIFTED and candidate.aside):
        return None
    weak = found in (Match.SHIFTED, Match.ROUNDED_ORIGINAL) or (
        candidate.aside and found in (Match.ORIGINAL_ALIKE, Match.MOVED_ALIKE)
    )
    is_exact = found is Match.EARLIER or found >= Match.ORIGINAL
    is_current = found >= Match.ORIGINAL and not candidate.aside
    near = 0 if weak else 1 + min(place, Place.OWN)
    is_late = found is Match.AFTER and not candidate.aside
    # A shift of dates replaces no bytes. A file with bytes that it had before is from a backup.
    is_old = candidate.replaced and (candidate.aside or found < Match.ORIGINAL)
    if is_old or (place is Place.GONE and not is_late):
        # The file may be a copy of another file that has this date now.
        near, is_current = min(near, 1), False
    return near, is_current, is_exact, place, not candidate.aside, found, original.touched_ns


class Origin(NamedTuple):
    """The record that belongs to a file.

    `original`: the record as it must be stored for the file. `source`: the record in the store,
    under the digest `digest`. `copied`: whether the record also belongs to another file that still
    exists.
    """

    original: Original
    source: Original
    digest: bytes
    copied: bool


def find(
    txn: Txn,
    digest: bytes,
    path: bytes,
    mtime_ns: int,
    *,
    moved_from: bytes | None = None,
    known: Shifts | None = None,
) -> Origin | None:
    """Return the record that belongs to the file at `path`.

    `digest`, `mtime_ns`: the digest and the present mtime of the file. `moved_from`: the path at
    which the inode of the file was last seen. None as the result means that the user set
    `mtime_ns`, so the file needs no original.
    """
    present = originals.get(txn, digest, path)
    if _is_current(present, mtime_ns, moved_from):
        return Origin(present, present, digest, copied=False)
    return _search(txn, digest, path, mtime_ns, moved_from, known)


def _search(
    txn: Txn,
    digest: bytes,
    path: bytes,
    mtime_ns: int,
    moved_from: bytes | None,
    known: Shifts | None,
) -> Origin | None:
    """Return the result of `find` for a file without a current record of its own."""
    candidates = list(_same_bytes(txn, digest, path, moved_from))
    if not candidates:
        # Before the first order, no file has a record.
        return _edited(txn, digest, path, mtime_ns)
    known = shifts.load(txn) if known is None else known
    if _has_copy_with_date(txn, digest, path, mtime_ns):
        # A copy has this date, so no change of the time zone is assumed.
        known = known._replace(zones=False)
    chosen = choose(candidates, mtime_ns, known)
    if chosen is not None and _is_shifted(txn, digest, moved_from or path, mtime_ns, known):
        # Other records can have this date by chance.
        own = [file for file in candidates if file.place >= Place.OWN and not file.aside]
        present = choose(own, mtime_ns, known)
        if present is None and chosen.place < Place.OWN:
            yours = Original(path, mtime_ns, mtime_ns, mtime_ns)
            return Origin(yours, yours, digest, copied=True)
        chosen = present or chosen
    if chosen is None:
        return _edited(txn, digest, path, mtime_ns)
    source = chosen.original
    original = _at(source, path, mtime_ns, known)
    copied = chosen.place is Place.PRESENT or (
        chosen.place is Place.OWN and source.path != path  # a hard link
    )
    return Origin(original, source, digest, copied)


def _edited(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Origin | None:
    found = edited_files.find(txn, digest, path, mtime_ns)
    if found is None:
        return None
    held_digest, held = found
    original = originals.touched(held, path, mtime_ns, mtime_ns)
    copied = held.path != path and os.path.lexists(held.path)
    return Origin(original, held, held_digest, copied)


def _has_copy_with_date(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> bool:
    copies = sightings.of_digest(txn, digest)
    return any(copy.path != path and copy.seen.mtime_ns == mtime_ns for copy in copies)


def _is_shifted(txn: Txn, digest: bytes, path: bytes, mtime_ns: int, known: Shifts) -> bool:
    """Return whether the file at `path` was moved by a shift since it was last seen there."""
    last = sightings.find(txn, path) if known.recent else None
    return (
        last is not None
        and last.digest == digest
        and known.is_recent(mtime_ns - last.seen.mtime_ns, mtime_ns)
    )


def follow(
    txn: Txn,
    digest: bytes,
    path: bytes,
    mtime_ns: int,
    *,
    moved_from: bytes | None = None,
    known: Shifts | None = None,
) -> Original | None:
    """Store the record of a file under the file's present path, and return the record.

    If the user has set the file date since the last touch, set the record aside and return None.
    """
    present = originals.get(txn, digest, path)
    if _is_current(present, mtime_ns, moved_from):
        return present
    origin = _search(txn, digest, path, mtime_ns, moved_from, known)
    if origin is not None and origin.original == present:
        return present
    if origin is None:
        if present is not None:
            originals.set_aside(txn, digest, present)
        moved = None if moved_from is None else originals.get(txn, digest, moved_from)
        if moved is not None:
            originals.put_present(txn, digest, _renamed(moved, path), moved)
            originals.set_aside(txn, digest, _renamed(moved, path))
        return None
    if origin.digest != digest:
        if not origin.copied:
            originals.set_aside(txn, origin.digest, origin.source)
        originals.put_present(txn, digest, origin.original)
    else:
        source = None if origin.copied else origin.source
        originals.put_present(txn, digest, origin.original, source)
    return originals.get(txn, digest, path)


def _is_current(
    present: Original | None, mtime_ns: int, moved_from: bytes | None
) -> TypeGuard[Original]:
    """Return whether no record can have a better rating than the present one of the file's path.

    Nearly every file has such a record.
    """
    if present is None or moved_from not in (None, present.path):
        return False
    return present.after_ns == mtime_ns


def _same_bytes(
    txn: Txn, digest: bytes, path: bytes, moved_from: bytes | None
) -> Iterator[Candidate]:
    held = originals.of_digest(txn, digest)
    before = sightings.find(txn, path) if held else None
    replaced = before is not None and before.digest != digest
    for original in held:
        if original.path == moved_from and moved_from != path:
            place = Place.MOVED
        elif original.path == path:
            place = Place.OWN
        elif not os.path.lexists(original.path):
            place = Place.GONE
        else:
            place = Place.OWN if _are_links(original.path, path) else Place.PRESENT
        aside = originals.get(txn, digest, original.path) != original
        yield Candidate(original, place, aside, replaced)


def _are_links(first: bytes, second: bytes) -> bool:
    """Return whether two existing paths are hard links of one file."""
    try:
        return os.path.samestat(os.lstat(first), os.lstat(second))
    except OSError:
        return False


def _at(original: Original, path: bytes, mtime_ns: int, known: Shifts) -> Original:
    """Return a record for the file at `path`, which has the date `mtime_ns`."""
    found = match(original, mtime_ns, known)
    if (
        found in (Match.AFTER, Match.ROUNDED_ORIGINAL)
        # A file whose original was restored has a date of the user, even after a shift.
        or (original.is_restored and found in (Match.ORIGINAL, Match.ORIGINAL_ALIKE))
    ):
        return _renamed(original, path)
    return originals.touched(original, path, mtime_ns, mtime_ns)


def _renamed(original: Original, path: bytes) -> Original:
    return original if original.path == path else structs.replace(original, path=path)
