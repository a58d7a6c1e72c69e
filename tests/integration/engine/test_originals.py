"""The user's own dates are held before the first touch, follow the file, and are restored."""

import os
import shutil
from pathlib import Path

import pytest

from imgscore.engine import apply
from imgscore.engine.stage import Effects
from imgscore.order.touch import DeniedError, Seen, Touched
from imgscore.store import journal
from imgscore.store.schema import FileAt
from imgscore.verbs import undo
from imgscore.verbs.status import status
from tests.integration.engine.conftest import DAY, LONG_AGO, World, ask, until_idle, use_head

NEW = LONG_AGO + 500 * DAY + 987_654_321


def set_date(path: Path, date_ns: int) -> None:
    os.utime(path, ns=(date_ns, date_ns))


def date(path: Path) -> int:
    return path.stat().st_mtime_ns


@pytest.fixture
def ordered(world: World) -> World:
    """Four files in order, best first: d, b, c, a."""
    for name, score in {"a": 0.1, "c": 0.2, "b": 0.4, "d": 0.9}.items():
        world.put(f"{name}.jpg", score)
    world.originals = {name: date + 10 * DAY for name, date in world.originals.items()}
    for path in world.files():
        # The best is the oldest.
        set_date(path, 2 * LONG_AGO - world.originals[path.name])
        world.originals[path.name] = date(path)
    world.settled()
    assert world.order() == ["d", "b", "c", "a"]
    assert len(set(world.dates().items()) - set(world.originals.items())) == 3
    return world


def test_originals_foreign_date_is_the_new_original(ordered: World) -> None:
    set_date(ordered.inbox / "a.jpg", NEW)
    ordered.settled()
    assert ordered.order() == ["d", "b", "c", "a"]
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    assert ordered.dates() == ordered.originals | {"a.jpg": NEW}


def test_originals_file_that_leaves_is_restored_and_ordered_on_return(ordered: World) -> None:
    for place in ("keep", "trash"):
        with ordered.engine() as engine:
            (ordered.inbox / "b.jpg").rename(ordered.inbox / place / "b.jpg")
            ordered.settle(engine)
            assert date(ordered.inbox / place / "b.jpg") == ordered.originals["b.jpg"]
            (ordered.inbox / place / "b.jpg").rename(ordered.inbox / "b.jpg")
            ordered.settle(engine)
            assert ordered.order() == ["d", "b", "c", "a"]
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    assert ordered.dates() == ordered.originals


def test_originals_follow_moves_copies_and_edits(ordered: World) -> None:
    inbox = ordered.inbox
    (inbox / "sub").mkdir()
    (inbox / "c.jpg").rename(inbox / "sub" / "renamed.jpg")
    shutil.copy2(inbox / "b.jpg", inbox / "sub" / "copy.jpg")
    kept = date(inbox / "a.jpg")
    (inbox / "a.jpg").write_text("0.1 edited")
    set_date(inbox / "a.jpg", kept)
    ordered.settled()
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    originals = ordered.originals
    assert date(inbox / "sub" / "renamed.jpg") == originals["c.jpg"]
    assert date(inbox / "sub" / "copy.jpg") == date(inbox / "b.jpg") == originals["b.jpg"]
    assert date(inbox / "a.jpg") == originals["a.jpg"]


def test_originals_edited_copy_belongs_to_the_file_beside_it(ordered: World) -> None:
    """imgscore gave the same date to a file with another name, by chance."""
    inbox = ordered.inbox
    given = date(inbox / "a.jpg")
    assert given != ordered.originals["a.jpg"]
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    source, copy = (inbox / "trash" / name for name in ("own.jpg", "own-edited.jpg"))
    source.write_text("0.3 own")
    set_date(source, given)
    ordered.settled()
    with ordered.engine() as engine:
        ask(engine, "order")
    assert date(inbox / "a.jpg") == given
    shutil.copy2(source, copy)
    copy.write_text("0.3 own, edited")
    set_date(copy, given)
    ordered.settled()
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    assert date(inbox / "a.jpg") == ordered.originals["a.jpg"]
    assert date(source) == date(copy) == given


