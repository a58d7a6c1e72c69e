"""The tasks that prepare the order of a large library, and score it."""

from collections.abc import Iterator

import pytest

from imgscore.engine import order_preparation
from imgscore.engine.engine import Engine
from imgscore.store import scores, vectors
from imgscore.workers.messages import Rescore, Task, Train
from imgscore.workers.order_messages import PrepareOrder
from imgscore.workers.process import NoWorkerError
from tests.integration.engine.conftest import World, until


def train(engine: Engine, monkeypatch: pytest.MonkeyPatch, cpus: int) -> None:
    state = engine.trainer.tastes["default"]
    monkeypatch.setattr(order_preparation, "cpus", lambda: cpus)
    monkeypatch.setattr(type(state), "missing", "")
    state.due = 0.0
    until(engine, lambda: state.due is None and not engine.ctx.pool.busy)


def sent(world: World) -> list[Task]:
    return [task for task in world.pool.done if isinstance(task, Train | PrepareOrder | Rescore)]


@pytest.mark.parametrize(("limit", "cpus"), [(0, 2), (0, 1), (100, 2)])
def test_train_prepares_the_order_of_a_large_library_with_another_cpu(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int, cpus: int
) -> None:
    monkeypatch.setattr(order_preparation, "LARGE_LIBRARY", limit)
    world.put("a.jpg", "0.9 0.1")
    with world.engine() as engine:
        world.settle(engine)
        train(engine, monkeypatch, cpus)
        tasks = sent(world)
        watches = engine.ctx.watches.all
    assert isinstance(tasks[0], Train)
    prepared = [task for task in tasks if isinstance(task, PrepareOrder)]
    assert prepared == ([PrepareOrder(list(watches), [])] if (limit, cpus) == (0, 2) else [])


@pytest.fixture
def engine(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with one file, which counts as a large library."""
    monkeypatch.setattr(order_preparation, "LARGE_LIBRARY", 0)
    world.put("a.jpg", "0.9 0.1")
    with world.engine() as engine:
        world.settle(engine)
        yield engine


def test_train_prepares_the_order_after_the_deferred_writes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred = engine.ctx.store.deferred
    deferred.add(1, {"dates": {b"key": b""}}, b"")
    submit = engine.ctx.pool.submit
    empty: dict[type, bool] = {}

    def observe(task: Task) -> bool:
        empty[type(task)] = deferred.is_empty
        return submit(task)

    monkeypatch.setattr(engine.ctx.pool, "submit", observe)
    train(engine, monkeypatch, 2)
    until(engine, lambda: PrepareOrder in empty)
    assert empty == {Train: False, PrepareOrder: True}


def test_train_while_the_order_worker_is_busy_prepares_the_order_later(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may plan the order that labels before the training have caused."""
    state = engine.trainer.tastes["default"]
    monkeypatch.setattr(order_preparation, "cpus", lambda: 2)
    monkeypatch.setattr(type(state), "missing", "")
    world.pool.refuses = ("PrepareOrder", "Train")
    state.is_prepared = False
    engine.step(0.0)
    engine.step(0.0)
    assert sent(world) == [] and not state.is_prepared
    world.pool.refuses = ("Train",)
    engine.step(0.0)
    engine.step(0.0)
    assert [type(task) for task in sent(world)] == [PrepareOrder] and state.is_prepared


def test_train_without_a_second_worker_is_no_problem(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = engine.ctx.pool.submit

    def refuse(task: Task) -> bool:
        if isinstance(task, PrepareOrder):
            raise NoWorkerError("no worker can be started: no memory", "end programs")
        return submit(task)

    monkeypatch.setattr(engine.ctx.pool, "submit", refuse)
    train(engine, monkeypatch, 2)
    assert not engine.ctx.problems


@pytest.mark.parametrize("limit", [0, 100])
def test_rescore_a_worker_lists_the_images_of_a_large_library(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(order_preparation, "LARGE_LIBRARY", limit)
    world.put("a.jpg", "0.9 0.1")
    with world.engine() as engine:
        world.settle(engine)
        with engine.ctx.store.write() as txn:
            (key, _), *_ = txn.table("scores").scan()
            digest = key[-32:]
            scores.forget(txn, "default", "1")
            vectors.append(txn, engine.ctx.embedder.id, [(digest, bytes(2560))])
        task = order_preparation.rescore_task(engine.ctx, "default", "1")
        inbox = engine.ctx.watches.all[0].inbox
        expected = Rescore("default", "1", [digest], []) if limit else None
        assert task == (expected or Rescore("default", "1", inboxes=[inbox]))
        engine.ctx.store.commit(
            lambda txn: scores.record(txn, "default", "1", scores.pack(digest, 0.5, 0.1))
        )
        assert order_preparation.rescore_task(engine.ctx, "default", "1") is None
