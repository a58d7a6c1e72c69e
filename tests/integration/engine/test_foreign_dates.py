"""Originals of files whose date, name or bytes other programs change (docs/dates.md)."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from imgscore.engine import apply
from imgscore.engine.engine import Engine
from imgscore.order.touch import Seen, Touched
from imgscore.reconcile.scan import changed_files
from imgscore.store import originals, scores, sightings
from imgscore.store.schema import Original, pack, path_key
from tests.integration.engine.conftest import LONG_AGO, World, ask

HOUR = 3_600 * 10**9
NAMES = "abcdefghijklmnop"


def date(path: Path) -> int:
    return path.stat().st_mtime_ns


def set_date(path: Path, date_ns: int) -> None:
    os.utime(path, ns=(date_ns, date_ns))


def move_date(path: Path, delta_ns: int) -> None:
    set_date(path, date(path) + delta_ns)


def edit(path: Path, target: Path | None = None) -> None:
    """Rewrite a file by a temporary file, keep its date, and rename it to `target`."""
    new = path.with_name("rewritten.tmp")
    new.write_text(f"{path.read_text()} edited")
    set_date(new, date(path))
    new.rename(path)
    if target is not None:
        path.rename(target)


def restore(world: World, **arguments: object) -> list[dict[str, object]]:
    with world.engine() as engine:
        return ask(engine, "restore-times", **arguments)


@pytest.fixture
def inbox(world: World) -> World:
    """Sixteen files in order, of which at least fifteen were touched."""
    for number, name in enumerate(NAMES):
        world.put(f"{name}.jpg", 0.9 - number / 20)
    world.settled()
    assert world.order() == list(NAMES)
    untouched = world.dates().items() & world.originals.items()
    assert len(untouched) <= 1
    return world


def touched(world: World) -> list[Path]:
    return [path for path in sorted(world.files()) if date(path) != world.originals[path.name]]


SHIFTS = [HOUR, -HOUR, 45 * 60 * 10**9, 37 * 10**9, -12_345_678_901_234]


@pytest.mark.parametrize("delta", SHIFTS)
@pytest.mark.parametrize("scanned", [True, False])
def test_shift_of_all_dates_while_stopped_keeps_originals(
    inbox: World, delta: int, scanned: bool
) -> None:
    files = touched(inbox)
    for path in inbox.files():
        move_date(path, delta)
    if scanned:
        inbox.settled()
    restore(inbox)
    assert [date(path) for path in files] == [inbox.originals[path.name] for path in files]


@pytest.mark.parametrize("delta", SHIFTS)
def test_shift_found_file_by_file_keeps_originals(inbox: World, delta: int) -> None:
    files = touched(inbox)
    with inbox.engine() as engine:
        inbox.settle(engine)
        for path in files:
            move_date(path, delta)
            inbox.settle(engine)
        ask(engine, "restore-times")
    assert [date(path) for path in files] == [inbox.originals[path.name] for path in files]


@pytest.mark.parametrize("delta", [HOUR, 37 * 10**9])
def test_shift_of_some_files_then_orders_then_shift_back_keeps_originals(
    inbox: World, delta: int
) -> None:
    files = touched(inbox)
    for path in files[::3]:
        move_date(path, delta)
    inbox.settled()
    for number in range(4):
        inbox.put(f"new{number}.jpg", 0.42 + number / 100)
        inbox.settled()
    for path in inbox.files():
        move_date(path, -delta)
    inbox.settled()
    restore(inbox)
    assert [date(path) for path in files] == [inbox.originals[path.name] for path in files]


def add_earlier(world: World, path: Path, digest: bytes, date_ns: int) -> None:
    """Add an earlier original of a file, in whose place imgscore had set the date `date_ns`."""
    with world.engine() as engine, engine.ctx.store.write() as txn:
        present = originals.get(txn, digest, os.fsencode(path))
        assert present is not None
        earlier = Original(os.fsencode(path), LONG_AGO + 7, LONG_AGO + 7, date_ns)
        originals.set_aside(txn, digest, earlier)
        originals.record(txn, digest, present)


def test_shift_of_a_file_that_was_moved_since_makes_no_record_at_its_old_path(
    inbox: World,
) -> None:
    """A later date of the user makes imgscore look at the shifted dates of the last hour again."""
    path, moved = inbox.inbox / "c.jpg", inbox.inbox / "renamed.jpg"
    digest = hashlib.sha256(path.read_bytes()).digest()
    add_earlier(inbox, path, digest, date(path))
    for file in inbox.files():
        move_date(file, HOUR)
    inbox.settled()
    path.rename(moved)
    inbox.settled()
    set_date(inbox.inbox / "m.jpg", LONG_AGO + 3)
    inbox.settled()
    with inbox.engine() as engine, engine.ctx.store.read() as txn:
        assert originals.get(txn, digest, os.fsencode(path)) is None
    shutil.copy2(moved, inbox.inbox / "copy.jpg")
    inbox.settled()
    restore(inbox)
    assert date(inbox.inbox / "copy.jpg") == date(moved) == inbox.originals["c.jpg"]


def test_shift_to_a_date_of_an_older_record_keeps_the_present_original(inbox: World) -> None:
    path = inbox.inbox / "c.jpg"
    digest = hashlib.sha256(path.read_bytes()).digest()
    add_earlier(inbox, path, digest, date(path) + HOUR)
    for file in inbox.files():
        move_date(file, HOUR)
    inbox.settled()
    restore(inbox)
    assert date(path) == inbox.originals["c.jpg"]


def test_shift_of_an_untouched_file_to_a_date_of_its_copy_makes_no_original(inbox: World) -> None:
    """The copy is in another folder, and imgscore set the date of the copy."""
    copy = inbox.inbox / "keep" / "copy of c.jpg"
    shutil.copyfile(inbox.inbox / "c.jpg", copy)
    own = date(inbox.inbox / "c.jpg") - HOUR
    set_date(copy, own)
    inbox.settled()
    assert date(copy) == own
    for file in [*inbox.files(), copy]:
        move_date(file, HOUR)
    inbox.settled()
    inbox.settled()
    restore(inbox)
    assert date(copy) == own + HOUR
    assert date(inbox.inbox / "c.jpg") == inbox.originals["c.jpg"]


def test_backup_from_before_a_shift_brings_the_original_back(inbox: World) -> None:
    """All files of a backup differ from the present ones by the shift, like after a shift back."""
    path = inbox.inbox / "keep" / "c.jpg"
    (inbox.inbox / "c.jpg").rename(path)
    inbox.settled()  # imgscore restores the original
    digest = hashlib.sha256(path.read_bytes()).digest()
    yours = inbox.originals["c.jpg"] - 7
    set_date(path, yours)
    inbox.settled()
    with inbox.engine() as engine, engine.ctx.store.write() as txn:
        earlier = Original(os.fsencode(path), LONG_AGO + 7, LONG_AGO + 7, yours - HOUR)
        originals.set_aside(txn, digest, earlier)
    for file in [*inbox.files(), path]:
        move_date(file, -HOUR)
    inbox.settled()
    restore(inbox)
    assert date(path) == LONG_AGO + 7


def test_edited_and_moved_file_is_the_one_that_disappeared_last(inbox: World) -> None:
    """A backup brings back a date that imgscore has since given to a file that is gone now."""
    path, other = inbox.inbox / "c.jpg", inbox.inbox / "e.jpg"
    target = inbox.inbox / "keep" / "moved.jpg"
    digest = hashlib.sha256(other.read_bytes()).digest()
    with inbox.engine() as engine:
        inbox.settle(engine)
        with engine.ctx.store.write() as txn:
            held = originals.get(txn, digest, os.fsencode(other))
            assert held is not None
            later = originals.touched(held, os.fsencode(other), held.after_ns, date(path))
            originals.record(txn, digest, later)
        other.unlink()
        inbox.settle(engine)
        edit(path, target)
        inbox.settle(engine)
        ask(engine, "restore-times")
    assert date(target) == inbox.originals["c.jpg"]


def test_one_date_for_many_files_is_a_date_of_the_user(inbox: World) -> None:
    """Also a date that differs from the dates of imgscore by full hours."""
    for wish in (LONG_AGO + 12_345, date(inbox.inbox / "a.jpg") + 7 * HOUR):
        for name in NAMES:
            set_date(inbox.inbox / f"{name}.jpg", wish)
        inbox.settled()
        assert inbox.order()[0] == "a"
        restore(inbox)
        assert set(inbox.dates().values()) == {wish}
        with inbox.engine() as engine:
            ask(engine, "order")


def test_foreign_date_is_the_original_until_a_backup_brings_the_first_one_back(
    inbox: World,
) -> None:
    path = inbox.inbox / "c.jpg"
    backup = date(path)
    set_date(path, LONG_AGO + 3)
    inbox.settled()
    assert date(path) != LONG_AGO + 3
    restore(inbox)
    assert date(path) == LONG_AGO + 3
    set_date(path, backup)
    inbox.settled()
    restore(inbox)
    assert date(path) == inbox.originals["c.jpg"]


@pytest.mark.parametrize("place", ["renamed.jpg", "keep/c.jpg", "keep/other.jpg", "sub/c.jpg"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("in_place", [False, True])
def test_edit_that_keeps_the_date_and_rename_keep_the_original(
    inbox: World, place: str, times: int, in_place: bool
) -> None:
    path, target = inbox.inbox / "c.jpg", inbox.inbox / place
    target.parent.mkdir(exist_ok=True)
    with inbox.engine() as engine:
        inbox.settle(engine)
        for _ in range(times):
            if in_place:
                before = date(path)
                path.write_text(f"{path.read_text()} edited")
                set_date(path, before)
            else:
                edit(path)
        path.rename(target)
        inbox.settle(engine)
        ask(engine, "restore-times")
    assert date(target) == inbox.originals["c.jpg"]


def test_edited_copy_and_edit_over_another_file_keep_their_originals(inbox: World) -> None:
    folder = inbox.inbox
    shutil.copy2(folder / "c.jpg", folder / "copy of it.jpg")
    edit(folder / "copy of it.jpg")
    edit(folder / "e.jpg", folder / "f.jpg")
    inbox.settled()
    restore(inbox)
    assert date(folder / "copy of it.jpg") == date(folder / "c.jpg") == inbox.originals["c.jpg"]
    assert date(folder / "f.jpg") == inbox.originals["e.jpg"]


def test_backup_of_any_earlier_order_brings_its_original(inbox: World) -> None:
    folder = inbox.inbox
    backups = []
    for number in range(24):
        backups.append({path: date(path) for path in touched(inbox)})
        inbox.put(f"new{number}.jpg", 0.999 - number / 10_000)
        with inbox.engine() as engine:
            best = number % 2
            rescore(engine, folder / "a.jpg", 0.95 if best else 0.1)
            rescore(engine, folder / "e.jpg", 0.1 if best else 0.95)
            inbox.settle(engine)
            ask(engine, "order")
    assert len({backup[folder / "e.jpg"] for backup in backups}) > 8
    for backup in backups:
        for path, backed_up in backup.items():
            set_date(path, backed_up)
        inbox.settled()
        restore(inbox)
        wrong = [path.name for path in backup if date(path) != inbox.originals[path.name]]
        assert not wrong


def rescore(engine: Engine, path: Path, score: float) -> None:
    """Give an image another score under the head in use."""
    with engine.ctx.store.write() as txn:
        sighting = sightings.find(txn, os.fsencode(path))
        assert sighting is not None
        scores.record(txn, "default", "1", scores.pack(sighting.digest, score, 0.0))


def test_restore_times_files_out_of_the_watch_are_counted_and_restored(inbox: World) -> None:
    albums = inbox.folder / "albums"
    albums.mkdir()
    (inbox.inbox / "e.jpg").rename(albums / "e.jpg")
    for name in "bcd":
        shutil.copy2(inbox.inbox / f"{name}.jpg", albums)
    edit(albums / "d.jpg", albums / "d-1.jpg")
    inbox.settled()
    assert restore(inbox)[-1] == {"elsewhere": 1, "error": None}
    assert date(inbox.inbox / "b.jpg") == inbox.originals["b.jpg"]
    (row,) = restore(inbox, paths=[os.fspath(albums / "b.jpg")])
    assert row["after_ns"] == date(albums / "b.jpg") == inbox.originals["b.jpg"]
    restore(inbox, paths=[os.fspath(albums)])
    for name in ("c", "e"):
        assert date(albums / f"{name}.jpg") == inbox.originals[f"{name}.jpg"]
    assert date(albums / "d-1.jpg") == inbox.originals["d.jpg"]
    (row,) = restore(inbox, paths=[os.fspath(albums / "none.jpg")])
    assert "no such file" in str(row["error"])


def test_moved_folder_with_a_new_date_forgets_the_date_from_before(inbox: World) -> None:
    first, second = inbox.inbox / "first", inbox.inbox / "second"
    first.mkdir()
    (inbox.inbox / "c.jpg").rename(first / "c.jpg")
    inbox.settled()
    first.rename(second)
    set_date(second / "c.jpg", LONG_AGO + 5)
    inbox.settled()
    assert date(second / "c.jpg") != LONG_AGO + 5
    (second / "c.jpg").rename(inbox.inbox / "keep" / "c.jpg")
    inbox.settled()
    assert date(inbox.inbox / "keep" / "c.jpg") == LONG_AGO + 5


def test_overwritten_file_with_its_old_date_is_indexed_again(
    inbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rsync --inplace --times` overwrites a file while a restore runs."""
    victim = inbox.inbox / "c.jpg"
    new = victim.read_text().upper()
    for at in ("before", "after"):

        def overwrite(old: int, new: str = new) -> None:
            victim.write_text(new)
            set_date(victim, old)

        monkeypatch.setattr(apply, "touch", interrupted(victim, overwrite, at))
        with inbox.engine() as engine:
            ask(engine, "restore-times")
            monkeypatch.undo()
            inbox.settle(engine)
            with engine.ctx.store.read() as txn:
                sighting = sightings.find(txn, os.fsencode(victim))
            inbox.settle(engine)
            ask(engine, "order")
        assert sighting is not None
        assert sighting.digest == hashlib.sha256(victim.read_bytes()).digest()
        new = new.swapcase()


