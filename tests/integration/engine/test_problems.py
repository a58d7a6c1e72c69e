"""An error of one stage stops only this stage, for a while, and the status says why."""

import math
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import lmdb
import pytest

from imgscore.engine import problems
from imgscore.engine.engine import Engine
from imgscore.engine.stage import AnyStage
from imgscore.errors import CorruptStoreError, ImgscoreError, StoreError
from imgscore.events import Problem
from imgscore.store import scores, store, vectors
from imgscore.verbs import registry
from imgscore.verbs.status import status
from imgscore.workers import plan_inbox
from imgscore.workers.messages import Crashed, IndexFile, ModelUnavailable, Rescore, Task, Train
from imgscore.workers.pool import NoWorkerError
from tests.integration.engine.conftest import World, ask, until, until_idle


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(problems, "MAX_RETRY_SECONDS", 0.02)


@pytest.fixture
def ordered(world: World) -> Iterator[Engine]:
    """An engine with four files in order."""
    for number in range(4):
        world.put(f"{number}.png", 4 - number)
    with world.engine() as engine:
        world.settle(engine)
        yield engine


def failing(
    monkeypatch: pytest.MonkeyPatch, stage: AnyStage, method: str, error: Exception
) -> Callable[[], None]:
    """Let a method of a stage raise an error; call the result to let it work again."""

    def fail(*_: object) -> Any:
        raise error

    real = getattr(stage, method)
    monkeypatch.setattr(stage, method, fail)
    return lambda: monkeypatch.setattr(stage, method, real)


DEFECTS = [KeyError(b"\xff"), MemoryError(), OSError(5)]


@pytest.mark.parametrize("error", DEFECTS, ids=repr)
@pytest.mark.parametrize("name", ["trainer", "trash_monitor", "indexer"])
def test_engine_error_of_a_stage_is_a_problem_until_it_passes(
    ordered: Engine, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, soon: None
) -> None:
    stage = getattr(ordered, name)
    mend = failing(monkeypatch, stage, "advance", error)
    until(ordered, lambda: bool(ordered.ctx.problems))
    assert status(ordered).troubles == [*ordered.ctx.problems.values()]
    rows = ask(ordered, "restore-times")  # the other stages go on
    assert len(rows) == 3 and not any(row["error"] for row in rows)
    mend()
    until(ordered, lambda: not ordered.ctx.problems)
    _, log = ordered.ctx.event_log.since(0)
    assert len([event for event in log if isinstance(event, Problem)]) == 1


@pytest.mark.parametrize("method", ["take_indexed", "receive", "next_time"])
def test_engine_error_of_any_method_does_not_leave_a_step(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, soon: None
) -> None:
    world.put("a.png", 1)
    with world.engine() as engine:
        mend = failing(monkeypatch, engine.indexer, method, ValueError("nonsense"))
        engine.indexer.hint_all()
        if method == "receive":
            engine.order_scheduler._effects.changed.add(b"/nowhere.png")
        until(engine, lambda: bool(engine.ctx.problems))
        mend()
        engine.retry()
        world.settle(engine)
        assert not engine.ctx.problems and engine.indexer.indexed == 1


