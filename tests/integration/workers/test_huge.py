"""Images of 100 megapixels among small ones: no delay, bounded memory, each file read once."""

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

DECODED_MEGAPIXEL = 4_000_000
"""Bytes that Pillow takes for a megapixel of RGB: 4 a pixel."""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with real_pool(tmp_path, 2, file_seconds=600, idle_seconds=60) as pool:
        yield pool


def huge_png(path: Path, megapixels: int) -> bytes:
    """Write a black PNG of that size, of a few hundred kilobytes."""
    width, height = 10_000, megapixels * 100
    rows = (b"\4" + bytes(3 * width)) * 100  # the Paeth filter: the slowest to decode
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
    """The peak of the resident memory of a process."""
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
    """Wait for a condition; return the answers until then."""
    answers: list[tuple[Task, Answer]] = []

    def reached() -> bool:
        if not condition():
            answers.extend(pool.answers(1.0))
            return False
        return True

    eventually(reached, what=lambda: f"answers: {answers}", pause=0.0)
    return answers


def run(pool: Pool, tasks: list[FileTask]) -> list[tuple[Task, Answer]]:
    """Submit tasks in order; return their answers in the order of arrival."""
    answers: list[tuple[Task, Answer]] = []
    for task in tasks:
        answers += until(pool, pool.has_room)
        assert pool.submit(task)
    return answers + until(pool, lambda: not pool.busy)


def index_tasks(paths: list[bytes]) -> list[FileTask]:
    return [IndexFile(path, "default", None) for path in paths]


def warm_up(pool: Pool, folder: Path) -> tuple[int, int]:
    """Start both workers, with the model; return their pids: the large, the low-memory one."""
    first, second = (folder / name for name in ("first.png", "second.png"))
    for number, path in enumerate((first, second)):
        draw("text", number).save(path)
        assert pool.submit(IndexFile(os.fsencode(path), "default", None))
    until(pool, lambda: not pool.busy)
    large, low_memory = pool.pids()
    return large, low_memory


def test_pool_huge_images_delay_no_small_ones_and_bound_memory(pool: Pool, tmp_path: Path) -> None:
    large, low_memory = warm_up(pool, tmp_path)
    at_rest = peak_bytes(low_memory)
    huge = [huge_png(tmp_path / "huge.png", 100)]
    huge.append(huge[0] + b".copy.png")
    Path(os.fsdecode(huge[1])).write_bytes(Path(os.fsdecode(huge[0])).read_bytes() + b"another")
    small = small_pngs(tmp_path, 50)
    answers = run(pool, index_tasks([*huge, *small]))
    assert all(isinstance(answer, FileIndexed) and not answer.failure for _, answer in answers)
    order = [task.path for task, _ in answers if isinstance(task, IndexFile)]
    assert sorted(order) == sorted([*huge, *small])  # each once
    assert order[-1] in huge  # decoded at the same time, they would have delayed the small ones
    assert peak_bytes(large) > at_rest + 90 * DECODED_MEGAPIXEL  # it decoded at least one
    assert peak_bytes(large) < at_rest + 150 * DECODED_MEGAPIXEL < MAX_BYTES
    assert peak_bytes(low_memory) < at_rest + 32 * DECODED_MEGAPIXEL < LOW_MEMORY_BYTES


