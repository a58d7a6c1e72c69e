"""Deleting is labelling: real trash tools put files into a real trash, and take them out."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imgscore import paths
from imgscore.reconcile.label_rules import MOVE_WINDOW_NS
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import labels, trashed_files
from imgscore.store.schema import Label, TrashedFile
from imgscore.workers.messages import Answer, IndexFile, Interrupted, Task, Unstable
from tests.integration.engine.conftest import World, ask, until_idle
from tests.support import needs
from tests.support.disks import mounted

GIO, CLI = ("gio", "trash"), ("trash-put",)


@pytest.fixture
def watched(world: World) -> World:
    """Three files in an inbox whose deletions count, and one that is kept."""
    world.watch = {"xdg_trash": True}
    for name, score in {"a.jpg": 0.9, "b.jpg": 0.5, "c.jpg": 0.1}.items():
        world.put(name, score)
    world.put("k.jpg", 0.8, "inbox/keep")
    return world


def trash(tool: tuple[str, ...], *files: Path) -> None:
    need(tool[0])
    subprocess.run([*tool, "--", *files], check=True, timeout=60)


def restore(file: Path) -> None:
    """Restore the only file in the trash that was deleted at that path, with trash-cli."""
    need("trash-restore")
    subprocess.run(["trash-restore", file], input=b"0\n", check=True, timeout=60)
    assert file.exists()


def need(tool: str) -> None:
    needs.program(tool, "libglib2.0-bin" if tool == "gio" else "trash-cli")


def label(world: World, content: bytes) -> Label | None:
    """The label of a file that held these bytes."""
    with world.engine() as engine, engine.ctx.store.read() as txn:
        return labels.current(txn, "default", content)


def digest(file: Path) -> bytes:
    found = digest_of(os.fsencode(file))
    assert found is not None
    return found


def snapshot(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Inodes and times of everything in a folder."""
    return {
        path: (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_ctime_ns)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("tool", [GIO, CLI], ids=["gio", "trash-put"])
def test_trash_deleted_file_is_labelled_and_restored_one_cleared(
    watched: World, tool: tuple[str, ...]
) -> None:
    file, kept = watched.inbox / "a.jpg", watched.inbox / "keep" / "k.jpg"
    of_file, of_kept = digest(file), digest(kept)
    with watched.engine() as engine:
        watched.settle(engine)
        trash(tool, file, kept)
        before = snapshot(paths.trash_folder())
        assert len(before) >= 6
        watched.settle(engine)
        with engine.ctx.store.read() as txn:
            for file_digest in (of_file, of_kept):
                found = labels.current(txn, "default", file_digest)
                assert found is not None and (found.label, found.source) == ("trash", "xdg_trash")
        assert snapshot(paths.trash_folder()) == before  # it only reads
        restore(file)
        watched.settle(engine)
        with engine.ctx.store.read() as txn:
            assert labels.current(txn, "default", of_file) is None
            assert labels.current(txn, "default", of_kept) is not None
        assert watched.order() == ["a", "b", "c"]
        ask(engine, "restore-times")
    assert file.stat().st_mtime_ns == watched.originals["a.jpg"]


def test_trash_is_read_after_a_file_has_gone(watched: World) -> None:
    file = watched.inbox / "a.jpg"
    of_file = digest(file)
    with watched.engine() as engine:
        watched.settle(engine)
        trash(CLI, file)  # before that there was no trash to watch
        engine.indexer.hint(os.fsencode(file))
        until_idle(engine)
        with engine.ctx.store.read() as txn:
            assert labels.current(txn, "default", of_file) is not None


@pytest.mark.parametrize("tool", [GIO, CLI], ids=["gio", "trash-put"])
def test_trash_changes_while_offline_are_found(watched: World, tool: tuple[str, ...]) -> None:
    """No engine has ever seen the files before they are deleted."""
    names = [
        b"with space %41.jpg",
        b"line\nbreak.jpg",
        b"no utf-8 \xff.jpg",
        b"umlaut \xc3\xa9.png",
    ]
    plain = [watched.put(f"{number}.jpg", number / 100, "inbox/sub dir") for number in range(4)]
    files = [
        file.rename(file.with_name(os.fsdecode(name)))
        for file, name in zip(plain, names, strict=True)
    ]
    digests = [digest(file) for file in files]
    trash(tool, *(file for file in files if b"\xff" not in os.fsencode(file)))
    trash(GIO, *(file for file in files if file.exists()))  # trash-put takes UTF-8 only
    watched.settled()
    assert [found.label if (found := label(watched, at)) else None for at in digests] == [
        "trash"
    ] * 4
    files[1].parent.mkdir(exist_ok=True)
    restore(files[1])
    watched.settled()
    assert label(watched, digests[1]) is None and label(watched, digests[0]) is not None


def test_trash_interrupted_answers_are_retried(
    watched: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Answer] = [Unstable(), Interrupted()]
    of_files = [digest(file) for file in watched.inbox.glob("*.jpg")]
    trash(CLI, *watched.inbox.glob("*.jpg"))
    with watched.engine() as engine:
        pool: Any = engine.ctx.pool
        submit = pool.submit

        def cut_short(task: Task) -> bool:
            if not (answers and isinstance(task, IndexFile) and b"/Trash/" in task.path):
                return bool(submit(task))
            pool.results.append((task, answers.pop()))
            return True

        monkeypatch.setattr(pool, "submit", cut_short)
        watched.settle(engine)
    assert not answers and len(of_files) == 3
    assert all(label(watched, file_digest) is not None for file_digest in of_files)


def test_trash_deleted_folder_labels_its_images(watched: World) -> None:
    inside = watched.put("deep.jpg", 0.3, "inbox/year/month")
    of_hidden = [
        digest(watched.put("hidden.jpg", 0.4, "inbox/year/.thumbs")),
        digest(watched.put("cached.jpg", 0.4, "inbox/.cache")),
    ]
    of_inside = digest(inside)
    with watched.engine() as engine:
        watched.settle(engine)
        trash(CLI, watched.inbox / "year", watched.inbox / ".cache")
        watched.settle(engine)
    found = label(watched, of_inside)
    assert found is not None and found.label == "trash"
    assert [label(watched, file_digest) for file_digest in of_hidden] == [None, None]
    restore(watched.inbox / "year")
    watched.settled()
    assert label(watched, of_inside) is None


def test_trash_deleted_inbox_or_keep_folder_labels_nothing(watched: World) -> None:
    of_file, of_kept = digest(watched.inbox / "a.jpg"), digest(watched.inbox / "keep" / "k.jpg")
    watched.settled()
    trash(CLI, watched.inbox / "keep")
    trash(CLI, watched.inbox)
    watched.settled()
    assert label(watched, of_file) is None
    found = label(watched, of_kept)
    assert found is not None and found.label == "keep"


def test_trash_keeps_a_label_from_another_place(watched: World) -> None:
    file = watched.inbox / "a.jpg"
    of_file = digest(file)
    with watched.engine() as engine:
        watched.settle(engine)
        copy = watched.folder / "elsewhere.jpg"
        shutil.copyfile(file, copy)
        trash(CLI, file)
        watched.settle(engine)
        ask(engine, "label", label="keep", files=[str(copy)])
        watched.settle(engine)
    watched.settled()
    restore(file)
    watched.settled()
    found = label(watched, of_file)
    assert found is not None and (found.label, found.source) == ("keep", "cli")


def test_trash_undone_label_is_not_logged_again(watched: World) -> None:
    of_file = digest(watched.inbox / "a.jpg")
    with watched.engine() as engine:
        watched.settle(engine)
        trash(CLI, watched.inbox / "a.jpg")
        watched.settle(engine)
        assert ask(engine, "undo", what="label")[0]["was"] == "trash"
        watched.settle(engine)
    watched.settled()
    assert label(watched, of_file) is None


def test_trash_copy_of_a_file_that_stays_labels_nothing(watched: World) -> None:
    file = watched.inbox / "a.jpg"
    of_file = digest(file)
    shutil.copyfile(file, watched.inbox / "copy.jpg")
    with watched.engine() as engine:
        watched.settle(engine)
        trash(CLI, file)
        watched.settle(engine)
        with engine.ctx.store.read() as txn:
            assert labels.current(txn, "default", of_file) is None
        trash(CLI, watched.inbox / "copy.jpg")
        watched.settle(engine)
        with engine.ctx.store.read() as txn:
            assert labels.current(txn, "default", of_file) is not None


def label_names(world: World, files: dict[str, bytes]) -> dict[str, str | None]:
    """The labels, by name."""
    found = {name: label(world, content) for name, content in files.items()}
    return {name: label.label if label else None for name, label in found.items()}


@pytest.fixture
def pair(watched: World) -> dict[str, bytes]:
    """A RAW and its JPEG among the watched files, by name, with their digests."""
    return {name: digest(watched.put(name, 0.5)) for name in ("p.NEF", "p.jpg")}


@pytest.mark.parametrize("first", ["p.NEF", "p.jpg"])
def test_trash_sibling_of_a_file_that_stays_labels_nothing(
    watched: World, pair: dict[str, bytes], first: str
) -> None:
    (other,) = set(pair) - {first}
    watched.settled()
    trash(CLI, watched.inbox / first)
    watched.settled()
    assert label_names(watched, pair) == {first: None, other: None}
    trash(CLI, watched.inbox / other)
    watched.settled()
    assert label_names(watched, pair) == {first: None, other: "trash"}


def test_trash_deleted_pair_is_two_labels(watched: World, pair: dict[str, bytes]) -> None:
    watched.settled()
    trash(CLI, *(watched.inbox / name for name in pair))
    watched.settled()
    assert set(label_names(watched, pair).values()) == {"trash"}


def test_trash_sibling_without_a_sighting_counts(watched: World, pair: dict[str, bytes]) -> None:
    trash(CLI, watched.inbox / "p.NEF")
    watched.settled()
    assert set(label_names(watched, pair).values()) == {None}


def test_trash_pair_whose_jpeg_is_kept_stays_kept(watched: World, pair: dict[str, bytes]) -> None:
    watched.settled()
    (watched.inbox / "p.jpg").rename(watched.inbox / "keep" / "p.jpg")
    watched.settled()
    trash(CLI, watched.inbox / "p.NEF")
    watched.settled()
    assert set(label_names(watched, pair).values()) == {"keep"}


def test_trash_siblings_disabled_are_independent(watched: World, pair: dict[str, bytes]) -> None:
    watched.watch["siblings"] = False
    watched.settled()
    trash(CLI, watched.inbox / "p.NEF")
    watched.settled()
    assert label_names(watched, pair) == {"p.NEF": "trash", "p.jpg": None}


def test_trash_emptied_keeps_labels(watched: World) -> None:
    file = watched.inbox / "a.jpg"
    of_file, file_content = digest(file), file.read_bytes()
    with watched.engine() as engine:
        watched.settle(engine)
        trash(CLI, file)
        watched.settle(engine)
        anew = watched.folder / "anew.jpg"
        anew.write_bytes(file_content)
        subprocess.run(["trash-empty"], check=True, timeout=60)
        watched.settle(engine)
        store = engine.ctx.store
        with store.read() as txn:
            (gone,) = [
                msgspec.msgpack.decode(value, type=TrashedFile)
                for _, value in txn.table("deletions").scan()
            ]
        assert gone.gone_ns
        # Long after, the same image comes again.
        long_ago = msgspec.structs.replace(gone, gone_ns=gone.gone_ns - MOVE_WINDOW_NS)
        store.commit(lambda txn: trashed_files.record(txn, long_ago))
        anew.rename(file)
        watched.settle(engine)
    found = label(watched, of_file)
    assert found is not None and found.label == "trash"


def test_trash_setting_off_labels_nothing(watched: World) -> None:
    of_file = digest(watched.inbox / "a.jpg")
    watched.watch = {}
    watched.settled()
    trash(CLI, watched.inbox / "a.jpg")
    watched.settled()
    assert label(watched, of_file) is None
    watched.watch = {"xdg_trash": True}  # files that are in the trash already count, too
    watched.settled()
    found = label(watched, of_file)
    assert found is not None and found.label == "trash"


def test_trash_file_from_elsewhere_is_ignored(watched: World) -> None:
    other = watched.folder / "other"
    other.mkdir()
    foreign = other / "x.jpg"
    foreign.write_text("0.5 x")
    of_foreign = digest(foreign)
    rejected = watched.put("r.jpg", 0.3, "inbox/trash")
    of_rejected = digest(rejected)
    watched.settled()
    trash(CLI, foreign, rejected)
    watched.settled()
    assert label(watched, of_foreign) is None
    found = label(watched, of_rejected)
    assert found is not None and found.source == "place"


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system in memory."""
    point = tmp_path / "volume"
    point.mkdir()
    needs.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", point)
    yield point
    subprocess.run(["umount", "--lazy", point], check=True)


@pytest.mark.parametrize("shared", [False, True])
def test_trash_of_a_volume_is_read(world: World, volume: Path, shared: bool) -> None:
    world.watch, world.disk = {"xdg_trash": True}, volume
    if shared:
        (volume / ".Trash").mkdir()
        (volume / ".Trash").chmod(0o1777)
    file = world.put("a b\n.jpg", 0.9)
    world.put("b.jpg", 0.5)
    of_file = digest(file)
    with world.engine() as engine:
        world.settle(engine)
        trash(CLI, file)
        expected = f".Trash/{os.getuid()}" if shared else f".Trash-{os.getuid()}"
        (info,) = (volume / expected / "info").iterdir()
        assert "Path=inbox/" in info.read_text()
        world.settle(engine)
        with engine.ctx.store.read() as txn:
            assert labels.current(txn, "default", of_file) is not None
    restore(file)
    world.settled()
    assert label(world, of_file) is None


def test_trash_unplugged_volume_clears_nothing(world: World, tmp_path: Path) -> None:
    world.watch = {"xdg_trash": True, "keep": str(tmp_path / "disk" / "keep")}
    with mounted(tmp_path, "mkfs.ext4", "-q") as disk:
        file = disk / "keep" / "a.jpg"
        file.parent.mkdir()
        file.write_text("0.5 a")
        content, of_file = file.read_bytes(), digest(file)
        world.settled()
        trash(CLI, file)
        assert (disk / f".Trash-{os.getuid()}").exists()
        world.settled()
        assert label(world, of_file) is not None
    (world.inbox / "a copy.jpg").write_bytes(content)
    world.settled()
    found = label(world, of_file)
    assert found is not None and found.label == "trash"
