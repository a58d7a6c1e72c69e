"""Folders of links on memory cards, full disks and read-only disks."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from imgscore.errors import ImgscoreError
from imgscore.links.folder import Image, Options, clear, refresh
from tests.support.disks import mounted


def images(folder: Path, *names: str, size: int = 1000) -> list[Image]:
    folder.mkdir(exist_ok=True)
    found = []
    for name in names:
        content = os.fsencode(name) * (size // len(name))
        (folder / name).write_bytes(content)
        found.append(Image(hashlib.sha256(content).digest(), os.fsencode(folder / name)))
    return found


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_refresh_on_a_memory_card_makes_copies_and_refuses_links(tmp_path: Path) -> None:
    wanted = images(tmp_path / "inbox", "a.jpg", 'what?: "x".jpg', "A.JPG")
    with mounted(tmp_path, "mkfs.vfat") as card:
        target = os.fsencode(card / "best")
        with pytest.raises(ImgscoreError, match="without symbolic links") as raised:
            refresh(target, wanted, Options())
        assert raised.value.remedy == "make copies: --copy"
        with pytest.raises(ImgscoreError, match="another file system") as raised:
            refresh(target, wanted, Options("hard"))
        assert "--copy" in raised.value.remedy
        changes = refresh(target, wanted, Options("copy"))
        assert [change.error for change in changes] == [None] * 3
        assert len(visible(card / "best")) == 3
        changes = refresh(target, wanted[::-1], Options("copy", rank_prefix=True))
        assert {change.what for change in changes} == {"renamed"}
        assert "0003 a.jpg" in visible(card / "best")
        changes = refresh(target, wanted[:1], Options("copy"))
        assert [change.what for change in changes] == ["renamed", "removed", "removed"]
        clear(target)
        assert not (card / "best").exists()


def test_refresh_on_a_full_disk_says_so_and_goes_on_later(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(8)]
    wanted = images(tmp_path / "inbox", *names, size=4 << 20)
    with mounted(tmp_path, "mkfs.ext4") as disk:
        target = os.fsencode(disk / "best")
        with pytest.raises(ImgscoreError, match="the disk is full") as raised:
            refresh(target, wanted, Options("copy"))
        assert "--top" in raised.value.remedy
        made = visible(disk / "best")
        assert 0 < len(made) < len(names)
        changes = refresh(target, wanted[:2], Options("copy"))
        assert {change.what for change in changes} == {"kept", "removed"}
        assert visible(disk / "best") == {"0.jpg", "1.jpg"}


def test_refresh_on_a_read_only_disk_says_what_to_do(tmp_path: Path) -> None:
    wanted = images(tmp_path / "inbox", "a.jpg", "b.jpg")
    with mounted(tmp_path, "mkfs.ext4") as disk:
        refresh(os.fsencode(disk / "best"), wanted[:1], Options())
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(ImgscoreError, match="Read-only file system") as raised:
            refresh(os.fsencode(disk / "best"), wanted[1:], Options())
        assert "permissions" in raised.value.remedy
        assert visible(disk / "best") == {"a.jpg"}
