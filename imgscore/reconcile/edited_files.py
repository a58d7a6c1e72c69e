"""Find the original of a file that was edited without a change of its date (docs/dates.md)."""

import re
import time

from imgscore.order.entries import SIDECAR_SUFFIXES, basename_key, suffix
from imgscore.reconcile.date_match import Match, match
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import originals, sightings
from imgscore.store.schema import Original
from imgscore.store.transaction import Txn

# The longest time between the disappearance of a file and the appearance of its edited version
# under another name, in nanoseconds. While a large folder is indexed, the second can take hours.
GONE_NS = 86_400 * 10**9
# An edited copy of a file that still exists is recognised by its date alone if fewer than
# MAX_NEIGHBOURS files have a date of imgscore within NEAR_NS nanoseconds. A new file then has such
# a date by chance with a probability of at most 1 %.
NEAR_NS = 6 * 3_600 * 10**9
MAX_NEIGHBOURS = 216
# The characters at which a program appends a word or a number to the name of an edited copy.
SEPARATOR = re.compile(rb"(?<=[^-_ .(~])[-_ .(~]")


def find(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> tuple[bytes, Original] | None:
    """Return a record, and its digest, for a file with new bytes and a date that imgscore set.

    Programs that write metadata keep the date of the file. Some of them write a temporary file and
    rename it, so the inode is also new. Return None if no file had this date.
    """
    if sightings.is_known(txn, digest):
        return None  # The bytes are not new.
    now_ns = time.time_ns()
    rated = [
        (rating, held_digest, held)
        for held_digest, held in originals.of_date(txn, mtime_ns)
        if held_digest != digest
        and (rating := _rate(txn, held_digest, held, path, mtime_ns, now_ns))
    ]
    before = sightings.find(txn, path)
    own = None if before is None else originals.get(txn, before.digest, path)
    if own is not None and before is not None and before.digest != digest:
        found = match(own, mtime_ns)
        if found >= Match.BEFORE:
            rated.append(((4, 0, own.touched_ns, True), before.digest, own))
        elif found in (Match.EARLIER, Match.ROUNDED):
            rated.append(((1, 0, own.touched_ns, True), before.digest, own))
    if not rated:
        return None
    _, held_digest, held = max(rated, key=lambda candidate: candidate[0])
    return held_digest, held


def _rate(
    txn: Txn, digest: bytes, held: Original, path: bytes, mtime_ns: int, now_ns: int
) -> tuple[int, int, int, bool] | None:
    """Return a rating for a record with the date of an edited file at `path`.

    The first number is 3 for the same path, 2 for a file that disappeared or that has the same date
    and a similar name, and lower for other files that still exist. The second number is the time at
    which the file was there for the last time. Next counts the time of the last touch: imgscore
    gives a date to a second file only if the first one is gone or has another date. None means that
    the record does not belong to the edited file.
    """
    if held.path == path:
        return 3, now_ns, held.touched_ns, True
    if _kind(held.path) != _kind(path):
        return None
    alike = _is_similar(held.path, path)
    seen, last = fingerprint_of(held.path), sightings.find(txn, held.path)
    is_last = last is not None and last.digest == digest and last.seen.mtime_ns == mtime_ns
    if mtime_ns != held.after_ns and not is_last and not alike:
        return None  # The file had this date only before its last touch.
    if seen is None:
        gone_ns = 0 if last is None else last.gone_ns or now_ns
        if not alike and now_ns - gone_ns > GONE_NS:
            return None
        return 2, gone_ns, held.touched_ns, alike
    if last is not None and last.digest == digest and last.seen.ino != seen.ino:
        return 2, now_ns, held.touched_ns, alike  # Another file has just replaced the file.
    if seen.mtime_ns != mtime_ns:
        return (1, now_ns, held.touched_ns, alike) if alike else None
    if alike:
        return 2, now_ns, held.touched_ns, alike
    if _has_source(path, mtime_ns):
        return None
    crowded = originals.has_dates(txn, mtime_ns - NEAR_NS, mtime_ns + NEAR_NS, MAX_NEIGHBOURS)
    return None if crowded else (0, now_ns, held.touched_ns, alike)


def _has_source(path: bytes, mtime_ns: int) -> bool:
    """Return whether a file with this date and the first part of this name is in the same folder.

    `a-edited.jpg` then is a copy of `a.jpg`, and has its date, even if imgscore happened to give
    the same date to a file with another name.
    """
    folder, stem = basename_key(path)
    ending = path[len(folder) + 1 + len(stem) :]
    sources = (folder + b"/" + stem[: end.start()] + ending for end in SEPARATOR.finditer(stem))
    dates = (seen.mtime_ns for seen in map(fingerprint_of, sources) if seen is not None)
    return mtime_ns in dates


def _kind(path: bytes) -> bytes | bool:
    """Return a value that is equal for files that can be versions of one file."""
    ending = suffix(path)
    return ending if ending in SIDECAR_SUFFIXES else True


def _is_similar(first: bytes, second: bytes) -> bool:
    """Return whether one file name begins with the other one, as in `a.jpg` and `a-1.jpg`."""
    stems = [basename_key(path)[1].lower() for path in (first, second)]
    return stems[0].startswith(stems[1]) or stems[1].startswith(stems[0])
