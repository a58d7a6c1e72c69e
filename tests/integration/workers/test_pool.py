"""Real worker processes: what kills one costs one file."""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.testing import eventually
from imgscore.watches import Watch
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    Interrupted,
    Plan,
    Planned,
    Refused,
    Train,
    Unreadable,
    Unstable,
)
from imgscore.workers.pool import NoWorkerError, Pool
from tests.conftest import draw
from tests.support.pools import real_pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        draw("sun", number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with real_pool(tmp_path, 2, file_seconds=60, idle_seconds=0.5) as pool:
        yield pool
        assert pool.alive <= 3


def run(pool: Pool, paths: list[bytes]) -> dict[bytes, Answer]:
    """Look at every path; the answers."""
    waiting = [IndexFile(path, "default", None) for path in paths]
    found: dict[bytes, Answer] = {}

    def answered() -> bool:
        while waiting and pool.submit(waiting[-1]):
            waiting.pop()
        for task, answer in pool.answers(1.0):
            assert isinstance(task, IndexFile)
            found[task.path] = answer
        return len(found) == len(paths)

    eventually(answered, what=lambda: f"answers to all files: {found}", pause=0.0)
    return found


def test_many_files_over_few_workers(pool: Pool, folder: Path) -> None:
    paths = [os.fsencode(path) for path in folder.iterdir()]
    found = run(pool, paths)
    assert all(
        isinstance(one, FileIndexed) and one.vector is not None and one.traits is not None
        for one in found.values()
    )
    assert len({one.digest for one in found.values() if isinstance(one, FileIndexed)}) == 6
    assert pool.alive == 2 and pool.busy == 0

    def ended() -> bool:
        pool.reap_idle(time.monotonic())
        pool.answers(0.1)
        return not pool.alive

    eventually(ended, what="idle workers end")


def test_what_is_not_a_readable_file(pool: Pool, folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to(folder / "0.png")
    (folder / "empty.png").touch()
    names = [b"pipe.png", b"link.png", b"missing.png", b"empty.png", b"1.png"]
    found = run(pool, [os.fsencode(folder) + b"/" + name for name in names])
    kinds = {os.path.split(path)[1]: answer for path, answer in found.items()}
    assert isinstance(kinds[b"pipe.png"], Unreadable)
    assert isinstance(kinds[b"link.png"], Unreadable)
    assert isinstance(kinds[b"missing.png"], Unstable)
    empty = kinds[b"empty.png"]
    assert isinstance(empty, FileIndexed) and empty.failure is not None
    assert empty.failure.reason == "empty file"
    assert isinstance(kinds[b"1.png"], FileIndexed)


def test_a_killed_worker_costs_one_file(pool: Pool, folder: Path) -> None:
    paths = [os.fsencode(path) for path in sorted(folder.iterdir())]
    run(pool, paths[:1])
    (victim,) = pool.pids()
    # While it is stopped it can answer nothing, so that the first of its two files is lost.
    os.kill(victim, 19)
    for path in paths[1:3]:
        assert pool.submit(IndexFile(path, "default", None))
    first = [task for task in pool.tasks(victim) if isinstance(task, IndexFile)]
    os.kill(victim, 9)
    found: dict[bytes, Answer] = {}
    while len(found) < 2:
        for task, answer in pool.answers(5.0):
            assert isinstance(task, IndexFile)
            found[task.path] = answer
    lost = [path for path, answer in found.items() if isinstance(answer, Crashed)]
    assert lost == [first[0].path]
    assert all(isinstance(found[path], FileIndexed) for path in found if path not in lost)


def test_a_worker_that_is_ended_from_outside_blames_no_file(pool: Pool, folder: Path) -> None:
    run(pool, [os.fsencode(folder / "0.png")])
    (victim,) = pool.pids()
    os.kill(victim, 19)
    assert pool.submit(IndexFile(os.fsencode(folder / "1.png"), "default", None))
    os.kill(victim, 15)  # as a session that ends does to all in it
    os.kill(victim, 18)
    (found,) = pool.answers(60.0)
    assert found[1] == Interrupted()


def test_a_file_that_takes_too_long(pool: Pool, folder: Path) -> None:
    run(pool, [os.fsencode(folder / "0.png")])
    (worker,) = pool.pids()
    # A decoder that hangs looks like this from outside: the alarm is pending, nothing else happens.
    os.kill(worker, 19)
    assert pool.submit(IndexFile(os.fsencode(folder / "1.png"), "default", None))
    os.kill(worker, 14)
    os.kill(worker, 18)
    (found,) = pool.answers(60.0)
    assert isinstance(found[1], Crashed) and "takes longer than 60 s" in found[1].reason


def test_too_few_labels_is_an_answer(pool: Pool, monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert pool.submit(Train("default"))
    (pid,) = pool.pids()
    found: list[tuple[object, Answer]] = []
    while not found:
        found += pool.answers(60.0)
    assert isinstance(found[0][1], Refused)
    # by now it is surely no copy of ours that has yet to become a worker;
    # numpy's threads wait by spinning, and torch has its own
    told = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"OPENBLAS_NUM_THREADS=1" in told and b"OMP_NUM_THREADS=1" not in told
    pool.reap_idle(time.monotonic())
    assert pool.alive == 0  # a training worker does not linger


def test_a_plan_is_not_made_where_was_learned(pool: Pool) -> None:
    """What both take together would be too much: see bench/retrain.py."""
    before: list[int] = []
    watch = Watch(b"/inbox", (), (), "default", "best-newest")
    for task in (Train("default"), Plan(watch, "1", [])):
        assert pool.submit(task)
        assert pool.pids() != before
        before = pool.pids()
        found: list[tuple[object, Answer]] = []
        while not found:
            found += pool.answers(60.0)
        assert found[0][0] == task
    assert isinstance(found[0][1], Planned) and pool.alive == 1


def test_no_worker_to_be_had(pool: Pool, folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        with pytest.raises(NoWorkerError, match="Too many open files"):
            pool.submit(IndexFile(os.fsencode(folder / "0.png"), "default", None))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(run(pool, [os.fsencode(folder / "0.png")]).popitem()[1], FileIndexed)


def test_a_worker_dies_and_no_other_is_to_be_had(pool: Pool, folder: Path) -> None:
    run(pool, [os.fsencode(folder / "0.png")])
    (victim,) = pool.pids()
    os.kill(victim, 19)
    for name in ("1.png", "2.png", "3.png"):  # the third starts a second worker
        assert pool.submit(IndexFile(os.fsencode(folder / name), "default", None))
    held = [task.path for task in pool.tasks(victim) if isinstance(task, IndexFile)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        os.kill(victim, 9)
        found: dict[bytes, Answer] = {}
        while not set(held) <= set(found):
            for task, answer in pool.answers(5.0):
                assert isinstance(task, IndexFile)
                found[task.path] = answer
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    first, second = (found[path] for path in held)
    assert isinstance(first, Crashed) and isinstance(second, Interrupted)


def test_a_worker_that_is_warmed_up_loads_the_model_before_it_has_a_file(
    pool: Pool, folder: Path
) -> None:
    pool.warm_up()
    pool.warm_up()
    (worker,) = pool.pids()

    def warm() -> bool:
        pool.answers(0.05)
        return pool.reap_idle(time.monotonic()) is not None or not pool.alive

    eventually(warm, what="the worker is idle")
    assert pool.alive and "onnxruntime" in Path(f"/proc/{worker}/maps").read_text()
    assert isinstance(run(pool, [os.fsencode(folder / "0.png")]).popitem()[1], FileIndexed)
    assert pool.pids() == [worker]
