"""Images of 100 megapixels among small ones: nothing stalls, memory stays bounded, one read."""

import hashlib
import os
import signal
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgscore.testing import eventually
from imgscore.workers import process
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    FileTask,
    IndexFile,
    MakeThumbnail,
    Task,
    ThumbnailMade,
)
from imgscore.workers.pool import Pool
from imgscore.workers.process import LOW_MEMORY_BYTES, MAX_BYTES
from tests.conftest import draw
from tests.support.pools import real_pool

DECODED_MEGAPIXEL = 4_000_000  # bytes of Pillow's


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with real_pool(tmp_path, 2, file_seconds=60, idle_seconds=60) as pool:
        yield pool


def huge_png(path: Path, megapixels: int) -> bytes:
    """A black PNG of that size; a few hundred kilobytes."""
    width, height = 10_000, megapixels * 100
    rows = (b"\4" + bytes(3 * width)) * 100  # Paeth: the slowest to undo
    pack = zlib.compressobj(1)
    data = b"".join([*(pack.compress(rows) for _ in range(megapixels)), pack.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")):
            file.write(struct.pack(">I", len(body)) + kind + body)
            file.write(struct.pack(">I", zlib.crc32(kind + body)))
    return os.fsencode(path)


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"no VmHWM of {pid}")


def small_pngs(folder: Path, count: int) -> list[bytes]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        draw("sun", number).save(path)
    return [os.fsencode(path) for path in paths]


def until(pool: Pool, condition: Callable[[], bool]) -> list[tuple[Task, Answer]]:
    """What is answered meanwhile."""
    found: list[tuple[Task, Answer]] = []

    def reached() -> bool:
        if not condition():
            found.extend(pool.answers(1.0))
            return False
        return True

    eventually(reached, what=lambda: f"answers: {found}", pause=0.0)
    return found


def answered(pool: Pool, tasks: list[FileTask]) -> list[tuple[Task, Answer]]:
    """The answers to all of these, handed out in their order, as they come."""
    found: list[tuple[Task, Answer]] = []
    for task in tasks:
        found += until(pool, pool.has_room)
        assert pool.submit(task)
    return found + until(pool, lambda: not pool.busy)


def looks(paths: list[bytes]) -> list[FileTask]:
    return [IndexFile(path, "default", None) for path in paths]


def warm(pool: Pool, folder: Path) -> tuple[int, int]:
    """Both workers, up and with all that they load: the able one, then the modest one."""
    first, second = (folder / name for name in ("first.png", "second.png"))
    for number, path in enumerate((first, second)):
        draw("text", number).save(path)
        assert pool.submit(IndexFile(os.fsencode(path), "default", None))
    until(pool, lambda: not pool.busy)
    able, low_memory = pool.pids()
    return able, low_memory


def test_huge_images_stall_nothing_and_memory_stays_bounded(pool: Pool, tmp_path: Path) -> None:
    able, low_memory = warm(pool, tmp_path)
    at_rest = peak_bytes(low_memory)
    huge = [huge_png(tmp_path / "huge.png", 100)]
    huge.append(huge[0] + b".copy.png")
    Path(os.fsdecode(huge[1])).write_bytes(Path(os.fsdecode(huge[0])).read_bytes() + b"another")
    small = small_pngs(tmp_path, 50)
    found = answered(pool, looks([*huge, *small]))
    assert all(isinstance(answer, FileIndexed) and not answer.failure for _, answer in found)
    order = [task.path for task, _ in found if isinstance(task, IndexFile)]
    assert sorted(order) == sorted([*huge, *small])  # each once
    assert order[-1] in huge  # two at once would have left nobody for the small ones
    assert peak_bytes(able) > at_rest + 90 * DECODED_MEGAPIXEL  # one of them at least
    assert peak_bytes(able) < at_rest + 150 * DECODED_MEGAPIXEL < MAX_BYTES
    assert peak_bytes(low_memory) < at_rest + 32 * DECODED_MEGAPIXEL < LOW_MEMORY_BYTES


@pytest.fixture
def needs_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Three images too large for workers that are more modest than usual."""
    monkeypatch.setattr(process, "LOW_MEMORY_BYTES", 100 << 20)
    return [huge_png(tmp_path / f"{number}-heavy.png", 20 + number) for number in range(3)]


def test_what_needs_much_memory_survives_the_worker_that_may_take_it(
    pool: Pool, tmp_path: Path, needs_memory: list[bytes]
) -> None:
    able, low_memory = warm(pool, tmp_path)
    os.kill(able, signal.SIGSTOP)
    for path in needs_memory[:2]:
        assert pool.submit(IndexFile(path, "default", None))
    assert not until(pool, lambda: not pool.tasks(low_memory))  # it hands its own on
    assert pool.busy == 2 and len(pool.tasks(able)) == 2
    os.kill(able, signal.SIGKILL)
    (_, lost), (_, done) = until(pool, lambda: not pool.busy)
    assert isinstance(lost, Crashed) and isinstance(done, FileIndexed) and not done.failure


def test_what_is_broken_is_told_by_who_has_the_memory(pool: Pool, tmp_path: Path) -> None:
    """A decoder that runs out of memory may say anything: HEIC's calls the file broken."""
    able, low_memory = warm(pool, tmp_path)
    sound, other = small_pngs(tmp_path, 2)
    data = bytearray(Path(os.fsdecode(other)).read_bytes())
    data[len(data) // 2] ^= 255
    broken = other + b".broken.png"
    Path(os.fsdecode(broken)).write_bytes(data)
    os.kill(able, signal.SIGSTOP)
    for path in (sound, broken):
        assert pool.submit(IndexFile(path, "default", None))
    assert not until(pool, lambda: not pool.tasks(low_memory) and len(pool.tasks(able)) == 2)
    os.kill(able, signal.SIGCONT)
    (_, first), (task, second) = until(pool, lambda: not pool.busy)
    assert isinstance(first, FileIndexed) and not first.failure
    assert isinstance(second, FileIndexed) and second.failure is not None
    assert second.failure.reason.startswith("broken PNG")
    assert task == IndexFile(broken, "default", None)


def test_a_thumbnail_of_what_needs_much_memory(
    pool: Pool, tmp_path: Path, needs_memory: list[bytes]
) -> None:
    warm(pool, tmp_path)
    tasks: list[FileTask] = []
    for number, path in enumerate(needs_memory):
        digest = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest()
        thumbnail = tmp_path / "heads" / f"{number}.webp"  # where workers may write
        tasks.append(MakeThumbnail(path, digest, os.fsencode(thumbnail)))
    assert [answer for _, answer in answered(pool, tasks)] == [ThumbnailMade()] * 3


def test_a_file_is_read_once(pool: Pool, tmp_path: Path) -> None:
    warm(pool, tmp_path)
    path, size = tmp_path / "large.jpg", 64 << 20
    draw("sun", 1).save(path)
    os.truncate(path, size)
    before = bytes_read(pool)
    ((_, answer),) = answered(pool, looks([os.fsencode(path)]))
    assert isinstance(answer, FileIndexed) and not answer.failure
    assert size <= bytes_read(pool) - before < 1.01 * size


def bytes_read(pool: Pool) -> int:
    """What all workers have read so far, from files and pipes."""
    lines = [Path(f"/proc/{pid}/io").read_text().splitlines()[0] for pid in pool.pids()]
    return sum(int(line.removeprefix("rchar: ")) for line in lines)