def test_originals_copy_moved_over_its_twin_keeps_its_own(ordered: World) -> None:
    twin = ordered.inbox / "twin.jpg"
    shutil.copy(ordered.inbox / "b.jpg", twin)
    set_date(twin, NEW)
    ordered.settled()
    assert date(twin) != NEW
    twin.rename(ordered.inbox / "b.jpg")
    ordered.settled()
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    assert date(ordered.inbox / "b.jpg") == NEW


def test_originals_file_out_of_the_watch_and_back_keeps_its_own(ordered: World) -> None:
    outside = ordered.folder / "outside"
    outside.mkdir()
    (ordered.inbox / "b.jpg").rename(outside / "b.jpg")
    (ordered.inbox / "c.jpg").rename(outside / "c.jpg")
    ordered.settled()
    (outside / "c.jpg").rename(ordered.inbox / "c2.jpg")
    ordered.settled()
    with ordered.engine() as engine:
        assert [row["after_ns"] for row in ask(engine, "restore-times", folder=str(outside))] == [
            ordered.originals["b.jpg"]
        ]
        assert "restore" in {row["what"] for row in ask(engine, "history", folder=str(outside))}
        assert not engine.order_scheduler.held(os.fsencode(ordered.inbox))
        ask(engine, "restore-times")
    assert date(outside / "b.jpg") == ordered.originals["b.jpg"]
    assert date(ordered.inbox / "c2.jpg") == ordered.originals["c.jpg"]


def test_restore_times_file_moved_offline_is_restored_where_it_is(ordered: World) -> None:
    (ordered.inbox / "b.jpg").rename(ordered.inbox / "renamed.jpg")
    (ordered.inbox / "c.jpg").rename(ordered.inbox / "keep" / "c.jpg")
    (ordered.inbox / "d.jpg").rename(ordered.inbox / "swap")
    (ordered.inbox / "a.jpg").rename(ordered.inbox / "d.jpg")
    (ordered.inbox / "swap").rename(ordered.inbox / "a.jpg")
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    for here, name in {"renamed": "b", "keep/c": "c", "a": "d", "d": "a"}.items():
        assert date(ordered.inbox / f"{here}.jpg") == ordered.originals[f"{name}.jpg"]


def test_originals_backup_with_an_earlier_touch_is_not_foreign(ordered: World) -> None:
    old = date(ordered.inbox / "d.jpg")
    for name in ("e", "f"):
        ordered.put(f"{name}.jpg", 0.95)
        os.utime(ordered.inbox / "d.jpg", ns=(0, old))
        ordered.settled()
    set_date(ordered.inbox / "d.jpg", old)
    ordered.settled()
    with ordered.engine() as engine:
        ask(engine, "restore-times")
    assert date(ordered.inbox / "d.jpg") == ordered.originals["d.jpg"]


def test_restore_or_undo_holds_the_inbox_until_ordered(ordered: World) -> None:
    for verb in ({"verb": "restore-times"}, {"verb": "undo", "what": "order"}):
        with ordered.engine() as engine:
            would = ask(engine, **verb, dry_run=True)
            assert [row | {"dry_run": False} for row in would] == ask(engine, **verb)
            assert ordered.dates() == ordered.originals
            new = ordered.put("new.jpg", 1.0)
            ordered.settle(engine)
            assert ordered.dates() == ordered.originals
            assert "imgscore order" in status(engine).watches[0].state
        with ordered.engine() as engine:
            ordered.settle(engine)
            assert ordered.dates() == ordered.originals
            planned = ask(engine, "order", dry_run=True)
            assert ordered.dates() == ordered.originals
            assert [row["path"] for row in ask(engine, "order")] == [row["path"] for row in planned]
            assert ordered.order() == ["new", "d", "b", "c", "a"]
            assert status(engine).watches[0].state.startswith("needs")  # no labels here
            new.unlink()
            del ordered.originals["new.jpg"]
            ordered.settle(engine)


