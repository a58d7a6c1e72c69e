"""The stage that prepares the library and its rows, after a scan and while labels follow."""

import time

import numpy as np
import pytest

from imgscore.engine import library_preparer
from imgscore.engine.engine import Engine
from imgscore.engine.library_preparer import QUIET_SECONDS, LibraryPreparer
from imgscore.engine.stage import Conditions, Effects
from imgscore.store import vectors
from imgscore.workers.library_messages import (
    LibraryPrepared,
    PrepareLibrary,
    PrepareRows,
    RowsPrepared,
)
from imgscore.workers.messages import Refused
from tests.integration.engine.conftest import World

LABELS = Effects(relearn={"default"})


def stage_of(engine: Engine) -> LibraryPreparer:
    return next(stage for stage in engine.stages if isinstance(stage, LibraryPreparer))


def add_images(engine: Engine, first: int, count: int) -> None:
    row = np.zeros(engine.ctx.embedder.dim, np.float16).tobytes()
    pairs = [(number.to_bytes(32, "big"), row) for number in range(first, first + count)]
    engine.ctx.store.commit(lambda txn: vectors.append(txn, engine.ctx.embedder.id, pairs))


def prepared(world: World) -> int:
    return sum(isinstance(task, PrepareLibrary) for task in world.pool.done)


def parts(world: World) -> int:
    return sum(isinstance(task, PrepareRows) for task in world.pool.done)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_preparer, "MIN_IMAGES", 50)


def test_library_preparer_prepares_once_after_a_label(world: World) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), Conditions(time.monotonic(), reconciled=True)
        add_images(engine, 0, 60)
        stage.advance(now)
        assert not prepared(world), "no label has changed"
        stage.receive(LABELS)
        assert stage.next_time(now) == now.now
        stage.advance(now)
        stage.receive(LABELS)
        stage.advance(now)
        assert prepared(world) == 1 and stage.next_time(now) is None


def test_library_preparer_prepares_again_after_new_images_or_a_day(world: World) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), time.monotonic()
        add_images(engine, 0, 60)
        for images, seconds, count in ((0, 0, 1), (1, 1, 1), (2, 2, 2), (0, 3, 2), (0, 86400, 3)):
            add_images(engine, 1000 + seconds, images)
            stage.receive(LABELS)
            stage.advance(Conditions(now + seconds))
            assert prepared(world) == count


@pytest.mark.parametrize(
    "conditions",
    [
        {"paused": True},
        {"saving": True},
        {"teaching": True},
        {"reembedded": False},
    ],
)
def test_library_preparer_waits_as_a_training_does(
    world: World, conditions: dict[str, bool]
) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), time.monotonic()
        add_images(engine, 0, 60)
        stage.receive(LABELS)
        stage.advance(Conditions(now, **conditions))
        assert stage.next_time(Conditions(now, **conditions)) is None and not prepared(world)
        stage.advance(Conditions(now))
        assert prepared(world) == 1


def test_library_preparer_of_a_small_library_sends_no_task(world: World) -> None:
    with world.engine() as engine:
        add_images(engine, 0, 49)
        stage, now = stage_of(engine), Conditions(time.monotonic())
        stage.receive(LABELS)
        stage.advance(now)
        assert not prepared(world) and stage.next_time(now) is None


def test_library_preparer_without_labels_prepares_when_no_more_images_come(world: World) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), time.monotonic()
        for number, seconds in enumerate((0.0, 15.0)):
            add_images(engine, 60 * number, 60)
            stage.advance(Conditions(now + seconds, reconciled=True))
            quiet = now + seconds + QUIET_SECONDS
            assert stage.next_time(Conditions(now + seconds, reconciled=True)) == quiet
        stage.advance(Conditions(now + QUIET_SECONDS, reconciled=True))
        assert not prepared(world)
        for busy in ({"indexing": True, "reconciled": True}, {"reconciled": False}):
            stage.advance(Conditions(quiet, **busy))
            assert not prepared(world) and stage.next_time(Conditions(quiet, **busy)) is None
        stage.advance(Conditions(quiet, reconciled=True))
        assert prepared(world) == 1 and stage.next_time(Conditions(quiet, reconciled=True)) is None


def test_library_preparer_prepares_rows_until_none_is_left(world: World) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), Conditions(time.monotonic(), reconciled=True)
        stage.take(PrepareLibrary(), LibraryPrepared())
        for more in (True, True, False):
            assert stage.next_time(now) == now.now
            stage.advance(now)
            assert stage.next_time(now) is None, "the task has no answer yet"
            stage.take(PrepareRows(), RowsPrepared(more))
        stage.advance(now)
        assert parts(world) == 3 and stage.next_time(now) is None


@pytest.mark.parametrize("busy", [{"indexing": True}, {"reconciled": False}, {"saving": True}])
def test_library_preparer_while_files_wait_prepares_no_rows(
    world: World, busy: dict[str, bool]
) -> None:
    with world.engine() as engine:
        stage = stage_of(engine)
        stage.take(PrepareLibrary(), LibraryPrepared())
        conditions = Conditions(time.monotonic(), **{"reconciled": True, **busy})
        stage.advance(conditions)
        assert not parts(world) and stage.next_time(conditions) is None


def test_library_preparer_after_a_failed_part_leaves_the_rows_to_the_scoring(world: World) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), Conditions(time.monotonic(), reconciled=True)
        stage.take(PrepareLibrary(), LibraryPrepared())
        stage.advance(now)
        stage.take(PrepareRows(), Refused("the disk failed", "check the disk"))
        stage.advance(now)
        assert parts(world) == 1 and stage.next_time(now) is None


def test_library_preparer_of_a_store_with_a_head_waits_for_new_images(world: World) -> None:
    with world.engine() as engine:
        add_images(engine, 0, 100)
    with world.engine() as engine:
        stage, now = stage_of(engine), time.monotonic()
        later = Conditions(now + QUIET_SECONDS, reconciled=True)
        for images, count in ((0, 0), (2, 0), (3, 1)):
            add_images(engine, 1000 * (images + 1), images)
            stage.advance(Conditions(now, reconciled=True))
            stage.advance(later)
            assert prepared(world) == count
