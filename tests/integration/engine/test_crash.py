"""A crash at any step of an order, an undo or a restore loses no original."""

import os
import threading
import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from imgscore import failpoints
from imgscore.engine import apply
from imgscore.engine.engine import Engine
from imgscore.store import deferred
from imgscore.store.store import Store
from tests.integration.engine.conftest import World, ask, use_head

# The best is the oldest, so that each ordering has much to do.
SCORES = {"d": "0.9 0.1 0.4", "b": "0.4 0.2 0.9", "c": "0.2 0.5 0.8", "a": "0.1 0.9 0.6"}
FIRST, SECOND, THIRD = list("dbca"), list("acbd"), list("bcad")
KILLED = 9


class Steps:
    """Ends the process at the n-th step: before and after each commit and each touch."""

    def __init__(self, fatal: int) -> None:
        self._left = fatal

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self._step()
            result = work(*arguments, **named)
            self._step()
            return result

        return wrapped

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            os._exit(KILLED)


def killed_at(
    world: World, fatal: int, work: Callable[[Engine], object], batch: int = apply.TOUCH_BATCH
) -> bool:
    """Do some work in a process that is killed at a step; False where the work was done before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of other tests' libraries
        child = os.fork()
    if child == 0:
        try:
            with world.engine() as engine:
                steps = Steps(fatal)
                apply.TOUCH_BATCH = apply.RESTORE_BATCH = batch
                apply.touch = steps.around(apply.touch)
                Store.commit = steps.around(Store.commit)  # type: ignore[method-assign]
                work(engine)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED


def order(engine: Engine) -> object:
    return ask(engine, "order")


def undo(engine: Engine) -> object:
    return ask(engine, "undo", what="order")


def restore(engine: Engine) -> object:
    return ask(engine, "restore-times")


@pytest.mark.parametrize("look_first", [True, False])
@pytest.mark.parametrize(
    ("work", "batch"),
    # The writes of an order with full batches are deferred.
    [(order, apply.TOUCH_BATCH), (order, 2), (undo, apply.TOUCH_BATCH), (restore, 2)],
)
def test_apply_killed_at_every_step_loses_no_original(
    worlds: Callable[[str], World],
    work: Callable[[Engine], object],
    batch: int,
    look_first: bool,
) -> None:
    for fatal in count():
        world = worlds(f"{fatal}")
        for name, score in SCORES.items():
            world.put(f"{name}.jpg", score)
        world.settled()
        assert world.order() == FIRST
        with world.engine() as engine:
            use_head(engine, "2")
        killed = killed_at(world, fatal, work, batch)
        if not look_first:
            # A command uses the store as the crash left it, before a scan.
            with world.engine() as engine:
                use_head(engine, "3")
                ask(engine, "order")
        with world.engine() as engine:
            world.settle(engine)
            ask(engine, "order")
            world.settle(engine)
            assert world.order() == (SECOND if look_first else THIRD), fatal
            assert ask(engine, "order") == [], fatal
            rows = ask(engine, "restore-times")
            assert not any(row["error"] for row in rows), fatal
            assert world.dates() == world.originals, fatal
            assert ask(engine, "restore-times", dry_run=True) == []
        if not killed:
            break
    # Four touches and one commit have two steps each. The number of commits depends on time.
    assert fatal >= 10


def test_first_order_killed_at_every_step_loses_no_original(
    worlds: Callable[[str], World],
) -> None:
    for fatal in count():
        world = worlds(f"first-{fatal}")
        for name, score in SCORES.items():
            world.put(f"{name}.jpg", score)
        killed = killed_at(world, fatal, world.settle, batch=2)
        with world.engine() as engine:
            world.settle(engine)
            assert world.order() == FIRST, fatal
            rows = ask(engine, "restore-times")
            assert not any(row["error"] for row in rows), fatal
            assert world.dates() == world.originals, fatal
        if not killed:
            break
    assert fatal >= 12


@pytest.mark.parametrize("fatal", ["before commit", "after commit"])
def test_order_killed_in_a_commit_beside_its_touches_loses_no_original(
    worlds: Callable[[str], World], fatal: failpoints.Name
) -> None:
    """The thread "flush" makes deferred writes while the daemon sets the next dates."""

    def kill(point: failpoints.Name) -> None:
        if point == fatal and threading.current_thread().name == "flush":
            os._exit(KILLED)

    def order_with_few_deferred_writes(engine: Engine) -> object:
        deferred.MAX_FILES, deferred.FLUSH_WRITES = 2, 3
        failpoints.arm(kill)
        return order(engine)

    world = worlds("beside")
    for name, score in SCORES.items():
        world.put(f"{name}.jpg", score)
    world.settled()
    with world.engine() as engine:
        use_head(engine, "2")
    # Few dates change, so each of them is a batch.
    assert killed_at(world, 10**9, order_with_few_deferred_writes, batch=1)
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "order")
        world.settle(engine)
        assert world.order() == SECOND
        rows = ask(engine, "restore-times")
        assert not any(row["error"] for row in rows)
        assert world.dates() == world.originals
