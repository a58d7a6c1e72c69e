"""The trash folders that the FreeDesktop trash specification allows."""

import os
from pathlib import Path

import pytest

from imgscore.reconcile.xdg_trash import Trash, trashes

UID = str(os.getuid())


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """The top folder of a volume."""
    (tmp_path / "disk" / "inbox").mkdir(parents=True)
    return tmp_path / "disk"


def trashes_of(top: Path) -> list[Trash]:
    """Return the trash folders of a watch on the volume; two other disks are mounted, too."""
    lines = [
        f"36 35 98:0 / {point} rw - ext4 /dev/sda rw" for point in ("/", "/other-disk", str(top))
    ]
    return trashes(
        os.fsencode(top.parent / "Trash"), [os.fsencode(top / "inbox")], "\n".join(lines).encode()
    )


def test_trashes_includes_the_home_trash(top: Path) -> None:
    assert trashes_of(top) == []
    (top.parent / "Trash").mkdir()
    assert trashes_of(top) == [Trash(os.fsencode(top.parent / "Trash"), os.fsencode(top.parent))]


def test_trashes_of_a_volume_includes_its_own_trash(top: Path) -> None:
    own = top / f".Trash-{UID}"
    own.mkdir()
    assert trashes_of(top) == [Trash(os.fsencode(own), os.fsencode(top))]
    own.rename(top / "kept")
    own.symlink_to(top / "kept")
    assert trashes_of(top) == []


def test_trashes_shared_trash_must_be_sticky_and_no_link(top: Path) -> None:
    shared = top / ".Trash"
    (shared / UID).mkdir(parents=True)
    shared.chmod(0o777)
    assert trashes_of(top) == []
    shared.chmod(0o1777)
    assert trashes_of(top) == [Trash(os.fsencode(shared / UID), os.fsencode(top))]
    shared.rename(top / "kept")
    shared.symlink_to(top / "kept")
    assert trashes_of(top) == []
