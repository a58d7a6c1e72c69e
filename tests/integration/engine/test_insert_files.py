"""A new file in an inbox that is in order is inserted without planning the inbox."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from imgscore.engine import order_jobs, order_scheduler
from imgscore.engine.engine import Engine
from imgscore.engine.order_jobs import OrderJob
from imgscore.engine.stage import Conditions
from imgscore.store import journal, originals
from imgscore.workers.messages import BackUp, Plan, Rescore, Task
from tests.integration.engine.conftest import DAY, LONG_AGO, World, ask, until_idle, use_head
from tests.integration.engine.test_crash import killed_at

NAMES = [f"{number:02}" for number in range(12)]


def fill(world: World) -> None:
    """The higher a name, the better under head 1, the worse under head 2, and the older."""
    for number in reversed(range(len(NAMES))):
        world.put(f"{NAMES[number]}.jpg", f"{number / 100} {1 - number / 100}")


@pytest.fixture
def engine(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on an inbox in order; a worker makes its plans."""
    monkeypatch.setattr(order_scheduler, "WORKER_PLAN_THRESHOLD", 0)
    fill(world)
    with world.engine() as engine:
        world.settle(engine)
        assert world.order() == NAMES[::-1]
        yield engine


@pytest.fixture
def plans(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that are handed to workers from now on."""
    found: list[Plan] = []
    submit = engine.ctx.pool.submit

    def noting(task: Task) -> bool:
        if isinstance(task, Plan):
            found.append(task)
        return submit(task)

    monkeypatch.setattr(engine.ctx.pool, "submit", noting)
    return found


def drop(world: World, engine: Engine, name: str, score: float | str) -> None:
    """Put a file into the inbox, and hint at it only."""
    path = world.put(name, score)
    engine.indexer.hint(os.fsencode(path))
    until_idle(engine)


def test_insert_new_files_starts_no_plan(world: World, engine: Engine, plans: list[Plan]) -> None:
    dates = world.dates()
    for name, score in (("07a.jpg", 0.075), ("03a.jpg", 0.035), ("z.jpg", 0.5), ("03b.jpg", 0.037)):
        drop(world, engine, name, score)
    assert world.order() == sorted([*NAMES, "07a", "03a", "z", "03b"], reverse=True)
    assert dates.items() <= world.dates().items()
    assert plans == []
    assert ask(engine, "order") == [] and len(plans) == 1
    ask(engine, "restore-times")
    assert world.dates() == world.originals


def test_insert_is_journalled_and_can_be_undone(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    drop(world, engine, "07a.jpg", 0.075)
    with engine.ctx.store.read() as txn:
        _, touch = next(journal.newest_first(txn))
        held = originals.get(txn, touch.digest, touch.path)
    assert touch.path.endswith(b"07a.jpg") and touch.head == "1" and touch.reason == "order"
    assert held is not None and held.original_ns == world.originals["07a.jpg"]
    assert len(ask(engine, "undo", what="order")) == 1
    assert world.dates()["07a.jpg"] == world.originals["07a.jpg"] and plans == []


def test_label_known_files_starts_no_order(
    world: World, engine: Engine, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`label` reads each file again, and finds what the store already contains."""
    begun: list[OrderJob] = []
    begin = engine.order_scheduler._begin
    monkeypatch.setattr(
        engine.order_scheduler, "_begin", lambda job: begin(begun.append(job) or job)
    )
    dates = world.dates()
    files = [str(world.inbox / f"{name}.jpg") for name in ("03", "07")]
    assert [row["error"] for row in ask(engine, "label", label="keep", files=files)] == [None, None]
    until_idle(engine)
    assert (begun, plans, world.dates()) == ([], [], dates)


def test_order_that_waits_for_scores_makes_one_plan(
    world: World, engine: Engine, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is due when a new head is used waits while the order worker scores."""
    inbox = os.fsencode(world.inbox)
    monkeypatch.setattr(engine.ctx.pool, "begun", {1: [Rescore("default", "2")]})
    engine.order_scheduler.reorder(inbox)
    engine.step(0.0)
    engine.order_scheduler.reorder_taste("default")
    engine.step(0.0)
    assert plans == []
    monkeypatch.setattr(engine.ctx.pool, "begun", {})
    until_idle(engine)
    assert len(plans) == 1


def test_order_does_not_wait_for_a_backup(
    world: World, engine: Engine, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup of a large store takes minutes, and the order worker is free meanwhile."""
    monkeypatch.setattr(engine.ctx.pool, "begun", {1: [BackUp(b"/backup")]})
    monkeypatch.setattr(engine.ctx.pool, "trainer_busy", True)
    engine.order_scheduler.reorder(os.fsencode(world.inbox))
    until_idle(engine)
    assert len(plans) == 1


def test_insert_file_with_a_fitting_date_keeps_it(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    drop(world, engine, "best.jpg", 1.0)  # the newest of all
    assert world.dates()["best.jpg"] == world.originals["best.jpg"]
    assert plans == []


def test_order_files_that_leave_start_no_plan(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    for name, place in (("03.jpg", "keep"), ("04.jpg", "trash")):
        target = world.inbox / place / name
        os.rename(world.inbox / name, target)
        for path in (world.inbox / name, target):
            engine.indexer.hint(os.fsencode(path))
        until_idle(engine)
        assert world.dates()[name] == world.originals[name]
    (world.inbox / "05.jpg").unlink()
    world.settle(engine)
    drop(world, engine, "04a.jpg", 0.045)
    assert plans == []
    assert world.order() == sorted([*NAMES[:3], *NAMES[6:], "04a"], reverse=True)


def test_order_renamed_file_costs_no_touch(world: World, engine: Engine) -> None:
    dates = world.dates()
    os.rename(world.inbox / "03.jpg", world.inbox / "x.jpg")
    dates["x.jpg"] = dates.pop("03.jpg")
    world.originals["x.jpg"] = world.originals.pop("03.jpg")
    world.settle(engine)
    assert world.dates() == dates


def test_insert_file_with_a_new_date_is_put_in_order(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    path, date = world.inbox / "03.jpg", LONG_AGO + 99 * DAY
    os.utime(path, ns=(date, date))
    world.settle(engine)
    assert world.order() == NAMES[::-1] and plans == []
    ask(engine, "restore-times")
    assert path.stat().st_mtime_ns == date


@pytest.mark.parametrize("what", ["03a.xmp", "03a.Xmp", "03a.jpg.XMP", "03a.CR2", "another name"])
def test_insert_file_that_shares_its_date_starts_a_plan(
    world: World, engine: Engine, plans: list[Plan], what: str
) -> None:
    path = world.put("03a.jpg", 0.035)
    if what == "another name":
        (world.folder / "elsewhere.jpg").hardlink_to(path)
    else:
        world.put(what, 0.9)
    world.settle(engine)
    assert len(plans) == 1
    together = {path.stat().st_mtime_ns // 10**9 for path in world.inbox.glob("03a.*")}
    assert len(together) == 1
    assert [name for name in world.order() if name in NAMES] == NAMES[::-1]


def test_insert_after_the_plan_of_a_new_head_starts_no_plan(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    use_head(engine, "2")
    drop(world, engine, "03a.jpg", "0.035 0.965")
    assert len(plans) == 1
    drop(world, engine, "05a.jpg", "0.055 0.945")
    assert len(plans) == 1
    assert world.order() == sorted([*NAMES, "03a", "05a"])


def test_insert_under_a_new_head_starts_a_plan(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    use_head(engine, "2")
    ask(engine, "order", dry_run=True)  # stores the ties under the head
    drop(world, engine, "03a.jpg", "0.035 0.965")
    assert world.order() == sorted([*NAMES, "03a"]) and len(plans) == 2


@pytest.mark.usefixtures("prompt_orders")
def test_insert_many_files_starts_one_plan(
    world: World, engine: Engine, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_jobs, "INCREMENTAL_LIMIT", 2)
    for number in range(3):
        world.put(f"0{number}a.jpg", number / 100 + 0.005)
    world.settle(engine)
    assert len(plans) == 1
    assert world.order() == sorted([*NAMES, "00a", "01a", "02a"], reverse=True)


@pytest.mark.usefixtures("prompt_orders")
def test_insert_while_a_worker_plans_starts_no_second_job(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    scheduler = engine.order_scheduler
    scheduler.reorder(os.fsencode(world.inbox))
    for number in range(2 * order_jobs.INCREMENTAL_LIMIT):
        scheduler.add_files(os.fsencode(world.inbox), {b"%d.jpg" % number})
        scheduler.advance(Conditions(time.monotonic() + number * order_scheduler.ORDER_SECONDS))
        assert scheduler.pending <= 2  # the job, and one order after it
    assert len(plans) == 1
    until_idle(engine)
    assert scheduler.pending == 0 and world.order() == NAMES[::-1]


def test_insert_into_a_full_gap_starts_a_plan(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    for number in range(12):
        drop(world, engine, f"03{chr(97 + number)}.jpg", 0.03 + number / 10_000)
    names = [f"03{chr(97 + number)}" for number in range(12)]
    assert world.order() == sorted([*NAMES, *names], reverse=True)
    assert 0 < len(plans) < 6


def test_insert_into_a_held_inbox_waits_for_an_order(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    ask(engine, "restore-times")
    drop(world, engine, "03a.jpg", 0.035)
    assert world.dates() == world.originals and plans == []
    ask(engine, "order")
    drop(world, engine, "05a.jpg", 0.055)
    assert world.order() == sorted([*NAMES, "03a", "05a"], reverse=True)


def test_insert_in_a_dry_run_touches_nothing(world: World) -> None:
    fill(world)
    world.dry_run = True
    with world.engine() as engine:
        world.settle(engine)
        drop(world, engine, "03a.jpg", 0.035)
        assert world.dates() == world.originals
        planned = engine.order_scheduler.planned(os.fsencode(world.inbox))
        assert len(planned) == len(NAMES) - 1


def test_insert_killed_at_every_step_loses_no_original(worlds: Callable[[str], World]) -> None:
    def work(world: World) -> Callable[[Engine], object]:
        def arrive(engine: Engine) -> Any:
            world.settle(engine)
            assert engine.order_scheduler.pending == 0
            drop(world, engine, "07a.jpg", 0.075)

        return arrive

    for fatal in count():
        world = worlds(f"{fatal}")
        fill(world)
        world.settled()
        killed = killed_at(world, fatal, work(world))
        if "07a.jpg" not in os.listdir(world.inbox):
            continue
        world.originals["07a.jpg"] = LONG_AGO + len(NAMES) * DAY + 123_456_789 + len(NAMES)
        with world.engine() as engine:
            world.settle(engine)
            assert world.order() == sorted([*NAMES, "07a"], reverse=True), fatal
            ask(engine, "restore-times")
            assert world.dates() == world.originals, fatal
        if not killed:
            break
    assert fatal >= 6


def test_insert_files_file_without_a_sighting_is_left_out(
    world: World, engine: Engine, plans: list[Plan]
) -> None:
    # A file that is deleted just after it arrived has no sighting when it is to be inserted.
    missing = os.fsencode(world.inbox / "gone.jpg")
    engine.order_scheduler.add_files(os.fsencode(world.inbox), {missing})
    until_idle(engine)
    assert plans == []
    assert world.order() == NAMES[::-1]
