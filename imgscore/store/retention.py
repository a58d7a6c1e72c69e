"""What the store keeps for a while only: old touches, and where files were that are gone.

Never labels, originals or embeddings. Read in a worker; forgotten by the writer, a part at a time.
"""

from itertools import islice
from typing import NamedTuple

from imgscore.store import journal, labels, sightings, trashed_files
from imgscore.store.schema import Sighting
from imgscore.store.transaction import Txn

MAX_TOUCHES = 1_000_000
"""Touches that `undo` and `history` reach back to: 190 MB, or 10 orderings of 100,000 files."""
GONE_NS = 90 * 86_400 * 10**9
"""How long it is known where a file was that is gone: a move takes seconds."""
MAX_AT_ONCE = 50_000
"""Records named at once, so that a message stays small; the next time finds the others."""


class Expired(NamedTuple):
    """touches: numbers of the journal up to this one. sightings: paths. deletions: keys."""

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]


def find(txn: Txn, now_ns: int) -> Expired:
    """What may be forgotten."""
    before_ns = now_ns - GONE_NS
    tastes = labels.tastes(txn)
    gone = (
        one.path
        for one in sightings.iter_all(txn, gone=True)
        if _is_expired(txn, one, before_ns, tastes)
    )
    return Expired(
        _old_touches(txn),
        list(islice(gone, MAX_AT_ONCE)),
        list(islice(trashed_files.gone_before(txn, before_ns), MAX_AT_ONCE)),
    )


def forget(txn: Txn, found: Expired, now_ns: int, most: int) -> Expired:
    """Forget at most so many of each; what is left. What came back meanwhile stays."""
    left = found.touches if journal.forget_oldest(txn, found.touches, most) else 0
    tastes = labels.tastes(txn) if found.sightings else set[str]()
    for path in found.sightings[:most]:
        sighting = sightings.find(txn, path)
        if sighting is not None and _is_expired(txn, sighting, now_ns - GONE_NS, tastes):
            sightings.forget(txn, sighting)
    for key in found.trashed[:most]:
        trashed_files.forget(txn, key, now_ns - GONE_NS)
    return Expired(left, found.sightings[most:], found.trashed[most:])


def _is_expired(txn: Txn, sighting: Sighting, before_ns: int, tastes: set[str]) -> bool:
    """Gone for long, and no example: that one is known by its name too, and may be moved back."""
    return 0 < sighting.gone_ns < before_ns and not any(
        labels.current(txn, taste, sighting.digest) for taste in tastes
    )


def _old_touches(txn: Txn) -> int:
    """The last touch beyond MOST_TOUCHES; an ordering goes as a whole, for so it is undone."""
    number = journal.last_number(txn) - MAX_TOUCHES
    kept = journal.get(txn, number + 1)
    while kept is not None and (touch := journal.get(txn, number)) is not None:
        if touch.run != kept.run:
            return number
        number -= 1
    return 0