def interrupted(
    victim: Path, overwrite: Callable[[int], None], at: str
) -> Callable[[bytes, Seen, int], Touched]:
    real = apply.touch

    def touch(path: bytes, expect: Seen, after_ns: int) -> Touched:
        if path == os.fsencode(victim) and at == "before":
            overwrite(expect.mtime_ns)
        result = real(path, expect, after_ns)
        if path == os.fsencode(victim) and at == "after":
            overwrite(after_ns)
        return result

    return touch


def test_original_is_kept_after_it_was_restored(inbox: World) -> None:
    backup = {path: date(path) for path in touched(inbox)}
    restore(inbox)
    with inbox.engine() as engine, engine.ctx.store.read() as txn:
        assert all(held.is_restored for _, held in originals.iter_present(txn))
    for path, backed_up in backup.items():
        set_date(path, backed_up)
    restore(inbox)
    assert inbox.dates() == inbox.originals


def test_changed_files_after_an_order_are_only_those_of_other_programs(inbox: World) -> None:
    """The kernel reports each date that imgscore sets; such a file is not hashed again."""
    os.link(inbox.inbox / "c.jpg", inbox.inbox / "second name.jpg")
    inbox.settled()
    with inbox.engine() as engine:
        inbox.settle(engine)
        rescore(engine, inbox.inbox / "c.jpg", 0.01)
        engine.order_scheduler.reorder(os.fsencode(inbox.inbox))
        inbox.settle(engine)
        assert inbox.order()[0] != "c"
        paths = [os.fsencode(path) for path in inbox.inbox.glob("*.jpg")]
        assert changed_files(engine.ctx.store, paths) == []
        set_date(inbox.inbox / "e.jpg", LONG_AGO + 1)
        expected = [os.fsencode(inbox.inbox / "e.jpg")]
        assert changed_files(engine.ctx.store, paths) == expected


def test_store_of_an_older_version_gets_the_index_and_the_dates_of_the_journal(
    inbox: World,
) -> None:
    path = inbox.inbox / "c.jpg"
    backup = date(path)
    inbox.put("better.jpg", 0.99)
    with inbox.engine() as engine:
        rescore(engine, path, 0.05)
        inbox.settle(engine)
        ask(engine, "order")
        assert date(path) != backup
        with engine.ctx.store.write() as txn:
            txn.table("dates").delete_all(b"")
            for digest, held in list(originals.iter_present(txn)):
                txn.table("originals").put(
                    digest + path_key(held.path),
                    pack(Original(held.path, held.original_ns, held.before_ns, held.after_ns)),
                )
    set_date(path, backup)
    edit(inbox.inbox / "e.jpg", inbox.inbox / "keep" / "new.jpg")
    inbox.settled()
    restore(inbox)
    assert date(path) == inbox.originals["c.jpg"]
    assert date(inbox.inbox / "keep" / "new.jpg") == inbox.originals["e.jpg"]
