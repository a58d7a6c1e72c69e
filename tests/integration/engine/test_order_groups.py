"""Groups in the order of an inbox: together or best on top, by a plan and by an insertion."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.engine import order_jobs, order_scheduler
from imgscore.engine.engine import Engine
from imgscore.engine.stage import Effects
from imgscore.groups.best import VERSION, Quality
from imgscore.store import groups, labels, qualities
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import LabelEvent
from imgscore.workers.messages import Plan
from tests.integration.engine.conftest import World, ask, until_idle, use_head

# The scores of head 1. The score of head 2 is 1 minus this score.
SCORES = {"z": 0.9, "y": 0.8, "x": 0.7, "w": 0.6, "v": 0.4, "u": 0.3, "t": 0.2, "s": 0.1}


@pytest.fixture(params=["here", "by a worker"], autouse=True)
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 0 if request.param == "by a worker" else 1000
    monkeypatch.setattr(order_scheduler, "WORKER_PLAN_THRESHOLD", limit)


@pytest.fixture
def files(world: World) -> World:
    for name, score in SCORES.items():
        world.put(f"{name}.jpg", f"{score} {1 - score:.1f}")
    return world


@pytest.fixture
def engine(files: World) -> Iterator[Engine]:
    with files.engine() as engine:
        yield engine


def digest_of(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def group(engine: Engine, world: World, names: str, details: str = "") -> set[bytes]:
    """Put images into a group. `details`: a digit for each image; the greatest is the best.

    Return the images whose group or quality has changed.
    """
    digests = [digest_of(world.inbox / f"{name}.jpg") for name in names]
    with engine.ctx.store.write() as txn:
        changed = groups.replace(txn, digests, [NewGroup("bursts", tuple(digests), "a test")])
        for digest, detail in zip(digests, details, strict=False):
            quality = Quality(pixels=100, bytes=100, sharpness=1.0, detail=float(detail))
            qualities.record(txn, digest, QualityRecord(VERSION, quality))
    return changed | set(digests)


def plans(world: World) -> int:
    return sum(isinstance(task, Plan) for task in world.pool.done)


def test_plan_group_stands_together_best_first_where_the_best_stands(
    files: World, engine: Engine
) -> None:
    files.settle(engine)
    assert files.order() == list("zyxwvuts")
    group(engine, files, "ztw", "132")
    rows = ask(engine, "order")
    assert files.order() == list("yxvutwzs")
    assert {Path(row["path"]).stem for row in rows} == {"z", "w"}
    assert ask(engine, "order") == []


def test_plan_groups_off_ignores_the_group(files: World) -> None:
    files.watch["groups"] = "off"
    with files.engine() as engine:
        files.settle(engine)
        group(engine, files, "ztw", "132")
        assert ask(engine, "order") == []


def test_plan_best_on_top_puts_the_others_below_all_likely_kept(files: World) -> None:
    files.watch["groups"] = "best-on-top"
    with files.engine() as engine:
        files.settle(engine)
        group(engine, files, "zyt", "132")
        group(engine, files, "xws", "321")
        assert ask(engine, "order")
        assert files.order() == list("yxzwvuts")
        assert ask(engine, "order") == []


def test_plan_worst_newest_has_the_best_at_the_old_end(files: World) -> None:
    files.watch["order"] = "worst-newest"
    with files.engine() as engine:
        files.settle(engine)
        group(engine, files, "ztw", "132")
        ask(engine, "order")
        assert files.order() == list(reversed("yxvutwzs"))


def test_plan_members_outside_the_inbox_do_not_count(files: World, engine: Engine) -> None:
    kept = files.put("k.jpg", "0.95 0.95", "inbox/keep")
    files.settle(engine)
    digests = (digest_of(kept), digest_of(files.inbox / "s.jpg"))
    with engine.ctx.store.write() as txn:
        groups.replace(txn, digests, [NewGroup("bursts", digests, "a test")])
    assert ask(engine, "order") == []


def test_plan_copies_stand_together(files: World, engine: Engine) -> None:
    copy = files.put("a.jpg", "")
    copy.write_bytes((files.inbox / "w.jpg").read_bytes())
    files.settle(engine)
    order = files.order()
    assert abs(order.index("a") - order.index("w")) == 1


def test_plan_a_label_of_the_user_decides_the_best(files: World, engine: Engine) -> None:
    files.settle(engine)
    group(engine, files, "ztw", "132")
    with engine.ctx.store.write() as txn:
        path = files.inbox / "w.jpg"
        labels.append(txn, LabelEvent(1, "default", digest_of(path), "keep", "cli", bytes(path)))
    ask(engine, "order")
    assert files.order() == list("yxwtzvus")


def test_plan_new_head_moves_a_group_as_one(files: World, engine: Engine) -> None:
    files.settle(engine)
    group(engine, files, "ztw", "132")
    ask(engine, "order")
    use_head(engine, "2")
    ask(engine, "order")
    assert files.order() == list("stwzuvxy")
    assert ask(engine, "order") == []


@pytest.mark.parametrize("mode", ["together", "best-on-top"])
def test_insert_new_member_goes_next_to_its_group_with_one_touch(files: World, mode: str) -> None:
    files.watch["groups"] = mode
    with files.engine() as engine:
        files.settle(engine)
        group(engine, files, "xw", "21")
        ask(engine, "order")
        files.settle(engine)
        before, planned = files.dates(), plans(files)
        new = files.put("n.jpg", "0.6 0.6")
        digests = [digest_of(files.inbox / f"{name}.jpg") for name in "xwn"]
        with engine.ctx.store.write() as txn:
            groups.replace(txn, digests, [NewGroup("bursts", tuple(digests), "a test")])
            quality = Quality(pixels=100, bytes=100, sharpness=1.0, detail=1.5)
            qualities.record(txn, digest_of(new), QualityRecord(VERSION, quality))
        engine.indexer.hint_all()
        until_idle(engine)
        order = files.order()
        assert order == list("zyxnwvuts")
        after = files.dates()
        assert {name for name, date in before.items() if after[name] != date} == set()
        assert plans(files) == planned
        assert ask(engine, "order") == []


def test_insert_whole_burst_at_once_is_inserted_together(files: World, engine: Engine) -> None:
    files.settle(engine)
    ask(engine, "order")
    before, planned = files.dates(), plans(files)
    new = [files.put(f"{name}.jpg", "0.65 0.65") for name in "abc"]
    digests = tuple(map(digest_of, new))
    with engine.ctx.store.write() as txn:
        groups.replace(txn, digests, [NewGroup("bursts", digests, "a test")])
        for digest, detail in zip(digests, (1.0, 3.0, 2.0), strict=True):
            quality = Quality(pixels=100, bytes=100, sharpness=1.0, detail=detail)
            qualities.record(txn, digest, QualityRecord(VERSION, quality))
    engine.indexer.hint_all()
    until_idle(engine)
    assert files.order() == list("zyxbcawvuts")
    assert {name: files.dates()[name] for name in before} == before
    assert plans(files) == planned
    assert ask(engine, "order") == []


# ---- groups that change after the order


def regroup(engine: Engine, world: World, names: str, details: str = "") -> None:
    """Change a group, and report it as the stage that finds groups does."""
    changed = group(engine, world, names, details)
    engine.order_scheduler.receive(Effects(regrouped=changed))


def test_regrouped_files_are_inserted_again_without_a_plan(files: World, engine: Engine) -> None:
    files.settle(engine)
    before, planned = files.dates(), plans(files)
    regroup(engine, files, "ztw", "132")
    assert not engine.idle
    until_idle(engine)
    assert files.order() == list("yxvutwzs")
    after = files.dates()
    assert {name for name in before if after[name] != before[name]} == {"z.jpg", "w.jpg"}
    assert plans(files) == planned
    assert ask(engine, "order") == []


def test_regrouped_new_best_moves_the_group(files: World, engine: Engine) -> None:
    files.settle(engine)
    regroup(engine, files, "ztw", "132")
    until_idle(engine)
    planned = plans(files)
    regroup(engine, files, "ztw", "921")
    until_idle(engine)
    assert files.order() == list("ztwyxvus")
    assert plans(files) == planned
    assert ask(engine, "order") == []


def test_regrouped_one_measured_member_takes_its_group_along(files: World, engine: Engine) -> None:
    files.settle(engine)
    regroup(engine, files, "ztw", "132")
    until_idle(engine)
    z = digest_of(files.inbox / "z.jpg")
    with engine.ctx.store.write() as txn:
        quality = Quality(pixels=100, bytes=100, sharpness=1.0, detail=20.0)
        qualities.record(txn, z, QualityRecord(VERSION, quality))
    engine.order_scheduler.receive(Effects(regrouped={z}))
    until_idle(engine)
    assert files.order() == list("ztwyxvus")
    assert ask(engine, "order") == []


def test_regrouped_dissolved_group_puts_every_image_at_its_own_place(
    files: World, engine: Engine
) -> None:
    files.settle(engine)
    regroup(engine, files, "ztw", "132")
    until_idle(engine)
    digests = {digest_of(files.inbox / f"{name}.jpg") for name in "ztw"}
    with engine.ctx.store.write() as txn:
        groups.replace(txn, digests, [])
    engine.order_scheduler.receive(Effects(regrouped=digests))
    until_idle(engine)
    assert files.order() == list("zyxwvuts")


def test_regrouped_unchanged_group_touches_nothing(files: World, engine: Engine) -> None:
    files.settle(engine)
    regroup(engine, files, "ztw", "132")
    until_idle(engine)
    before = files.dates()
    regroup(engine, files, "ztw", "132")
    until_idle(engine)
    assert files.dates() == before


@pytest.mark.usefixtures("prompt_orders")
def test_regrouped_many_files_are_planned_once_after_the_last_change(
    files: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_jobs, "INCREMENTAL_LIMIT", 2)
    files.settle(engine)
    planned = plans(files)
    before = files.dates()
    regroup(engine, files, "ztw", "132")
    regroup(engine, files, "yxv", "321")
    now = time.monotonic()
    state = engine.order_scheduler._states[bytes(files.inbox)]
    assert state.is_due and (state.regrouped_at() or 0) > now
    engine.step(0.0)
    assert files.dates() == before
    monkeypatch.setattr(order_jobs, "QUIET_SECONDS", 0.0)
    until_idle(engine)
    assert files.order() == list("yxvutwzs")
    assert plans(files) <= planned + 1
    assert ask(engine, "order") == []


def test_regrouped_files_while_groups_are_off_change_nothing(files: World) -> None:
    files.watch["groups"] = "off"
    with files.engine() as engine:
        files.settle(engine)
        regroup(engine, files, "ztw", "132")
        assert engine.idle


def test_regrouped_files_of_a_held_inbox_keep_their_dates(files: World, engine: Engine) -> None:
    files.settle(engine)
    ask(engine, "restore-times")
    before = files.dates()
    regroup(engine, files, "ztw", "132")
    until_idle(engine)
    assert files.dates() == before


@pytest.mark.parametrize("mode", ["together", "best-on-top"])
def test_regrouped_files_stand_where_a_plan_puts_them(files: World, mode: str) -> None:
    files.watch["groups"] = mode
    with files.engine() as engine:
        files.settle(engine)
        for names, details in (("zyt", "132"), ("xwv", "321"), ("zxs", "123"), ("yt", "12")):
            regroup(engine, files, names, details)
            until_idle(engine)
            assert ask(engine, "order") == []
