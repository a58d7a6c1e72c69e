"""Listing folders, and folders that cannot be listed."""

import os
from pathlib import Path

import pytest

from imgscore.reconcile import walk
from imgscore.reconcile.walk import Listing, Unlisted


def test_walk_disk_fails_in_a_folder_reports_it_as_unlisted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __enter__(self) -> "Failing":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def __iter__(self) -> "Failing":
            return self

        def __next__(self) -> os.DirEntry[bytes]:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(walk.os, "scandir", lambda _: Failing())
    folder = os.fsencode(tmp_path)
    assert list(walk.walk(folder)) == [Unlisted(folder, "Input/output error")]


def test_listings_large_folder_is_split_and_names_are_bytes(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    names = [b"a.png", b"b.JPG", b"\xff\xfe.png", b"in/c.png"]
    os.mkdir(folder + b"/in")
    os.mkdir(folder + b"/.hidden")
    for name in [*names, b"notes.txt", b".d.png", b".hidden/e.png"]:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    os.symlink(b"a.png", folder + b"/link.png")
    files = list(walk.walk(folder))
    assert sorted(file.path for file in files) == sorted(folder + b"/" + name for name in names)
    parts = [part for part in walk.listings(folder, limit=2) if isinstance(part, Listing)]
    assert [len(part.names) for part in parts if part.folder == folder] == [2, 1]
    sizes = {
        os.path.join(part.folder, name): status.st_size
        for part in parts
        for name, status in zip(part.names, part.stats, strict=True)
    }
    assert sizes == {folder + b"/" + name: len(name) for name in names}
