"""What is told: the store's logs from where they stood, in rows that stay few."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore import events
from imgscore.engine.events import KEPT, MAX_EACH, EventLog
from imgscore.events import Event
from imgscore.store import journal, labels, scores
from imgscore.store.schema import EventName, LabelEvent, Touch
from imgscore.store.store import Store
from imgscore.workers.messages import Crashed, IndexFile, Interrupted, Rescore, Scored
from tests.integration.engine.conftest import World


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


def told(one: EventLog, since: int = 0) -> list[Event]:
    return one.since(since)[1]


def test_only_what_is_new_is_told_and_once(store: Store) -> None:
    label(store, 2)
    touch(store, 1, 2)
    one = event_log(store)
    assert told(one) == []
    label(store, 2, "clear")
    number, rows = one.since(0)
    assert [
        (type(row), row.path, row.label) for row in rows if isinstance(row, events.Labelled)
    ] == [
        (events.Labelled, "/0", "clear"),
        (events.Labelled, "/1", "clear"),
    ]
    assert told(one, number) == []


def test_many_labels_are_one_row(store: Store) -> None:
    one = event_log(store)
    label(store, MAX_EACH + 1)
    (row,) = told(one)
    assert isinstance(row, events.ManyLabelled)
    assert (row.keep, row.trash) == (MAX_EACH + 1, 0)


def test_dates_are_told_by_run_and_inbox(store: Store) -> None:
    one = event_log(store)
    touch(store, 1, 3)
    touch(store, 1, 2, b"/other")
    touch(store, 2, 4)
    assert told(one) == [
        events.Ordered(time_ns=1, inbox="/in", files=3),
        events.Ordered(time_ns=1, inbox="/other", files=2),
        events.Ordered(time_ns=2, inbox="/in", files=4),
    ]


def test_the_oldest_are_forgotten(store: Store) -> None:
    one = event_log(store)
    for _ in range(KEPT + 10):
        one.emit(events.Paused())
    number, rows = one.since(0)
    assert number == KEPT + 10 and len(rows) == KEPT
    one.emit(events.Resumed())
    assert [type(row) for row in told(one, number)] == [events.Resumed]


def test_event_log_worker_answers_are_one_row_each(world: World) -> None:
    with world.engine() as engine:
        take = engine.indexer.take
        take(IndexFile(b"/a", "default", None), Interrupted())  # it is indexed again
        take(IndexFile(b"/\xff", "default", None), Crashed("took too long"))
        task, packed = Rescore("default", "2"), bytes(scores.PACKED_SIZE)
        engine.trainer.take(task, Scored(packed * 3, last=False))
        engine.trainer.take(task, Scored(packed, last=True))
        failed, rescored = told(engine.ctx.event_log)
    assert isinstance(failed, events.Failed) and failed.path == "/\udcff"
    assert isinstance(rescored, events.Rescored) and rescored.files == 4
