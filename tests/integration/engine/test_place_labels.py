"""Labels follow from the places of files: rewriting, copies, renamed folders, lost disks."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from imgscore import events
from imgscore.engine.engine import Engine
from imgscore.reconcile.label_rules import MOVE_WINDOW_NS
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import labels, sightings
from imgscore.store.schema import LabelName
from imgscore.store.transaction import Txn
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask, until


def label_of(world: World, path: Path | bytes, taste: str = "default") -> str | None:
    """The label of a file, or of a digest."""
    digest = path if isinstance(path, bytes) else digest_of(os.fsencode(path))
    assert digest is not None
    with world.engine() as engine, engine.ctx.store.read() as txn:
        label = labels.current(txn, taste, digest)
    return label.label if label else None


def move(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    return path.rename(folder / path.name)


def save(path: Path, text: str, *, atomic: bool) -> bytes:
    """Write new bytes, in place or by a rename; the digest of the old bytes."""
    old = digest_of(os.fsencode(path))
    assert old is not None
    target = path.with_suffix(".tmp") if atomic else path
    target.write_text(text)
    target.rename(path)
    return old


@pytest.fixture
def kept(world: World) -> Path:
    """A file that was moved to the keep folder."""
    path = world.put("a.png", 0.5)
    world.settled()
    path = move(path, world.inbox / "keep")
    world.settled()
    return path


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("then", ["trash", "", "keep"])
def test_place_label_file_rewritten_then_moved_leaves_no_ghost(
    world: World, kept: Path, atomic: bool, then: str
) -> None:
    old = save(kept, "0.4 edited", atomic=atomic)
    world.settled()
    assert (label_of(world, kept), label_of(world, old)) == ("keep", None)
    path = move(kept, world.inbox / then)
    world.settled()
    assert (label_of(world, path), label_of(world, old)) == (then or None, None)


def test_place_label_rewritten_while_a_copy_stands_stays_with_both(
    world: World, kept: Path
) -> None:
    shutil.copy2(kept, kept.with_name("copy.png"))
    world.settled()
    old = save(kept, "0.4 edited", atomic=True)
    world.settled()
    assert (label_of(world, kept), label_of(world, old)) == ("keep", "keep")


def test_place_label_of_a_deleted_file_stays(world: World, kept: Path) -> None:
    old = digest_of(os.fsencode(kept)) or b""
    kept.unlink()
    world.settled()
    assert label_of(world, old) == "keep"


@pytest.mark.parametrize("seen_between", [True, False])
@pytest.mark.parametrize("folder", ["", "sub"])
def test_place_label_copied_to_the_inbox_then_deleted_is_cleared(
    world: World, kept: Path, seen_between: bool, folder: str
) -> None:
    (world.inbox / folder).mkdir(exist_ok=True)
    there = world.inbox / folder / kept.name
    shutil.copy2(kept, there)
    if seen_between:
        world.settled()
        assert label_of(world, there) == "keep"
    kept.unlink()
    world.settled()
    assert label_of(world, there) is None


@pytest.mark.parametrize("how", ["moved back", "deleted", "rewritten", "moved out"])
def test_place_label_of_two_copies_is_that_of_the_one_that_stands(
    world: World, kept: Path, how: str
) -> None:
    trashed = world.inbox / "trash" / "copy.png"
    shutil.copy2(kept, trashed)
    world.settled()
    assert label_of(world, kept) == "trash"
    if how == "moved back":
        move(trashed, world.inbox)
    elif how == "moved out":
        move(trashed, world.folder / "elsewhere")
    elif how == "deleted":
        trashed.unlink()
    else:
        save(trashed, "0.1 other", atomic=True)
    world.settled()
    assert label_of(world, kept) == "keep"


@pytest.mark.parametrize("name", ["keep", "trash"])
@pytest.mark.parametrize("atomic", [True, False])
def test_command_label_of_a_file_that_is_saved_follows_the_file(
    world: World, name: str, atomic: bool
) -> None:
    path = world.put("a.png", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "label", label=name, files=[os.fspath(path)])
        old = save(path, "0.4 edited", atomic=atomic)
        world.settle(engine)
    assert (label_of(world, path), label_of(world, old)) == (name, None)
    old = save(path, "0.3 edited again", atomic=atomic)
    world.settled()
    assert (label_of(world, path), label_of(world, old)) == (name, None)


def test_command_label_two_files_that_swap_names_keep_their_labels(world: World) -> None:
    first, second = world.put("a.png", 0.5), world.put("b.png", 0.4)
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "label", label="keep", files=[os.fspath(first)])
        ask(engine, "label", label="trash", files=[os.fspath(second)])
        first.rename(world.inbox / "c.tmp")
        second.rename(first)
        (world.inbox / "c.tmp").rename(second)
        world.settle(engine)
    assert (label_of(world, first), label_of(world, second)) == ("trash", "keep")


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("target", ["keep-2025", "albums/keep"])
@pytest.mark.parametrize("running", [True, False])
def test_place_labels_of_a_renamed_folder_stay(
    world: World, again: bool, target: str, running: bool
) -> None:
    paths = [world.put(f"{number}.png", 0.5, "inbox/keep") for number in range(3)]
    (world.inbox / "albums").mkdir(parents=True)
    with world.engine() as engine:
        world.settle(engine)
        engine.step(0)
        if running:
            (world.inbox / "keep").rename(world.inbox / target)
            if again:
                (world.inbox / "keep").mkdir()
            world.settle(engine)
    if not running:
        (world.inbox / "keep").rename(world.inbox / target)
        if again:
            (world.inbox / "keep").mkdir()
        world.settled()
    moved = [world.inbox / target / path.name for path in paths]
    assert [label_of(world, path) for path in moved] == ["keep"] * 3
    old = save(moved[0], "0.2 edited", atomic=True)
    world.settled()
    assert (label_of(world, moved[0]), label_of(world, old)) == ("keep", None)
    moved[1] = move(moved[1], world.inbox / "trash")
    moved[2] = move(moved[2], world.inbox / "keep")
    world.settled()
    assert [label_of(world, path) for path in moved[1:]] == ["trash", "keep"]
    move(moved[2], world.inbox)
    world.settled()
    assert label_of(world, world.inbox / moved[2].name) is None


def test_place_labels_of_a_folder_copied_then_deleted_stay(world: World) -> None:
    paths = [world.put(f"{number}.png", 0.5, "inbox/keep") for number in range(25)]
    with world.engine() as engine:
        world.settle(engine)
        shutil.copytree(world.inbox / "keep", world.inbox / "keep-2025")
        world.settle(engine)
        shutil.rmtree(world.inbox / "keep")
        (world.inbox / "keep").mkdir()
        world.settle(engine)
    assert {label_of(world, world.inbox / "keep-2025" / path.name) for path in paths} == {"keep"}


def test_place_labels_of_all_files_moved_back_to_the_inbox_are_cleared(world: World) -> None:
    paths = [world.put(f"{number}.png", 0.5, "inbox/keep") for number in range(25)]
    with world.engine() as engine:
        world.settle(engine)
        for path in paths:
            path.rename(world.inbox / path.name)
        world.settle(engine)
    assert {label_of(world, world.inbox / path.name) for path in paths} == {None}


def test_place_label_of_a_keep_folder_that_is_gone_with_its_disk_stays(world: World) -> None:
    """The keep folder is outside of the inbox, and a copy of its file is in the inbox."""
    outside = world.folder / "disk"
    world.watch = {"keep": os.fspath(outside / "keep")}
    kept = world.put("a.png", 0.5, "disk/keep")
    copy = world.inbox / "a.png"
    world.inbox.mkdir(parents=True)
    shutil.copy2(kept, copy)
    with world.engine() as engine:
        world.settle(engine)
        outside.rename(world.folder / "unplugged")
        engine.indexer.hint(os.fsencode(kept))
        world.settle(engine)
    assert label_of(world, copy) == "keep"
    (world.folder / "unplugged").rename(outside)
    world.settled()
    kept.unlink()
    world.settled()
    assert label_of(world, copy) is None


def test_place_labels_in_a_list_of_keep_folders_follow_the_files(world: World) -> None:
    world.watch = {"keep": ["keep", "best"]}
    (world.inbox / "best").mkdir(parents=True)
    path = world.put("a.png", 0.5)
    world.settled()
    for folder, wanted in (("best", "keep"), ("keep", "keep"), ("trash", "trash"), ("", None)):
        path = move(path, world.inbox / folder)
        world.settled()
        assert label_of(world, path) == wanted
    path = move(path, world.inbox / "best")
    shutil.copy2(path, world.inbox / "keep" / path.name)
    world.settled()
    path.unlink()
    world.settled()
    assert label_of(world, world.inbox / "keep" / path.name) == "keep"


def test_place_label_of_a_hard_link_ends_with_the_link(world: World) -> None:
    path = world.put("a.png", 0.5)
    world.settled()
    link = world.inbox / "keep" / "a.png"
    os.link(path, link)
    world.settled()
    assert label_of(world, path) == "keep"
    link.unlink()
    world.settled()
    assert label_of(world, path) is None


def test_place_label_of_a_file_deleted_long_ago_stays_with_a_new_copy(
    world: World, kept: Path
) -> None:
    other = world.folder / "new.png"  # Made before the deletion: it needs another inode.
    shutil.copy2(kept, other)
    kept.unlink()
    world.settled()

    def make_older(txn: Txn) -> None:
        gone = sightings.find(txn, os.fsencode(kept))
        assert gone is not None
        long_ago = gone.gone_ns - MOVE_WINDOW_NS - 1
        sightings.record(txn, msgspec.structs.replace(gone, gone_ns=long_ago))

    with world.engine() as engine:
        engine.ctx.store.commit(make_older)
    other = move(other, world.inbox)
    world.settled()
    assert label_of(world, other) == "keep"


BINS = (
    "#recycle/trash", "$RECYCLE.BIN/S-1-5-21-1", "$Recycle.Bin", "RECYCLER", "@Recycle", "@eaDir",
    "lost+found", "LOST.DIR", "System Volume Information", "#snapshot/a", "@Recently-Snapshot",
    ".Trash-1000/files", ".stversions", ".sync", ".dropbox.cache", ".dtrash", "sub/#recycle",
)  # fmt: skip


@pytest.mark.parametrize("bin_name", BINS)
@pytest.mark.parametrize("place", ["inbox", "inbox/trash"])
def test_place_label_of_a_file_in_a_recycle_bin_stays(
    world: World, bin_name: str, place: str
) -> None:
    path = world.put("a.png", 0.5, "inbox/trash")
    world.settled()
    thrown = move(path, world.folder / place / bin_name)
    date = thrown.stat().st_mtime_ns
    with world.engine() as engine:
        engine.indexer.hint(os.fsencode(thrown))
        engine.indexer.hint_tree(os.fsencode(thrown.parent))
        world.settle(engine)
        assert status(engine).watches[0].files == status(engine).watches[0].trash == 0
    assert label_of(world, thrown) == "trash" and thrown.stat().st_mtime_ns == date
    move(thrown, world.inbox)
    world.settled()
    assert label_of(world, world.inbox / "a.png") is None


MARKS = {
    "CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n# a cache",
    "desktop.ini": b"[.ShellClassInfo]\r\nCLSID={645FF040-5081-101B-9F08-00AA002F954E}\r\n",
}


@pytest.mark.parametrize("mark", MARKS)
def test_place_label_of_a_file_in_a_marked_folder_stays(world: World, mark: str) -> None:
    path = world.put("a.png", 0.5, "inbox/trash")
    thumbnail = world.put("b.png", 0.5, "inbox/thumbs/deep")
    marked = world.inbox / "thumbs"
    (marked / mark).write_bytes(MARKS[mark])
    world.settled()
    thrown = move(path, marked)
    with world.engine() as engine:
        for hidden in (thrown, thumbnail):
            engine.indexer.hint(os.fsencode(hidden))
            engine.indexer.hint_tree(os.fsencode(hidden.parent))
        world.settle(engine)
        assert status(engine).watches[0].files == 0
    assert label_of(world, thrown) == "trash" and label_of(world, thumbnail) is None


@pytest.mark.parametrize("text", [b"[.ShellClassInfo]\r\nIconFile=a.ico", b""])
def test_files_beside_another_desktop_ini_are_indexed(world: World, text: bytes) -> None:
    world.put("a.png", 0.5, "inbox/album")
    (world.inbox / "album" / "desktop.ini").write_bytes(text)
    with world.engine() as engine:
        world.settle(engine)
        assert status(engine).watches[0].files == 1


def taught(world: World, count: int) -> list[Path]:
    """Put files into the keep folder; a second file goes into the trash folder first."""
    world.put("first.png", 0.1, "inbox/trash")
    world.settled()
    paths = [world.put(f"{number}.png", 0.5, "inbox/keep") for number in range(count)]
    world.settled()
    return paths


def troubles(engine: Engine) -> list[str]:
    return [trouble for trouble in status(engine).troubles if "undo label" in trouble]


@pytest.mark.parametrize(("count", "moved"), [(60, 30), (6, 3), (5, 5), (30, 21)])
@pytest.mark.parametrize("target", ["", "trash"])
def test_mass_change_is_reported_and_undone_at_once(
    world: World, count: int, moved: int, target: str
) -> None:
    paths = taught(world, count)
    with world.engine() as engine:
        world.settle(engine)
        there = [move(path, world.inbox / target) for path in paths[:moved]]
        world.settle(engine)
        (trouble,) = troubles(engine)
        assert trouble.startswith(f"{moved} labels were {'changed' if target else 'cleared'}")
        until(engine, lambda: bool(mass_events(engine)))
        (event,) = mass_events(engine)
        assert event.cleared + event.flipped == moved
    assert {label_of(world, path) for path in there} == {target or None}
    with world.engine() as engine:
        assert troubles(engine)
        (row,) = ask(engine, "undo", what="label")
        assert row["others"] == moved - 1 and not troubles(engine)
        assert {label_of_open(engine, path) for path in there} == {"keep"}
        world.settle(engine)
        assert {label_of_open(engine, path) for path in there} == {"keep"}
        (row,) = ask(engine, "undo", what="label")  # The label before the mass change.
        assert (row["others"], row["was"], row["label"]) == (0, "keep", None)


def test_mass_change_twice_is_undone_run_by_run(world: World) -> None:
    paths = taught(world, 50)
    with world.engine() as engine:
        world.settle(engine)
        first = [move(path, world.inbox / "trash") for path in paths[:25]]
        world.settle(engine)
        until(engine, lambda: len(mass_events(engine)) == 1)
        second = [move(path, world.inbox) for path in paths[25:]]
        world.settle(engine)
        assert ask(engine, "undo", what="label")[0]["others"] == 24
        assert {label_of_open(engine, path) for path in second} == {"keep"}
        assert {label_of_open(engine, path) for path in first} == {"trash"}
        assert ask(engine, "undo", what="label")[0]["others"] == 24
        assert {label_of_open(engine, path) for path in [*first, *second]} == {"keep"}


def test_mass_change_right_after_new_labels_does_not_contain_them(world: World) -> None:
    paths = [world.put(f"{number}.png", 0.5) for number in range(25)]
    with world.engine() as engine:
        world.settle(engine)
        paths = [move(path, world.inbox / "keep") for path in paths]
        world.settle(engine)
        paths = [move(path, world.inbox) for path in paths]
        world.settle(engine)
        assert ask(engine, "undo", what="label")[0]["others"] == 24
        assert {label_of_open(engine, path) for path in paths} == {"keep"}


@pytest.mark.parametrize(("count", "moved"), [(60, 20), (8, 3), (2, 2)])
def test_mass_change_few_labels_are_no_mass_change(world: World, count: int, moved: int) -> None:
    paths = taught(world, count)
    with world.engine() as engine:
        world.settle(engine)
        for path in paths[:moved]:
            move(path, world.inbox)
        world.settle(engine)
        assert not troubles(engine)
        assert ask(engine, "undo", what="label")[0]["others"] == 0


def test_mass_change_many_rewritten_files_are_no_mass_change(world: World) -> None:
    paths = taught(world, 30)
    with world.engine() as engine:
        world.settle(engine)
        for path in paths:
            save(path, f"0.4 {path.name} edited", atomic=True)
        world.settle(engine)
        assert not troubles(engine)
        assert {label_of_open(engine, path) for path in paths} == {"keep"}
        assert labels_of(engine) == {"keep": 30, "trash": 1}


def mass_events(engine: Engine) -> list[events.MassChange]:
    _, all_events = engine.ctx.event_log.since(0)
    return [event for event in all_events if isinstance(event, events.MassChange)]


def labels_of(engine: Engine) -> dict[LabelName, int]:
    with engine.ctx.store.read() as txn:
        return labels.totals(txn, "default")


def label_of_open(engine: Engine, path: Path) -> str | None:
    digest = digest_of(os.fsencode(path)) or b""
    with engine.ctx.store.read() as txn:
        label = labels.current(txn, "default", digest)
    return label.label if label else None
