"""The originals: the dates (mtimes) that files had before imgscore touched them.

An original is written before the first touch of its file, and it is never deleted. A record
contains an original, and the dates that imgscore set in its place. The present record of a file is
stored by the digest and the path of the file. If the user sets another date, the record is set
aside: its key then also contains the original. A record that was set aside is used again if its
file gets one of its dates again, for example from a backup. reconcile/identity.py finds the record
of a file.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from imgscore.store import journal
from imgscore.store.checksums import DamagedRecordError
from imgscore.store.schema import (
    DIGEST_SIZE,
    EARLIEST_NS,
    LATEST_NS,
    FileAt,
    Original,
    Touch,
    pack,
    path_key,
)
from imgscore.store.transaction import Txn

# The upper limit for the rounding error of a date, in nanoseconds. FAT stores dates in steps of two
# seconds. exFAT, SMB and archives do not store the nanoseconds.
TOLERANCE_NS = 2 * 10**9
# The largest number of dates in `Original.dates`. The limit keeps a record below 17 kB. A file that
# is touched ten times a day reaches it after a year.
MAX_DATES = 4_096
# The largest number of dates in `Original.earlier`. imgscore itself sets only whole seconds, so
# these dates are rare.
MAX_EARLIER = 8
_SECOND = 10**9
_SECOND_BYTES = 4
# Keys of the table `dates` begin with a date as an unsigned number. The number is the date plus
# this value, because dates before 1970 are negative.
_BIAS = 1 << 63
_DATE_BYTES = 9


class _Path(msgspec.Struct, array_like=True, frozen=True):
    """The part of an Original that contains only the path.

    Decoding only the path is faster than decoding an Original.
    """

    path: bytes


_decoder = msgspec.msgpack.Decoder(Original)
_path = msgspec.msgpack.Decoder(_Path)


# ---- records


def record(txn: Txn, digest: bytes, original: Original) -> None:
    """Write the present original of a file."""
    replace(txn, digest, get(txn, digest, original.path), original)


def replace(txn: Txn, digest: bytes, present: Original | None, original: Original) -> None:
    """Write `original` in place of `present`, the present original of the file as it is stored."""
    table, key = txn.table("originals"), digest + path_key(original.path)
    known = set() if present is None else _current_dates(present)
    table.put(key, pack(original))
    dates, current = txn.table("dates"), _current_dates(original)
    for date in known - current:
        dates.delete(_date_key(date) + key)
    for date in current - known:
        dates.put(_date_key(date) + key, b"")


class TouchedRecord(NamedTuple):
    """The records of one file after a touch, as they must be written.

    key, value: the key and the value in the table `originals`. dates: the changes of the table
    `dates`; None as the value deletes a key.
    """

    key: bytes
    value: bytes
    dates: dict[bytes, bytes | None]


def touched_record(key: bytes, present: Original | None, original: Original) -> TouchedRecord:
    """Return the writes that put `original` in place of `present`, without making them.

    `present`: None if the file has no record under this digest and path.
    """
    # Sets of the dates would take a third of the time of a touch.
    first_ns, before_ns, after_ns = original.original_ns, original.before_ns, original.after_ns
    old = () if present is None else (present.before_ns, present.after_ns)
    dates: dict[bytes, bytes | None] = {}
    for date in old:
        if date not in (before_ns, after_ns, first_ns):
            dates[_date_key(date) + key] = None
    if after_ns != first_ns and after_ns not in old:
        dates[_date_key(after_ns) + key] = b""
    if before_ns not in (first_ns, after_ns) and before_ns not in old:
        dates[_date_key(before_ns) + key] = b""
    return TouchedRecord(key, pack(original), dates)


def repeat(txn: Txn, touch: Touch) -> None:
    """Write the original of a touch again, after a crash. A damaged record is left as it is."""
    digest, path = touch.digest, touch.path
    try:
        held = get(txn, digest, path)
    except DamagedRecordError:
        return
    if held is None or (held.before_ns, held.after_ns) != (touch.before_ns, touch.after_ns):
        held = touched(held, path, touch.before_ns, touch.after_ns)
        record(txn, digest, held)
    for date in _current_dates(held):
        txn.table("dates").put(_date_key(date) + digest + path_key(path), b"")


def set_aside(txn: Txn, digest: bytes, original: Original) -> None:
    """Set a record aside: the file at its path has no date of this record now."""
    _remove(txn, digest + path_key(original.path), original)
    table, key = txn.table("originals"), _aside_key(digest, original)
    value = table.get(key)
    kept = original if value is None else _merged(_decoder.decode(value), original)
    table.put(key, pack(kept))


def put_present(
    txn: Txn, digest: bytes, original: Original, source: Original | None = None
) -> None:
    """Write the present record of a file. Set the record aside that the file had before.

    `source`: the record of the same digest that `original` replaces. It may be set aside, or have
    another path. None means that no record is replaced, because the file is a copy.
    """
    present = get(txn, digest, original.path)
    if present is not None and present != source:
        set_aside(txn, digest, present)
    if source is not None:
        table, key = txn.table("originals"), _aside_key(digest, source)
        value = table.get(key)
        if value is not None:
            original = _merged(_decoder.decode(value), original)
            table.delete(key)
        if source.path != original.path and get(txn, digest, source.path) == source:
            # A backup may bring the file back under its old path.
            set_aside(txn, digest, source)
    record(txn, digest, original)


def _remove(txn: Txn, key: bytes, original: Original) -> None:
    txn.table("originals").delete(key)
    for date in _current_dates(original):
        txn.table("dates").delete(_date_key(date) + key)


def _aside_key(digest: bytes, original: Original) -> bytes:
    return digest + path_key(b"%b\0%d" % (original.path, original.original_ns))


def _merged(first: Original, second: Original) -> Original:
    """Return `second` with the dates of both records."""
    dates = _all_dates(first) | _all_dates(second)
    return _with_dates(second, dates, second.before_ns, second.after_ns)


def get(txn: Txn, digest: bytes, path: bytes) -> Original | None:
    """Return the present original that is stored for this digest and path.

    None means that there is no original.
    """
    value = txn.table("originals").get(digest + path_key(path))
    return None if value is None else _decoder.decode(value)


def getter(txn: Txn) -> Callable[[bytes], Original | None]:
    """Return a function that returns the present original at a key. It is faster than `get`.

    The key is a digest followed by the path key of a file.
    """
    get_value, decode = txn.table("originals").getter(), _decoder.decode

    def get_original(key: bytes) -> Original | None:
        value = get_value(key, b"")
        return decode(value) if value else None

    return get_original


def of_digest(txn: Txn, digest: bytes) -> list[Original]:
    """Return all originals of a digest. The originals that were set aside come last."""
    found = [
        (key != digest + path_key(original.path), original)
        for key, value in txn.table("originals").scan(digest)
        if (original := _decoder.decode(value))
    ]
    return [original for _, original in sorted(found, key=lambda pair: pair[0])]


def iter_all(txn: Txn) -> Iterator[tuple[bytes, Original]]:
    """Yield (digest, original) for each file that has an original.

    The originals that were set aside are also yielded. Damaged records are left out.
    """
    for key, value in txn.table("originals").scan_undamaged():
        yield key[:DIGEST_SIZE], _decoder.decode(value)


def iter_present(txn: Txn) -> Iterator[tuple[bytes, Original]]:
    """Yield (digest, original) for each original that was not set aside.

    Damaged records are left out.
    """
    for key, value in txn.table("originals").scan_undamaged():
        if key[DIGEST_SIZE:] == path_key(_path.decode(value).path):
            yield key[:DIGEST_SIZE], _decoder.decode(value)


def touched_files(txn: Txn) -> Iterator[FileAt]:
    """Yield all files that have an original. This takes a third of the time of `iter_all`.

    A file with several originals is yielded several times.
    """
    for key, value in txn.table("originals").scan_undamaged():
        yield FileAt(key[:DIGEST_SIZE], _path.decode(value).path)


# ---- the index of records by their present dates


def of_date(txn: Txn, date_ns: int) -> Iterator[tuple[bytes, Original]]:
    """Yield (digest, original) for each present record whose last touch set this date."""
    if not EARLIEST_NS <= date_ns <= LATEST_NS:
        return
    for key, _ in txn.table("dates").scan(_date_key(date_ns)):
        value = txn.table("originals").get(key[_DATE_BYTES:])
        original = None if value is None else _decoder.decode(value)
        # After a crash, the index can still contain an earlier date.
        if original is not None and date_ns in _current_dates(original):
            yield key[_DATE_BYTES : _DATE_BYTES + DIGEST_SIZE], original


def date_prefix(date_ns: int) -> bytes:
    """Return the bytes with which the keys of all records of a date begin in the table `dates`."""
    return _date_key(min(max(date_ns, EARLIEST_NS), LATEST_NS))


def has_dates(txn: Txn, first_ns: int, last_ns: int, count: int) -> bool:
    """Return whether at least `count` files have a date of imgscore between two dates."""
    table, key, last = txn.table("dates"), _date_key(first_ns), _date_key(last_ns)
    for _ in range(count):
        entry = table.first_from(key)
        if entry is None or entry[0][:_DATE_BYTES] > last:
            return False
        key = entry[0] + b"\0"
    return True


def is_indexed(txn: Txn) -> bool:
    """Return whether the index by date exists. Older versions of imgscore did not write it."""
    return bool(len(txn.table("dates"))) or not len(txn.table("originals"))


def index_dates(txn: Txn) -> None:
    """Write the index of records by date, after an older version of imgscore wrote the store.

    The dates that are only in the journal are added to the records.
    """
    for digest, original in list(iter_present(txn)):
        for date in _current_dates(original):
            txn.table("dates").put(_date_key(date) + digest + path_key(original.path), b"")
    for _, touch in journal.newest_first(txn):
        held = get(txn, touch.digest, touch.path)
        dates = {touch.before_ns, touch.after_ns}
        if held is not None and not all(belongs(held, date) for date in dates):
            record(txn, touch.digest, _with_dates(held, dates, held.before_ns, held.after_ns))


def _current_dates(original: Original) -> set[int]:
    """Return the two dates of the last touch, without the original."""
    return {original.before_ns, original.after_ns} - {original.original_ns}


def _date_key(date_ns: int) -> bytes:
    return (date_ns + _BIAS).to_bytes(_DATE_BYTES, "big")


# ---- the dates of a record


def touched(original: Original | None, path: bytes, before_ns: int, after_ns: int) -> Original:
    """Return the original that must be stored before a touch of the file at `path`.

    `original`: the original that is already stored, or None. `before_ns`, `after_ns`: the dates
    before and after the touch.
    """
    now_ns = time.time_ns()
    if original is None:
        return Original(path, before_ns, before_ns, after_ns, touched_ns=now_ns)
    if before_ns == original.after_ns:
        # Nearly every touch follows the last one. The general code below takes twice as long.
        dates = _with_second(original, original.before_ns, after_ns)
        if dates is not None:
            first_ns, earlier = original.original_ns, original.earlier
            return Original(path, first_ns, before_ns, after_ns, earlier, dates, now_ns)
    moved = msgspec.structs.replace(original, path=path, touched_ns=now_ns)
    added = {original.before_ns, original.after_ns}
    return _with_dates(moved, added, before_ns, after_ns)


def _with_second(original: Original, date: int, after_ns: int) -> bytes | None:
    """Return `original.dates` with one more date, or None if `dates` cannot contain this date.

    `after_ns`: a date that is not added, because it is the present one.
    """
    packed = original.dates
    if date in (original.original_ns, original.after_ns, after_ns):
        return packed
    second, rest = divmod(date, _SECOND)
    if rest or not 0 <= second < 1 << 8 * _SECOND_BYTES:
        return None
    if second not in memoryview(packed).cast("I"):
        packed += second.to_bytes(_SECOND_BYTES, sys.byteorder)
    return packed[-MAX_DATES * _SECOND_BYTES :]


def _with_dates(original: Original, dates: set[int], before_ns: int, after_ns: int) -> Original:
    """Return a record with new dates of the last touch, and with these additional other dates."""
    earlier, packed = original.earlier, original.dates
    known = memoryview(packed).cast("I")
    for date in sorted(dates - {original.original_ns, before_ns, after_ns}):
        second, rest = divmod(date, _SECOND)
        if rest or not 0 <= second < 1 << 8 * _SECOND_BYTES:
            earlier = [*(other for other in earlier if other != date), date][-MAX_EARLIER:]
        elif second not in known:
            packed += second.to_bytes(_SECOND_BYTES, sys.byteorder)
    return msgspec.structs.replace(
        original,
        before_ns=before_ns,
        after_ns=after_ns,
        earlier=earlier,
        dates=packed[-MAX_DATES * _SECOND_BYTES :],
    )


def _all_dates(original: Original) -> set[int]:
    return {
        original.before_ns,
        original.after_ns,
        *original.earlier,
        *(second * _SECOND for second in memoryview(original.dates).cast("I")),
    }


def had(original: Original, mtime_ns: int) -> bool:
    """Return whether imgscore set exactly the date `mtime_ns` before the last touch."""
    second, rest = divmod(mtime_ns, _SECOND)
    if mtime_ns in original.earlier:
        return True
    return not rest and second in memoryview(original.dates).cast("I")


def is_ours(original: Original, mtime_ns: int) -> bool:
    """Return whether the dates in `original` show that imgscore set `mtime_ns`.

    The file system may have rounded `mtime_ns`.
    """
    dates = {original.before_ns, original.after_ns} - {original.original_ns}
    # imgscore sets whole seconds, so only such a date can have been rounded.
    return had(original, mtime_ns) or any(
        date == mtime_ns or (date % _SECOND == 0 and near(date, mtime_ns)) for date in dates
    )


def belongs(original: Original, mtime_ns: int) -> bool:
    """Return whether `mtime_ns` is a date that imgscore set, or the date before the first touch."""
    return is_ours(original, mtime_ns) or near(original.original_ns, mtime_ns)


def near(ours_ns: int, mtime_ns: int) -> bool:
    """Return whether `mtime_ns` is the date `ours_ns`, exactly or after rounding.

    `ours_ns`: a date that an Original contains. `mtime_ns`: the date that the file system returned.
    Some file systems round dates.
    """
    return ours_ns == mtime_ns or (
        # A rounded date is a whole number of seconds. A date with a fraction of a second was not
        # rounded, so another program set it.
        mtime_ns % _SECOND == 0 and abs(ours_ns - mtime_ns) < TOLERANCE_NS
    )
