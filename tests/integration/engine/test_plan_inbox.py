"""A worker plans the order of a large library; parts are applied step by step."""

import errno
import io
from collections.abc import Iterator

import pytest

from imgscore.engine import apply, order_scheduler
from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError, StoreError
from imgscore.store import journal, settings
from imgscore.verbs.status import status
from imgscore.workers import frames, order_tasks
from imgscore.workers.messages import Crashed, Plan
from tests.integration.engine.conftest import World, ask, until, use_head

SCORES = {"d": "0.9 0.1", "b": "0.4 0.2", "c": "0.2 0.5", "a": "0.1 0.9"}


@pytest.fixture(params=["here", "by a worker"], autouse=True)
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planned by the engine, and by a worker; each part has one touch."""
    monkeypatch.setattr(
        order_scheduler, "WORKER_PLAN_THRESHOLD", 0 if request.param == "by a worker" else 1000
    )
    monkeypatch.setattr(apply, "TOUCH_BATCH", 1)
    monkeypatch.setattr(order_tasks, "FIRST_BATCH", 1)
    monkeypatch.setattr(order_tasks, "MESSAGE_BATCH", 1)


@pytest.fixture
def engine(world: World) -> Iterator[Engine]:
    for name, score in SCORES.items():
        world.put(f"{name}.jpg", score)
    with world.engine() as engine:
        yield engine


def test_plan_by_a_worker_is_applied_a_part_a_step(world: World, engine: Engine) -> None:
    world.settle(engine)
    with engine.ctx.store.read() as txn:
        known = {touch.run for _, touch in journal.newest_first(txn)}
    seen = set()
    use_head(engine, "2")
    engine.order_scheduler.reorder_taste("default")
    while not engine.idle:
        engine.step(0.05)
        seen.add(tuple(world.order()))
    assert world.order() == list("acbd") and len(seen) > 2
    with engine.ctx.store.read() as txn:
        assert len({touch.run for _, touch in journal.newest_first(txn)} - known) == 1
        assert settings.ties(txn, engine.ctx.watches.all[0].inbox, "2") is not None


def test_plan_for_a_verb_yields_every_part(world: World, engine: Engine) -> None:
    world.settle(engine)
    use_head(engine, "2")
    planned = ask(engine, "order", dry_run=True)
    assert world.order() == list("dbca")
    rows = ask(engine, "order")
    assert [row["path"] for row in rows] == [row["path"] for row in planned]
    assert world.order() == list("acbd")
    assert len(ask(engine, "undo", what="order")) == len(rows)
    assert world.order() == list("dbca")
    assert len(ask(engine, "restore-times")) >= len(rows)
    assert world.dates() == world.originals


def test_plan_restore_times_drops_the_rest(world: World, engine: Engine) -> None:
    engine.indexer.hint_all()
    until(engine, lambda: world.dates() != world.originals)
    assert not engine.idle
    ask(engine, "restore-times")
    world.settle(engine)
    assert world.dates() == world.originals


def test_plan_new_head_drops_the_rest(world: World, engine: Engine) -> None:
    engine.indexer.hint_all()
    until(engine, lambda: world.dates() != world.originals)
    use_head(engine, "2")
    engine.order_scheduler.reorder_taste("default")
    world.settle(engine)
    assert world.order() == list("acbd")


def test_plan_in_a_pause_runs_only_for_a_client(world: World, engine: Engine) -> None:
    world.settle(engine)
    use_head(engine, "2")
    engine.order_scheduler.reorder_taste("default")
    engine.pause(1 << 62)
    for _ in range(10):
        engine.step(0.0)
    assert world.order() == list("dbca")
    ask(engine, "order")
    assert world.order() == list("acbd")


def test_plan_pause_in_the_middle_drops_the_rest(world: World, engine: Engine) -> None:
    engine.indexer.hint_all()
    until(engine, lambda: world.dates() != world.originals)
    engine.pause(1 << 62)
    dates = world.dates()
    for _ in range(10):
        engine.step(0.0)
    assert world.dates() == dates
    engine.pause(0)
    world.settle(engine)
    assert world.order() == list("dbca")


@pytest.mark.parametrize(
    "error", [StoreError("the disk is full", "free some"), OSError(errno.EMFILE, "too full")]
)
def test_plan_full_disk_in_the_middle_is_planned_again(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.settle(engine)
    use_head(engine, "2")
    real, calls = apply.apply_batch, []

    def fails_once(*arguments: object) -> apply.Outcome:
        calls.append(arguments)
        if len(calls) == 2:
            raise error
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(apply, "apply_batch", fails_once)
    monkeypatch.setattr("imgscore.engine.problems.RETRY_SECONDS", 0.01)
    engine.order_scheduler.reorder_taste("default")
    world.settle(engine)
    until(engine, lambda: world.order() == list("acbd"))
    calls.clear()
    use_head(engine, "1")
    with pytest.raises(ImgscoreError, match="full"):
        ask(engine, "order")


def test_plan_crashed_worker_is_reported(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle(engine)
    monkeypatch.setattr(order_scheduler, "WORKER_PLAN_THRESHOLD", 0)
    real = engine.ctx.pool.answers
    monkeypatch.setattr(
        engine.ctx.pool,
        "answers",
        lambda *about: [(task, Crashed("was killed")) for task, _ in real(*about)],
    )
    use_head(engine, "2")
    engine.order_scheduler.reorder_taste("default")
    until(engine, lambda: bool(engine.ctx.problems))
    assert world.order() == list("dbca")
    assert any("was killed" in problem for problem in status(engine).troubles)


def test_plan_messages_survive_encoding(world: World, engine: Engine) -> None:
    world.settle(engine)
    use_head(engine, "2")
    task = Plan(engine.ctx.watches.all[0], "2", [b"\xff"])
    assert frames.read_task(io.BytesIO(frames.frame(task))) == task
    answers = list(order_tasks.plan_messages(engine.ctx.store, task))
    encoded = bytearray(b"".join(map(frames.frame, answers)))
    assert frames.take_answers(encoded) == answers and not encoded
