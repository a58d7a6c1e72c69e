"""What is told: the store's logs from where they stood, in rows that stay few."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgscore.engine.events import KEPT, MAX_EACH, EventLog
from imgscore.store import journal, labels, scores
from imgscore.store.schema import EventName, LabelEvent, Touch
from imgscore.store.store import Store
from imgscore.workers.messages import Crashed, IndexFile, Interrupted, Rescore, Scored


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        yield store


def event_log(store: Store) -> EventLog:
    with store.read() as txn:
        return EventLog(store, txn)


def label(store: Store, count: int, name: EventName = "keep") -> None:
    with store.write() as txn:
        for number in range(count):
            event = LabelEvent(number, "default", bytes(32), name, "cli", b"/%d" % number)
            labels.append(txn, event)


def touch(store: Store, run: int, count: int, inbox: bytes = b"/in") -> None:
    with store.write() as txn:
        for number in range(count):
            entry = Touch(7, run, inbox, b"/%d" % number, bytes(32), 1, 2, "1", "order")
            journal.append(txn, entry)


def told(one: EventLog, since: int = 0) -> list[dict[str, Any]]:
    return one.since(since)[1]


def test_only_what_is_new_is_told_and_once(store: Store) -> None:
    label(store, 2)
    touch(store, 1, 2)
    one = event_log(store)
    assert told(one) == []
    label(store, 2, "clear")
    number, rows = one.since(0)
    assert [(row["event"], row["path"], row["label"]) for row in rows] == [
        ("label", "/0", "clear"),
        ("label", "/1", "clear"),
    ]
    assert told(one, number) == []


def test_many_labels_are_one_row(store: Store) -> None:
    one = event_log(store)
    label(store, MAX_EACH + 1)
    (row,) = told(one)
    assert (row["event"], row["keep"], row["trash"]) == ("labels", MAX_EACH + 1, 0)


def test_dates_are_told_by_run_and_inbox(store: Store) -> None:
    one = event_log(store)
    touch(store, 1, 3)
    touch(store, 1, 2, b"/other")
    touch(store, 2, 4)
    assert [(row["event"], row["inbox"], row["files"]) for row in told(one)] == [
        ("ordered", "/in", 3),
        ("ordered", "/other", 2),
        ("ordered", "/in", 4),
    ]


def test_the_oldest_are_forgotten(store: Store) -> None:
    one = event_log(store)
    for _ in range(KEPT + 10):
        one.emit("paused")
    number, rows = one.since(0)
    assert number == KEPT + 10 and len(rows) == KEPT
    one.emit("resumed")
    assert [row["event"] for row in told(one, number)] == ["resumed"]


def test_answers(store: Store) -> None:
    one = event_log(store)
    one.answered(IndexFile(b"/a", "default", None), Interrupted())  # it is looked at again
    one.answered(IndexFile(b"/\xff", "default", None), Crashed("took too long"))
    packed = bytes(scores.PACKED_SIZE)
    one.answered(Rescore("default", "2"), Scored(packed * 3, last=False))
    one.answered(Rescore("default", "2"), Scored(packed, last=True))
    failed, rescored = told(one)
    assert (failed["event"], failed["path"]) == ("failed", "/\udcff")
    assert (rescored["event"], rescored["files"]) == ("rescored", 4)
