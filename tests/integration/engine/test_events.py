"""The event log: the labels and touches since its start, in few events."""

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


def emitted(log: EventLog, since: int = 0) -> list[Event]:
    return log.since(since)[1]


def test_event_log_emits_new_labels_once(store: Store) -> None:
    label(store, 2)
    touch(store, 1, 2)
    log = event_log(store)
    assert emitted(log) == []
    label(store, 2, "clear")
    number, rows = log.since(0)
    assert [
        (type(row), row.path, row.label) for row in rows if isinstance(row, events.Labelled)
    ] == [
        (events.Labelled, "/0", "clear"),
        (events.Labelled, "/1", "clear"),
    ]
    assert emitted(log, number) == []


def test_event_log_many_labels_are_one_event(store: Store) -> None:
    log = event_log(store)
    label(store, MAX_EACH + 1)
    (row,) = emitted(log)
    assert isinstance(row, events.ManyLabelled)
    assert (row.keep, row.trash) == (MAX_EACH + 1, 0)


def test_event_log_touches_are_one_event_per_run_and_inbox(store: Store) -> None:
    log = event_log(store)
    touch(store, 1, 3)
    touch(store, 1, 2, b"/other")
    touch(store, 2, 4)
    assert emitted(log) == [
        events.Ordered(time_ns=1, inbox="/in", files=3),
        events.Ordered(time_ns=1, inbox="/other", files=2),
        events.Ordered(time_ns=2, inbox="/in", files=4),
    ]


def test_event_log_forgets_the_oldest(store: Store) -> None:
    log = event_log(store)
    for _ in range(KEPT + 10):
        log.emit(events.Paused())
    number, rows = log.since(0)
    assert number == KEPT + 10 and len(rows) == KEPT
    log.emit(events.Resumed())
    assert [type(row) for row in emitted(log, number)] == [events.Resumed]


def test_event_log_worker_answers_are_one_event_each(world: World) -> None:
    with world.engine() as engine:
        take = engine.indexer.take
        take(IndexFile(b"/a", "default", None), Interrupted())  # it is indexed again
        take(IndexFile(b"/\xff", "default", None), Crashed("took too long"))
        task, packed = Rescore("default", "2"), bytes(scores.PACKED_SIZE)
        engine.trainer.take(task, Scored(packed * 3, last=False))
        engine.trainer.take(task, Scored(packed, last=True))
        failed, rescored = emitted(engine.ctx.event_log)
    assert isinstance(failed, events.Failed) and failed.path == "/\udcff"
    assert isinstance(rescored, events.Rescored) and rescored.files == 4


def test_event_log_scoring_that_finds_no_image_is_no_event(world: World) -> None:
    with world.engine() as engine:
        task = Rescore("default", "2", inboxes=[b"/inbox"])
        assert engine.trainer.take(task, Scored(b"", last=True)) is None
        assert emitted(engine.ctx.event_log) == []
