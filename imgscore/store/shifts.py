"""The shifts: changes by which other programs moved the dates of many files alike.

A FAT disk shows other dates after a change of the time zone. A program can correct the clock of a
camera for many files. Such a change is not the user's wish for each of these files. A shift is
found by comparing the dates that changed within the last hour (`WINDOW_NS`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from imgscore.store.schema import ForeignDate, pack
from imgscore.store.transaction import Txn

# The largest age of a foreign date that is compared with new ones, in nanoseconds. A daemon finds
# the files of a shifted folder one after the other, and it may be stopped in between.
WINDOW_NS = 3_600 * 10**9
# The largest number of foreign dates that are kept. Comparing them takes a millisecond.
MAX_FOREIGN = 1_000
# The smallest number of files that were moved alike in a shift. Two equal differences can be a
# coincidence, because both old and new dates may be full hours apart.
MIN_FILES = 3
# The largest number of shifts that are kept. Each one makes it a little more likely that a date of
# the user looks like a shifted date.
MAX_SHIFTS = 16
# A change of the time zone moves dates by a multiple of a quarter of an hour, and by at most 14
# hours. Such a difference from a date of imgscore is a shift, even if only one file has it.
QUARTER_NS = 900 * 10**9
MAX_ZONE_NS = 14 * 3_600 * 10**9

_decoder = msgspec.msgpack.Decoder(ForeignDate)
_KEY_BYTES = 9


class Shifts(NamedTuple):
    """The known shifts.

    `known`: the differences in nanoseconds. `given`: dates that the user gave to several files
    which had different dates. Such a date is never a shifted date. `zones`: whether a change of the
    time zone may be assumed for a single file. `recent`: the known shifts of the last hour.
    """

    known: frozenset[int] = frozenset()
    given: frozenset[int] = frozenset()
    zones: bool = True
    recent: frozenset[int] = frozenset()

    def is_known(self, delta_ns: int, date_ns: int) -> bool:
        """Return whether many files were moved by this difference, or back.

        `date_ns`: the date after the change.
        """
        return date_ns not in self.given and (delta_ns in self.known or -delta_ns in self.known)

    def is_recent(self, delta_ns: int, date_ns: int) -> bool:
        """Return whether many files were moved by this difference within the last hour."""
        return date_ns not in self.given and delta_ns in self.recent

    def explains(self, delta_ns: int, date_ns: int) -> bool:
        """Return whether a date was moved by a known shift or by a change of the time zone."""
        is_zone = delta_ns % QUARTER_NS == 0 and 0 < abs(delta_ns) <= MAX_ZONE_NS
        return (self.zones and is_zone and date_ns not in self.given) or self.is_known(
            delta_ns, date_ns
        )


NO_SHIFTS = Shifts()


def find(changes: Sequence[ForeignDate], stored: frozenset[int] = frozenset()) -> Shifts:
    """Return the shifts among changed dates. `changes`: the changed dates, the last one last.

    A difference is a shift if at least MIN_FILES files have it, and at least half of the files that
    changed since the first of these files. Files with one common date count as one file: they may
    be hard links, or copies to which the user gave one date. `stored`: the differences of earlier
    shifts.
    """
    dates = {(change.date_ns, change.delta_ns): change for change in changes}.values()
    deltas = Counter[int]()
    recent = set()
    for number, change in enumerate(reversed(dates), 1):
        deltas[change.delta_ns] += 1
        if deltas[change.delta_ns] >= max(MIN_FILES, (number + 1) // 2):
            recent.add(change.delta_ns)
    known = stored | recent
    return Shifts(known, _given(list(dates), known), recent=frozenset(recent))


def _given(changes: Sequence[ForeignDate], known: frozenset[int]) -> frozenset[int]:
    """Return the dates that the user gave to several files. `known`: the differences of shifts."""
    deltas: dict[int, set[int]] = {}
    shifted = Counter[int]()
    for change in reversed(changes):
        several = deltas.setdefault(change.date_ns, set())
        if change.delta_ns in known:
            shifted[change.delta_ns] += 1
        elif any(shifted[delta] >= MIN_FILES for delta in several & known):
            continue  # After the user gave this date, a shift moved another file to it.
        several.add(change.delta_ns)
    return frozenset(
        date for date, several in deltas.items() if len(several) > 1 and several - known
    )


def load(txn: Txn) -> Shifts:
    """Return the shifts that were recorded."""
    return Shifts(frozenset(_delta(key) for key, _ in txn.table("shifts").scan()))


def observe(
    txn: Txn, changes: Iterable[ForeignDate], now_ns: int
) -> tuple[Shifts, list[ForeignDate]]:
    """Record changed dates, and return the shifts and the earlier changes that they concern.

    The earlier changes were recorded before it was clear whether they belong to a shift.
    """
    table = txn.table("foreign_dates")
    recent = [(key, _decoder.decode(value)) for key, value in table.scan()]
    for key, change in recent:
        if not 0 <= now_ns - change.time_ns <= WINDOW_NS:
            table.delete(key)
    earlier = [change for _, change in recent if 0 <= now_ns - change.time_ns <= WINDOW_NS]
    new = list(changes)
    for change in new:
        table.append(pack(change))
    for key, _ in list(table.scan())[:-MAX_FOREIGN]:
        table.delete(key)
    stored = load(txn).known
    found = find([*earlier, *new], stored)
    for delta in found.known - stored:
        _record(txn, delta, now_ns)
    return found, earlier


def _record(txn: Txn, delta_ns: int, now_ns: int) -> None:
    table = txn.table("shifts")
    table.put(_key(delta_ns), now_ns.to_bytes(8, "big"))
    oldest = sorted(table.scan(), key=lambda entry: entry[1])[:-MAX_SHIFTS]
    for key, _ in oldest:
        table.delete(key)


def _key(delta_ns: int) -> bytes:
    return delta_ns.to_bytes(_KEY_BYTES, "big", signed=True)


def _delta(key: bytes) -> int:
    return int.from_bytes(key, "big", signed=True)