def test_undo_repeated_undoes_one_order_after_the_other(ordered: World) -> None:
    first = ordered.dates()
    ordered.put("e.jpg", 1.0)
    set_date(ordered.inbox / "e.jpg", LONG_AGO - 90 * DAY)
    ordered.originals["e.jpg"] = LONG_AGO - 90 * DAY
    ordered.settled()
    assert ordered.order()[0] == "e"
    with ordered.engine() as engine:
        assert len(ask(engine, "undo", what="order")) == 1
        assert ordered.dates() == first | {"e.jpg": ordered.originals["e.jpg"]}
        assert len(ask(engine, "undo", what="order")) == 3
        assert ordered.dates() == ordered.originals
        with pytest.raises(Exception, match="no ordering"):
            ask(engine, "undo", what="order")


@pytest.mark.parametrize("part", [1, 3, 1000])
def test_undo_order_that_a_file_has_left_undoes_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(apply, "TOUCH_BATCH", 2)
    monkeypatch.setattr(undo, "TOUCH_BATCH", part)
    for number in reversed(range(8)):
        world.put(f"{number}.jpg", number / 10)
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "restore-times")
        assert world.dates() == world.originals
        ask(engine, "order")  # one ordering, also if the files were found one after the other
        with engine.ctx.store.read() as txn:
            _, first = next(journal.newest_first(txn))
        engine.time_restorer.receive(Effects(restore={FileAt(first.digest, first.path)}))
        until_idle(engine)
        assert len(ask(engine, "undo", what="order")) == 6
    assert world.dates() == world.originals


def test_restore_times_of_a_keep_folder_holds_no_inbox(ordered: World) -> None:
    with ordered.engine() as engine:
        ask(engine, "restore-times", folder=str(ordered.inbox / "keep"))
        assert not engine.order_scheduler.held(os.fsencode(ordered.inbox))


def test_order_dry_run_in_the_config_plans_and_touches_nothing(ordered: World) -> None:
    ordered.put("new.jpg", 0.0)
    before = ordered.dates()
    ordered.dry_run = True
    with ordered.engine() as engine:
        ordered.settle(engine)
        planned = status(engine).watches[0].planned
        assert planned is not None and planned.touches == 1
        assert planned.examples[0].path.endswith("new.jpg")
        for arguments in ({"verb": "order"}, {"verb": "restore-times"}):
            assert all(row["dry_run"] for row in ask(engine, **arguments))
        assert all(row["dry_run"] for row in ask(engine, "undo", what="order"))
        assert not engine.order_scheduler.held(os.fsencode(ordered.inbox))
    assert ordered.dates() == before


def test_order_refused_file_is_reported_and_left_alone_until_it_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = apply.touch, []

    def touch(path: bytes, expect: Seen, after_ns: int) -> Touched:
        tried.append(os.path.basename(path))
        if path.endswith(b"c.jpg"):
            raise DeniedError(path, "Operation not permitted", "chown it")
        return real(path, expect, after_ns)

    monkeypatch.setattr(apply, "touch", touch)
    for name, score in {"d": 0.9, "c": 0.3, "b": 0.2, "a": 0.1}.items():
        world.put(f"{name}.jpg", score)
    with world.engine() as engine:
        world.settle(engine)
        (failed,) = status(engine).failed
        assert (failed.reason, failed.remedy) == (
            "Operation not permitted",
            "chown it",
        )
        assert tried.count(b"c.jpg") == 1
        world.put("e.jpg", 1.0)
        world.settle(engine)
        assert tried.count(b"c.jpg") == 1
        assert [name for name in world.order() if name != "c"] == ["e", "d", "b", "a"]
        monkeypatch.setattr(apply, "touch", real)
        (world.inbox / "c.jpg").chmod(0o640)  # changes the ctime, as chown does
        world.settle(engine)
        assert world.order() == ["e", "d", "c", "b", "a"]
        assert status(engine).failed == []
        ask(engine, "restore-times")
    assert world.dates() == world.originals


