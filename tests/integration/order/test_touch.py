"""Touching one file on real file systems: the exact date, or a typed error."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imgscore.order import touch as touch_module
from imgscore.order.touch import (
    ChangedError,
    DeniedError,
    ReadOnlyError,
    Seen,
    TouchError,
    VanishedError,
    touch,
)
from tests.support import needs
from tests.support.disks import mounted

WHEN = 1_700_000_000 * 10**9


def seen(path: Path) -> Seen:
    status = path.lstat()
    return Seen(
        status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns
    )


def set_date(path: bytes, expect: Seen, after_ns: int) -> int:
    """Touch a file; the date that the file system stored."""
    return touch(path, expect, after_ns).seen.mtime_ns


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a picture.jpg"
    path.write_bytes(b"not looked at")
    return path


def test_touch_sets_the_mtime_and_keeps_the_atime(picture: Path) -> None:
    os.utime(picture, ns=(1_234_567_890_123_456_789, 5))
    assert set_date(bytes(picture), seen(picture), WHEN) == WHEN
    assert picture.stat().st_mtime_ns == WHEN
    assert picture.stat().st_atime_ns == 1_234_567_890_123_456_789
    exact = 987_654_321_123_456_789
    assert set_date(bytes(picture), seen(picture), exact) == exact, (
        "restore-times: to the nanosecond"
    )


def test_touch_name_of_any_bytes_without_read_permission_works(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff\xfe.jpg"))
    path.touch(mode=0o000)
    assert set_date(os.fsencode(path), seen(path), WHEN) == WHEN


def test_touch_symlink_is_refused(picture: Path) -> None:
    link = picture.with_name("link.jpg")
    link.symlink_to(picture)
    before = (seen(picture), seen(link))
    for expect in before:
        with pytest.raises(ChangedError):
            touch(bytes(link), expect, WHEN)
    assert (seen(picture), seen(link)) == before


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_touch_no_regular_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    other = tmp_path / "other"
    make(other)
    before = seen(other)
    with pytest.raises(ChangedError):
        touch(bytes(other), before, WHEN)
    assert seen(other) == before


def test_touch_changed_mtime_or_inode_is_refused(picture: Path) -> None:
    expect = seen(picture)
    os.utime(picture, ns=(0, 77))
    with pytest.raises(ChangedError) as caught:
        touch(bytes(picture), expect, WHEN)
    assert caught.value.path == bytes(picture)
    assert caught.value.remedy
    expect = seen(picture)
    replacement = picture.with_name("new")
    replacement.write_bytes(b"other")
    os.utime(replacement, ns=(0, 77))
    replacement.rename(picture)
    with pytest.raises(ChangedError):
        touch(bytes(picture), expect, WHEN)
    assert picture.stat().st_mtime_ns == 77


def test_touch_rewritten_file_with_its_old_mtime_is_refused(picture: Path) -> None:
    expect = seen(picture)
    picture.write_bytes(b"NOT LOOKED AT")  # as large as before
    os.utime(picture, ns=(0, expect.mtime_ns))
    with pytest.raises(ChangedError):
        touch(bytes(picture), expect, WHEN)
    assert picture.stat().st_mtime_ns == expect.mtime_ns


def test_touch_missing_file_raises_vanished(picture: Path) -> None:
    expect = seen(picture)
    with pytest.raises(VanishedError):
        touch(bytes(picture / "below"), expect, WHEN)
    picture.unlink()
    with pytest.raises(VanishedError):
        touch(bytes(picture), expect, WHEN)


def test_touch_without_proc_does_not_raise_vanished(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(touch_module, "DESCRIPTORS", "/nowhere/self/fd")
    with pytest.raises(TouchError) as caught:
        touch(bytes(picture), seen(picture), WHEN)
    assert type(caught.value) is TouchError


def test_touch_file_of_another_user_is_denied(picture: Path) -> None:
    needs.root("to give a file away and then step down")
    # Other users cannot enter tmp_path: open it through a descriptor.
    descriptor = os.open(picture.parent, os.O_PATH)
    picture.chmod(0o644)
    expect = seen(picture)
    os.seteuid(65_534)
    try:
        with pytest.raises(DeniedError):
            touch(f"/proc/self/fd/{descriptor}/{picture.name}".encode(), expect, WHEN)
    finally:
        os.seteuid(0)
        os.close(descriptor)
    assert seen(picture) == expect


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a new file system, made by the given mkfs command; unmounts it after the test."""
    with ExitStack() as stack:
        yield lambda *make: stack.enter_context(mounted(tmp_path, *make))


def test_touch_on_ext4_stores_nanoseconds(disk: Callable[..., Path]) -> None:
    path = disk("mkfs.ext4", "-q", "-I", "256") / "a.jpg"
    path.touch()
    assert set_date(bytes(path), seen(path), WHEN + 123_456_789) == WHEN + 123_456_789


def test_touch_on_ext4_with_small_inodes_returns_whole_seconds(
    disk: Callable[..., Path],
) -> None:
    path = disk("mkfs.ext4", "-q", "-I", "128") / "a.jpg"
    path.touch()
    assert set_date(bytes(path), seen(path), WHEN) == WHEN
    assert set_date(bytes(path), seen(path), WHEN + 123_456_789) == WHEN
    assert set_date(bytes(path), seen(path), WHEN + 10**9) == WHEN + 10**9


def test_touch_on_fat_returns_even_seconds(disk: Callable[..., Path]) -> None:
    path = disk("mkfs.vfat") / "a.jpg"
    path.touch()
    assert set_date(bytes(path), seen(path), WHEN) == WHEN
    assert set_date(bytes(path), seen(path), WHEN + 1_500_000_000) == WHEN


def test_touch_immutable_file_or_read_only_mount_raises_its_error(
    disk: Callable[..., Path],
) -> None:
    point = disk("mkfs.ext4", "-q")
    path = point / "a.jpg"
    path.touch()
    subprocess.run(["chattr", "+i", path], check=True)
    expect = seen(path)
    with pytest.raises(DeniedError):
        touch(bytes(path), expect, WHEN)
    subprocess.run(["chattr", "-i", path], check=True)
    expect = seen(path)
    subprocess.run(["mount", "-o", "remount,ro", point], check=True)
    with pytest.raises(ReadOnlyError):
        touch(bytes(path), expect, WHEN)
    assert seen(path) == expect


def test_touch_on_tmpfs_stores_nanoseconds() -> None:
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        pytest.skip("cannot write to /dev/shm")
    path = shm / f"imgscore-test-{os.getpid()}"
    path.touch()
    try:
        assert set_date(bytes(path), seen(path), WHEN + 1) == WHEN + 1
    finally:
        path.unlink()
