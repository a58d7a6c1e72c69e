"""Finds the comparisons that an undo withdraws, and makes the events that withdraw them.

An undo logs one event with the source "undo" for each event that it withdraws. The log itself is
never changed.
"""

from collections import Counter
from collections.abc import Collection, Iterator

import msgspec

from imgscore.store import comparisons
from imgscore.store.comparisons import ComparisonEvent
from imgscore.store.transaction import Txn


def in_force(txn: Txn) -> Iterator[tuple[int, ComparisonEvent]]:
    """Yield (number, event) for each event that was not undone, newest first.

    Each event with the source "undo" withdraws one older event of its pair. A pair can have several
    events that were not undone: the first of them gives the answer of the pair.
    """
    undone: Counter[tuple[str, frozenset[bytes]]] = Counter()
    for number, event in comparisons.newest_first(txn):
        pair = pair_of(event)
        if event.source == "undo":
            undone[pair] += 1
        elif undone[pair]:
            undone[pair] -= 1
        else:
            yield number, event


def last_together(txn: Txn) -> list[tuple[int, ComparisonEvent]]:
    """Return the newest events that were not undone and that were logged together, newest first.

    One choice among four images logs three events together.
    """
    last: list[tuple[int, ComparisonEvent]] = []
    for number, event in in_force(txn):
        if last and (event.time_ns, event.taste) != (last[0][1].time_ns, last[0][1].taste):
            break
        last.append((number, event))
    return last


def withdrawals(txn: Txn, numbers: Collection[int], time_ns: int) -> dict[int, ComparisonEvent]:
    """Return the event that withdraws each of the events `numbers`.

    The new event gives the pair the answer that it had before. An event is left out if it was
    undone before, or if the pair has a later answer. `time_ns`: the time of the new events.
    """
    found: dict[int, ComparisonEvent] = {}
    waiting: dict[tuple[str, frozenset[bytes]], int] = {}
    seen: set[tuple[str, frozenset[bytes]]] = set()
    oldest = min(numbers, default=0)
    for number, event in in_force(txn):
        pair = pair_of(event)
        if pair in waiting:
            before = msgspec.structs.replace(event, time_ns=time_ns, source="undo")
            found[waiting.pop(pair)] = before
        elif number in numbers and pair not in seen:
            waiting[pair] = number
            found[number] = msgspec.structs.replace(
                event, time_ns=time_ns, source="undo", answer="clear"
            )
        seen.add(pair)
        if number <= oldest and not waiting:
            break
    return found


def pair_of(event: ComparisonEvent) -> tuple[str, frozenset[bytes]]:
    """Return a key that is equal for all events of one pair in one taste."""
    return event.taste, frozenset((event.first, event.second))