@pytest.fixture
def needs_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Three images too large for low-memory workers with a lower limit than usual."""
    monkeypatch.setattr(process, "LOW_MEMORY_BYTES", 100 << 20)
    return [huge_png(tmp_path / f"{number}-heavy.png", 20 + number) for number in range(3)]


def test_pool_when_the_large_worker_dies_keeps_its_files(
    pool: Pool, tmp_path: Path, needs_memory: list[bytes]
) -> None:
    large, low_memory = warm_up(pool, tmp_path)
    os.kill(large, signal.SIGSTOP)
    for path in needs_memory[:2]:
        assert pool.submit(IndexFile(path, "default", None))
    assert not until(
        pool, lambda: not pool.tasks(low_memory)
    )  # the low-memory worker passes its file on
    assert pool.busy == 2 and len(pool.tasks(large)) == 2
    os.kill(large, signal.SIGKILL)
    answers = until(pool, lambda: not pool.busy)
    assert {task for task, _ in answers} == {
        IndexFile(path, "default", None) for path in needs_memory[:2]
    }
    for _, done in answers:  # also the file that was read at the time, by a fresh worker
        assert isinstance(done, FileIndexed) and not done.failure


def test_pool_low_memory_worker_passes_broken_file_on(pool: Pool, tmp_path: Path) -> None:
    """A decoder without enough memory can raise any error: HEIC's calls the file broken."""
    large, low_memory = warm_up(pool, tmp_path)
    sound, other = small_pngs(tmp_path, 2)
    data = bytearray(Path(os.fsdecode(other)).read_bytes())
    data[len(data) // 2] ^= 255
    broken = other + b".broken.png"
    Path(os.fsdecode(broken)).write_bytes(data)
    os.kill(large, signal.SIGSTOP)
    for path in (sound, broken):
        assert pool.submit(IndexFile(path, "default", None))
    passed_on = until(pool, lambda: not pool.tasks(low_memory) and len(pool.tasks(large)) == 2)
    assert not passed_on
    os.kill(large, signal.SIGCONT)
    (_, first), (task, second) = until(pool, lambda: not pool.busy)
    assert isinstance(first, FileIndexed) and not first.failure
    assert isinstance(second, FileIndexed) and second.failure is not None
    assert second.failure.reason.startswith("broken PNG")
    assert task == IndexFile(broken, "default", None)


def test_pool_thumbnails_of_large_images_are_made(
    pool: Pool, tmp_path: Path, needs_memory: list[bytes]
) -> None:
    warm_up(pool, tmp_path)
    tasks: list[FileTask] = []
    for number, path in enumerate(needs_memory):
        digest = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest()
        thumbnail = tmp_path / "heads" / f"{number}.webp"  # where workers may write
        tasks.append(MakeThumbnail(path, digest, os.fsencode(thumbnail)))
    assert [answer for _, answer in run(pool, tasks)] == [ThumbnailMade()] * 3


def test_pool_reads_a_file_once(pool: Pool, tmp_path: Path) -> None:
    warm_up(pool, tmp_path)
    path, size = tmp_path / "large.jpg", 64 << 20
    draw("sun", 1).save(path)
    os.truncate(path, size)
    before = bytes_read(pool)
    ((_, answer),) = run(pool, index_tasks([os.fsencode(path)]))
    assert isinstance(answer, FileIndexed) and not answer.failure
    assert size <= bytes_read(pool) - before < 1.01 * size


def bytes_read(pool: Pool) -> int:
    """Bytes that all workers have read so far, from files and pipes."""
    lines = [Path(f"/proc/{pid}/io").read_text().splitlines()[0] for pid in pool.pids()]
    return sum(int(line.removeprefix("rchar: ")) for line in lines)


def test_pool_gives_an_image_that_needs_memory_to_the_large_worker_with_fewest_tasks(
    tmp_path: Path, needs_memory: list[bytes]
) -> None:
    with real_pool(tmp_path, 3, file_seconds=60, idle_seconds=60, large_workers=2) as pool:
        small = index_tasks(small_pngs(tmp_path, 4))
        for task in small[:3]:
            assert pool.submit(task)
        until(pool, lambda: not pool.busy)
        busiest, other, low_memory = pool.pids()
        for pid in (busiest, other, low_memory):
            os.kill(pid, signal.SIGSTOP)
        for task in small:
            assert pool.submit(task)
        os.kill(low_memory, signal.SIGCONT)
        until(pool, lambda: not pool.tasks(low_memory))
        (needing,) = index_tasks(needs_memory[:1])
        assert pool.submit(needing)
        assert not until(pool, lambda: not pool.tasks(low_memory))
        assert pool.tasks(busiest) == [small[0], small[3]]
        assert pool.tasks(other) == [small[1], needing]
        os.kill(other, signal.SIGCONT)
        answers = dict(until(pool, lambda: not pool.tasks(other)))
        indexed = answers[needing]  # the other large worker is still stopped
        assert isinstance(indexed, FileIndexed) and not indexed.failure
