"""Recycle bins, caches and snapshots in a watched folder are skipped."""

import os

import pytest

from imgscore.verbs.status import status
from tests.integration.engine.conftest import World
from tests.support.place_labels import label_of, move

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
