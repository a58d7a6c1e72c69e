"""While the store accepts nothing, as on a full disk, work waits; then all of it is done."""

import errno
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from imgscore.engine import apply, ingest, problems
from imgscore.engine.engine import Engine
from imgscore.errors import StoreError
from imgscore.events import Problem
from imgscore.store import failures, sightings
from imgscore.verbs import registry
from imgscore.verbs.base import Steps
from imgscore.workers.messages import Refused
from tests.integration.engine.conftest import World, until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "RETRY_SECONDS", 0.02)


def failing_once(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, which raises StoreError the first time."""
    left = [StoreError("the disk is full", "free some space")]

    def attempt(*arguments: Any) -> Any:
        if left:
            raise left.pop()
        return work(*arguments)

    return attempt


def test_indexer_full_disk_stores_the_failure_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("a.png", 1)
    with world.engine() as engine:
        pool = engine.ctx.pool
        answers, refused = pool.answers, Refused("no", "none")
        monkeypatch.setattr(
            pool, "answers", lambda *about: [(task, refused) for task, _ in answers(*about)]
        )
        monkeypatch.setattr(failures, "record", failing_once(failures.record))
        world.settle(engine)
        with engine.ctx.store.read() as txn:
            assert len(list(failures.iter_all(txn))) == 1


def test_indexer_full_disk_marks_gone_files_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [world.put(f"{number}.png", number) for number in range(3)]
    with world.engine() as engine:
        world.settle(engine)
        monkeypatch.setattr(ingest, "mark_gone", failing_once(ingest.mark_gone))
        paths[0].unlink()
        engine.indexer.hint(os.fsencode(paths[0]))

        def found() -> bool:
            with engine.ctx.store.read() as txn:
                return len(list(sightings.iter_all(txn))) == 2

        until(engine, found)


def test_time_restorer_full_disk_restores_the_date_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        world.put(f"{number}.png", 4 - number)
    with world.engine() as engine:
        world.settle(engine)
        dates = world.dates()
        name = next(name for name, date in world.originals.items() if dates[name] != date)
        moved = world.inbox / "keep" / name
        (world.inbox / name).rename(moved)
        monkeypatch.setattr(apply, "restore_times", failing_once(apply.restore_times))
        world.settle(engine)
        until(engine, lambda: moved.stat().st_mtime_ns == world.originals[name])


def test_order_scheduler_full_disk_orders_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        world.put(f"{number}.png", 4 - number)
    with world.engine() as engine:
        monkeypatch.setattr(apply, "apply_plan", failing_once(apply.apply_plan))
        world.settle(engine)
        assert world.order() == ["0", "1", "2", "3"]


def test_engine_lack_of_descriptors_is_a_problem_until_it_passes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("a.png", 1)
    with world.engine() as engine:
        left = [OSError(errno.EMFILE, "Too many open files")] * 2
        real = engine.indexer.advance

        def advance(*arguments: Any, **named: Any) -> Any:
            if left:
                raise left.pop()
            return real(*arguments, **named)

        monkeypatch.setattr(engine.indexer, "advance", advance)
        engine.indexer.hint_all()
        engine.step(0.0)
        assert any("Too many open files" in problem for problem in engine.ctx.problems.values())
        world.settle(engine)
        assert not left and not engine.ctx.problems


def test_engine_lasting_problem_is_one_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("a.png", 1)
    with world.engine() as engine:
        monkeypatch.setattr(type(engine.ctx.store), "free_bytes", lambda _: -1)
        engine.indexer.hint_all()
        problems = engine.ctx.problems
        until(engine, lambda: problems.retry_at(engine) is not None)
        first = problems.retry_at(engine)
        until(engine, lambda: problems.retry_at(engine) not in (None, first))
        _, events = engine.ctx.event_log.since(0)
        assert [type(event) for event in events] == [Problem]


def disk_is_full(*_: object) -> None:
    raise StoreError("the disk is full", "free some space")


@pytest.mark.parametrize("by_a_commit", [False, True])
def test_verb_full_disk_raises_and_the_next_call_retries_at_once(
    by_a_commit: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon tries again by itself only after a while."""
    monkeypatch.setattr(problems, "RETRY_SECONDS", 3600.0)
    path = world.put("a.png", 1)
    request = registry.parse("import-labels", {"keep": [os.fspath(path.parent)]})
    with world.engine() as here:
        with monkeypatch.context() as full:
            if by_a_commit:
                full.setattr(here.indexer, "advance", disk_is_full)
            else:
                full.setattr(type(here.ctx.store), "free_bytes", lambda _: -1)
            with pytest.raises(StoreError, match="free some"):
                follow(here, registry.run(here, request))
        follow(here, registry.run(here, request))
        assert not here.ctx.problems


def follow(engine: Engine, steps: Steps[Any]) -> None:
    """Run a verb as the daemon does, which goes on while there are problems."""
    deadline = time.monotonic() + 60
    for message in steps:
        assert time.monotonic() < deadline
        if message is None:
            engine.step(0.01)
