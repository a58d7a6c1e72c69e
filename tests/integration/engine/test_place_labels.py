"""Labels follow from the places of files: rewriting, copies, renamed folders, lost disks."""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from imgscore.reconcile.label_rules import MOVE_WINDOW_NS
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import sightings
from imgscore.store.transaction import Txn
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask
from tests.support.disks import mounted
from tests.support.place_labels import label_of, label_of_open, move, save


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


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("then", ["trash", "", "best"])
@pytest.mark.parametrize("running", [True, False])
def test_place_label_file_rewritten_and_moved_at_once_leaves_no_ghost(
    world: World, kept: Path, atomic: bool, then: str, running: bool
) -> None:
    """An atomic save keeps the date of the file, as exiftool -P does."""
    status = kept.stat()
    with world.engine() as engine:
        world.settle(engine)
        old = save(kept, "0.4 edited", atomic=atomic)
        if atomic:
            os.utime(kept, ns=(0, status.st_mtime_ns))
        path = move(kept, world.inbox / then)
        if running:
            world.settle(engine)
    world.settled()
    assert label_of(world, path) == ("trash" if then == "trash" else None)
    assert label_of(world, old) is None


@pytest.mark.parametrize(("here", "then", "wanted"), [("", "keep", "keep"), ("keep", "", "trash")])
def test_command_label_file_saved_and_moved_at_once_follows(
    world: World, here: str, then: str, wanted: str
) -> None:
    path = world.put("a.png", 0.5, f"inbox/{here}")
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "label", label="trash", files=[os.fspath(path)])
        old = save(path, "0.4 edited", atomic=False)
        path = move(path, world.inbox / then)
        world.settle(engine)
    assert (label_of(world, path), label_of(world, old)) == (wanted, None)


def test_place_label_of_a_deleted_file_stays_beside_a_new_file_of_its_name(
    world: World, kept: Path
) -> None:
    spare = world.put("spare.png", 0.2, "elsewhere")
    old = digest_of(os.fsencode(kept)) or b""
    kept.unlink()
    spare.rename(world.inbox / kept.name)
    world.settled()
    assert (label_of(world, old), label_of(world, world.inbox / kept.name)) == ("keep", None)


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


def test_place_label_of_an_image_that_is_renamed_and_copied_over_another_stays(
    world: World,
) -> None:
    path, other = world.put("a.png", 0.5, "inbox/keep"), world.put("b.png", 0.4, "inbox/keep")
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "label", label="trash", files=[os.fspath(other)])
        moved = path.rename(path.with_name("0.png"))
        shutil.copy2(moved, other)
        world.settle(engine)
        assert label_of_open(engine, other) == "keep"


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


def test_place_label_of_a_keep_folder_that_is_unmounted_stays(world: World, tmp_path: Path) -> None:
    """The keep folder is a disk inside the inbox. Without it, an empty folder is left."""
    (world.inbox / "keep").mkdir(parents=True)
    with mounted(tmp_path, "mkfs.ext4", "-q") as disk:
        command = ["mount", "--bind", disk, world.inbox / "keep"]
        subprocess.run(command, check=True)
        try:
            kept = world.put("a.png", 0.5, "inbox/keep")
            copy = Path(shutil.copy2(kept, world.inbox / "copy.png"))
            world.settled()
        finally:
            subprocess.run(["umount", world.inbox / "keep"], check=True)
        with world.engine() as engine:
            engine.indexer.hint(os.fsencode(kept))
            world.settle(engine)
            assert label_of_open(engine, copy) == "keep"
            assert status(engine).watches[0].keep == 1
        subprocess.run(command, check=True)
        try:
            kept.unlink()
            world.settled()
        finally:
            subprocess.run(["umount", world.inbox / "keep"], check=True)
        world.settled()


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
    other = move(other, world.inbox)
    set_gone(world, kept, other.stat().st_ctime_ns - MOVE_WINDOW_NS - 1)
    world.settled()
    assert label_of(world, other) == "keep"


def test_place_label_of_a_file_moved_from_another_disk_and_indexed_late_is_cleared(
    world: World, kept: Path
) -> None:
    other = world.folder / "new.png"
    shutil.copy2(kept, other)
    kept.unlink()
    world.settled()
    other = move(other, world.inbox)
    # The last nanosecond of the window was when the file was moved, so it has passed now.
    set_gone(world, kept, other.stat().st_ctime_ns - MOVE_WINDOW_NS + 1)
    world.settled()
    assert label_of(world, other) is None


def set_gone(world: World, path: Path, gone_ns: int) -> None:
    """Change the time at which the record of a deleted file says that the file was missing."""

    def change(txn: Txn) -> None:
        gone = sightings.find(txn, os.fsencode(path))
        assert gone is not None
        assert gone.gone_ns
        sightings.record(txn, msgspec.structs.replace(gone, gone_ns=gone_ns))

    with world.engine() as engine:
        engine.ctx.store.commit(change)
