import errno
import os
import stat
from pathlib import Path

import pytest

from imgscore.fsutil import open_regular, open_without_links, replacing, sync, write_atomic


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def test_open_regular_reads_a_file(folder: Path) -> None:
    (folder / "a").write_bytes(b"bytes")
    with open_regular(folder / "a") as file:
        assert file.read() == b"bytes"
    with open_regular(os.fsencode(folder / "a")) as file:
        assert file.read() == b"bytes"


def test_open_regular_of_a_link_raises(folder: Path) -> None:
    (folder / "a").write_bytes(b"bytes")
    (folder / "link").symlink_to("a")
    with pytest.raises(OSError, match="link") as caught:
        open_regular(folder / "link")
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_open_regular_of_another_kind_raises_and_leaves_no_descriptor(folder, make) -> None:
    make(folder / "a")
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(folder / "a")
    assert set(os.listdir("/proc/self/fd")) == before


def test_write_atomic_replaces_the_content(folder: Path) -> None:
    file = folder / "a"
    for text in (b"one", b"two"):
        write_atomic(file, text)
        assert file.read_bytes() == text
    assert os.listdir(folder) == ["a"]


def test_write_atomic_with_a_name_of_255_bytes_writes_it(folder: Path) -> None:
    file = os.fsencode(folder) + b"/" + b"\xff" * 255
    write_atomic(file, b"bytes", durable=False)
    assert os.listdir(os.fsencode(folder)) == [b"\xff" * 255]


def test_write_atomic_with_a_relative_name_writes_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    write_atomic("a", b"bytes")
    assert (folder / "a").read_bytes() == b"bytes"


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_write_atomic_with_a_mode_ignores_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(folder / "a", b"", mode=0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o600


def test_write_atomic_without_a_mode_obeys_the_umask(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(folder / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o640


def test_replacing_when_the_block_raises_leaves_the_old_file(folder: Path) -> None:
    file = folder / "a"
    file.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(file) as new:
        new.write(b"new")
        raise ZeroDivisionError
    assert file.read_bytes() == b"old"
    assert os.listdir(folder) == ["a"]


def test_replacing_of_a_link_replaces_the_link(folder: Path) -> None:
    (folder / "victim").write_bytes(b"old")
    (folder / "link").symlink_to("victim")
    write_atomic(folder / "link", b"new")
    assert (folder / "victim").read_bytes() == b"old"
    assert (folder / "link").read_bytes() == b"new" and not (folder / "link").is_symlink()


def test_sync_accepts_a_file_and_a_folder(folder: Path) -> None:
    (folder / "a").write_bytes(b"bytes")
    sync(folder / "a")
    sync(folder)


def test_open_without_links_reads_only_plain_paths(folder: Path) -> None:
    real = Path(os.path.realpath(folder))
    (real / "a" / "b").mkdir(parents=True)
    (real / "a" / "b" / "file").write_bytes(b"content")
    (real / "link").symlink_to("a")
    (real / "a" / "b" / "end").symlink_to("file")
    with open_without_links(os.fsencode(real / "a" / "b" / "file")) as file:
        assert file.read() == b"content"
    for wrong in ("link/b/file", "a/b/end", "a/b", "a/../a/b/file", "a//b/file", "a/b/none"):
        with pytest.raises(OSError):
            open_without_links(os.fsencode(real) + b"/" + wrong.encode())
    with pytest.raises(OSError):
        open_without_links(b"a/b/file")