def test_order_disk_with_coarse_dates_is_touched_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = apply.touch, []

    def touch(path: bytes, expect: Seen, after_ns: int) -> Touched:
        tried.append(path)
        return real(path, expect, after_ns // (60 * 10**9) * 60 * 10**9 + 7 * 60 * 10**9)

    monkeypatch.setattr(apply, "touch", touch)
    for name, score in {"d": 0.9, "c": 0.3, "b": 0.2, "a": 0.1}.items():
        world.put(f"{name}.jpg", score)
    with world.engine() as engine:
        for _ in range(4):
            world.settle(engine)
            engine.order_scheduler.reorder(os.fsencode(world.inbox))
        assert len(tried) == len(set(tried)) == 3
        assert "rounds dates to more than 2 seconds" in status(engine).failed[0].reason
        monkeypatch.setattr(apply, "touch", real)
        ask(engine, "restore-times")
    assert world.dates() == world.originals


def test_order_hard_links_share_a_date_and_a_kept_name_excludes_it(world: World) -> None:
    for name, score in {"d": 0.9, "c": 0.3, "b": 0.2, "a": 0.1}.items():
        world.put(f"{name}.jpg", score)
    os.link(world.inbox / "c.jpg", world.inbox / "c2.jpg")
    (world.inbox / "keep").mkdir()
    os.link(world.inbox / "b.jpg", world.inbox / "keep" / "b.jpg")
    with world.engine() as engine:
        for _ in range(3):
            world.settle(engine)
            engine.order_scheduler.reorder(os.fsencode(world.inbox))
        touched = [Path(row["path"]).name for row in ask(engine, "history", limit=99)
                   if row["what"] != "label"]  # fmt: skip
        assert len(touched) == 2 and "b.jpg" not in touched
        assert [name for name in world.order() if name in "dca"] == ["d", "c", "a"]
        ask(engine, "restore-times")
    assert world.dates() == world.originals


def test_order_file_with_a_hard_link_outside_is_left_alone(world: World) -> None:
    """Also a sidecar, and also a file that gets the link after it was indexed."""
    for name, score in {"d": 0.9, "c": 0.3, "b": 0.2, "a": 0.1}.items():
        world.put(f"{name}.jpg", score)
    for name in "bc":
        world.put(f"{name}.xmp", "")
    archive = world.folder / "archive"
    archive.mkdir()
    os.link(world.inbox / "b.jpg", archive / "b.jpg")
    os.link(world.inbox / "c.xmp", archive / "c.xmp")
    os.link(world.inbox / "a.jpg", world.inbox / "second name.jpg")
    with world.engine() as engine:
        world.settle(engine)
        os.link(world.inbox / "d.jpg", archive / "d.jpg")
        use_head(engine, "1")
        for name in "efg":
            world.put(f"{name}.jpg", 0.95)
        world.settle(engine)
        ask(engine, "order")
        dates = world.dates()
        for name in ("b.jpg", "c.xmp"):
            assert date(archive / name) == world.originals[name]
        before = date(archive / "d.jpg")
        world.put("h.jpg", 0.05)
        world.settle(engine)
        ask(engine, "order")
        assert date(archive / "d.jpg") == before
        assert status(engine).watches[0].left_alone == {"hard links": 2}
        assert dates["a.jpg"] != world.originals["a.jpg"]
        (archive / "b.jpg").unlink()
        world.settle(engine)
        assert date(world.inbox / "b.jpg") != world.originals["b.jpg"]
        ask(engine, "restore-times")
    assert world.dates() == world.originals


def test_order_symlink_is_never_followed(world: World) -> None:
    for name, score in {"d": 0.9, "c": 0.3, "a": 0.1}.items():
        world.put(f"{name}.jpg", score)
    outside = world.put("outside.jpg", 0.95, place="elsewhere")
    (world.inbox / "link.jpg").symlink_to(outside)
    (world.inbox / "d.xmp").symlink_to(outside)
    (world.inbox / "folder").symlink_to(outside.parent)
    world.settled()
    assert date(outside) == world.originals["outside.jpg"]
    assert world.order() == ["d", "c", "a"]