def test_engine_uncountable_work_does_not_leave_a_step(
    ordered: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pending(_: object) -> int:
        raise StoreError("the store is damaged", "restore a backup")

    monkeypatch.setattr(type(ordered.trainer), "pending", property(pending))
    for _ in range(5):
        ordered.step(0.0)
    assert ordered.pending == 0 and "damaged" in ordered.ctx.problems["store"]


def test_engine_corrupt_store_leaves_the_step(
    ordered: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def corrupt(*_: object) -> None:
        with store._translated():
            raise lmdb.CorruptedError("page 7")

    monkeypatch.setattr(ordered.trainer, "advance", corrupt)
    with pytest.raises(CorruptStoreError, match="damaged"):
        ordered.step(0.0)


def without_workers(task: Task) -> bool:
    raise NoWorkerError("no worker can be started: Too many open files", "raise the limits")


@pytest.mark.parametrize("verb", ["scan", "wait", "score"])
def test_verb_that_needs_a_worker_says_why_there_is_none(
    ordered: Engine, world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    new = world.put("new.png", 1)
    monkeypatch.setattr(world.pool, "submit", without_workers)
    arguments = {"files": [os.fspath(new)]} if verb == "score" else {}
    with pytest.raises(ImgscoreError, match="Too many open files") as raised:
        ask(ordered, verb, **arguments)
    assert raised.value.exit_code == 1


@pytest.mark.parametrize("verb", ["restore-times", "order"])
def test_verb_that_needs_no_worker_works_without_one(
    ordered: Engine, world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    world.put("new.png", 1)
    monkeypatch.setattr(world.pool, "submit", without_workers)
    ordered.indexer.hint_all()
    until(ordered, lambda: "workers" in ordered.ctx.problems)
    rows = ask(ordered, verb)
    assert not any(row["error"] for row in rows) and len(rows) == (3 if verb != "order" else 0)


def test_verb_missing_model_says_so_and_the_problem_lasts(
    ordered: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("new.png", 1)
    real = world.pool.answers
    missing = ModelUnavailable("the model is missing", "download it")
    with monkeypatch.context() as patch:
        patch.setattr(
            world.pool, "answers", lambda *about: [(task, missing) for task, _ in real(*about)]
        )
        for _ in range(2):
            with pytest.raises(ImgscoreError, match="the model is missing"):
                ask(ordered, "scan")
            assert "missing" in ordered.ctx.problems["model"]
    assert ask(ordered, "scan")[0]["files"] == 5
    assert not ordered.ctx.problems


def test_verb_query_without_a_model_is_answered(
    ordered: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ModelUnavailable("the model is missing", "download it")
    for answer in (missing, Crashed("was killed")):
        monkeypatch.setattr(
            world.pool, "submit", lambda task, a=answer: world.pool.results.append((task, a)) or 1
        )
        with pytest.raises(ImgscoreError, match=r"missing|killed"):
            ask(ordered, "evaluate")


def test_engine_answer_that_cannot_be_processed_ends_its_query(
    ordered: Engine, monkeypatch: pytest.MonkeyPatch, soon: None
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, ordered.queries, "take", ValueError("nonsense"))
        with pytest.raises(ImgscoreError):
            ask(ordered, "evaluate")
    with pytest.raises(ImgscoreError, match="nothing is learned here"):
        ask(ordered, "evaluate")


def test_engine_defect_waits_longer_each_time(
    ordered: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ordered.trainer, "advance", ValueError("nonsense"))
    waits = []
    for _ in range(9):
        ordered.retry()
        assert ordered.ctx.problems.retry_at(ordered.trainer) is None
        ordered.step(0.0)
        retry_at = ordered.ctx.problems.retry_at(ordered.trainer)
        assert retry_at is not None
        waits.append(retry_at)
    assert waits[-1] - waits[0] > 3000
    until_idle(ordered)


def test_status_is_answered_while_a_stage_fails(
    ordered: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ordered.indexer, "advance", ValueError("nonsense"))
    ordered.step(0.0)
    steps = registry.run(ordered, registry.parse("status", {}))
    (message,) = steps
    assert message is not None
    assert IndexFile.__name__ not in str(message)


@pytest.fixture
def two_inboxes(world: World) -> Iterator[Engine]:
    """An engine with two inboxes of one taste, both out of order."""
    for folder in ("inbox", "other"):
        for number in range(4):
            world.put(f"{folder}-{number}.png", 4 - number, folder)
    world.others = [world.folder / "other"]
    with world.engine() as engine:
        yield engine


def test_order_scheduler_error_of_a_plan_is_a_problem_of_its_inbox(
    two_inboxes: Engine, world: World, monkeypatch: pytest.MonkeyPatch, soon: None
) -> None:
    real = plan_inbox.plan_inbox

    def plan(store: Any, watch: Any, *rest: Any) -> Any:
        if watch.inbox.endswith(b"/inbox"):
            raise ZeroDivisionError("nonsense")
        return real(store, watch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(plan_inbox, "plan_inbox", plan)
        two_inboxes.indexer.hint_all()
        until(two_inboxes, lambda: world.order("other") == [f"other-{n}" for n in range(4)])
        until(two_inboxes, lambda: bool(two_inboxes.ctx.problems))
        assert "nonsense" in str(status(two_inboxes).troubles)
        for verb in ("wait", "order"):
            with pytest.raises(ImgscoreError, match="nonsense"):
                ask(two_inboxes, verb)
    world.settle(two_inboxes)
    assert world.order() == [f"inbox-{n}" for n in range(4)]
    assert not two_inboxes.ctx.problems


def test_order_scheduler_stored_score_that_is_no_number_is_skipped_and_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        world.put(f"{number}.png", 4 - number)
    with world.engine() as engine:
        world.settle(engine)
        with engine.ctx.store.write() as txn:  # as an older version stored it
            key, _ = next(txn.table("scores").scan())
            txn.table("scores").put(key, struct.pack("<ff", math.nan, 0.0))
    with world.engine() as engine:
        world.settle(engine)
        assert not engine.ctx.problems and "1 image a score that is not a number" in str(
            status(engine).troubles
        )
        packed = scores.pack(bytes(32), math.inf, 0.0)
        with pytest.raises(StoreError, match="not a number"):
            engine.ctx.store.commit(lambda txn: scores.record(txn, "default", "1", packed))


@pytest.mark.parametrize("kind", [Train, Rescore])
def test_trainer_crash_is_a_problem_of_its_taste_and_is_not_tried_at_once(
    ordered: Engine, world: World, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    submitted: list[Task] = []

    def submit(task: Task) -> bool:
        submitted.append(task)
        world.pool.results.append((task, Crashed("was killed")))
        return True

    monkeypatch.setattr(world.pool, "submit", submit)
    state = ordered.trainer.tastes["default"]
    if kind is Train:
        monkeypatch.setattr(type(state), "missing", "")
        state.due = 0.0
    else:
        with ordered.ctx.store.write() as txn:
            (key, _), *_ = txn.table("scores").scan()
            digest = key[-32:]
            scores.forget(txn, "default", "1")
            vectors.append(txn, ordered.ctx.embedder.id, [(digest, bytes(2560))])
        ordered.trainer.rescore("default")
    until(ordered, lambda: bool(ordered.ctx.problems))
    for _ in range(20):
        ordered.step(0.0)
    assert [type(task) for task in submitted] == [kind]
    assert "was killed" in str(status(ordered).troubles)
    with pytest.raises(ImgscoreError, match="was killed"):
        ask(ordered, "wait")
    assert len(submitted) == 2  # a client lets the taste try again at once
