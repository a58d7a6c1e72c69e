"""The stage that prepares the library while more labels may follow."""

import time

import numpy as np
import pytest

from imgscore.engine import library_preparer
from imgscore.engine.engine import Engine
from imgscore.engine.library_preparer import LibraryPreparer
from imgscore.engine.stage import Conditions, Effects
from imgscore.store import vectors
from imgscore.workers.library_messages import PrepareLibrary
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


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_preparer, "MIN_IMAGES", 50)


def test_library_preparer_prepares_once_after_a_label(world: World) -> None:
    with world.engine() as engine:
        stage, now = stage_of(engine), Conditions(time.monotonic())
        add_images(engine, 0, 60)
        stage.advance(now)
        assert stage.next_time(now) is None and not prepared(world), "no label has changed"
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
