"""A pool of real worker processes."""

import math
import os
import resource
import signal
import struct
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.errors import ImgscoreError
from imgscore.store.schema import Fingerprint
from imgscore.testing import eventually
from imgscore.watches import Watch
from imgscore.workers.frames import frame
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    Interrupted,
    Plan,
    Planned,
    Ready,
    Refused,
    Scored,
    Train,
    Unreadable,
    Unstable,
)
from imgscore.workers.order_messages import OrderPrepared, PrepareOrder
from imgscore.workers.pool import NoWorkerError, Pool, WorkerSettings
from tests.conftest import draw
from tests.support.pools import real_pool

HOSTILE_WORKER = Path(__file__).parents[2] / "support/hostile_worker"
SEEN = Fingerprint(1, 1, 1, 1, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        draw("sun", number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with real_pool(tmp_path, 2, file_seconds=600, idle_seconds=0.5) as pool:
        yield pool
        assert pool.alive <= 3


def run(pool: Pool, paths: list[bytes]) -> dict[bytes, Answer]:
    """Index every path; return the answers by path."""
    waiting = [IndexFile(path, "default", None) for path in paths]
    answers: dict[bytes, Answer] = {}

    def answered() -> bool:
        while waiting and pool.submit(waiting[-1]):
            waiting.pop()
        for task, answer in pool.answers(1.0):
            assert isinstance(task, IndexFile)
            answers[task.path] = answer
        return len(answers) == len(paths)

    eventually(answered, what=lambda: f"answers to all files: {answers}", pause=0.0)
    return answers


def test_pool_submit_all_gives_each_worker_as_many_tasks(pool: Pool, folder: Path) -> None:
    tasks = deque[IndexFile](
        IndexFile(os.fsencode(path), "default", None) for path in sorted(folder.iterdir())
    )
    paths = [task.path for task in tasks if isinstance(task, IndexFile)]
    assert pool.room == 2  # one for each worker that can be started
    pool.submit_all(tasks)
    assert [len(pool.tasks(pid)) for pid in pool.pids()] == [2, 2] and len(tasks) == 2
    assert pool.room == 0 and not pool.has_room()
    done: list[bytes] = []

    def answered() -> bool:
        pool.submit_all(tasks)
        for task, answer in pool.answers(1.0):
            assert isinstance(task, IndexFile) and isinstance(answer, FileIndexed)
            done.append(task.path)
        return len(done) == len(paths)

    eventually(answered, pause=0.0)
    assert sorted(done) == paths and not tasks


def test_pool_submit_all_unencodable_task_stays(pool: Pool) -> None:
    tasks = deque[IndexFile]([IndexFile(b"/a.png", "\ud800", None)])
    with pytest.raises(ImgscoreError, match="cannot be encoded"):
        pool.submit_all(tasks)
    assert len(tasks) == 1 and all(not pool.tasks(pid) for pid in pool.pids())


def test_pool_collect_keeps_answers_and_makes_room(pool: Pool, folder: Path) -> None:
    waiting = [IndexFile(os.fsencode(path), "default", None) for path in folder.iterdir()]

    def sent() -> bool:
        while waiting and pool.submit(waiting[-1]):
            waiting.pop()
        pool.collect(0.1)
        return not waiting and not pool.busy

    eventually(sent, pause=0.0)
    answers = pool.answers(0.0)
    assert len(answers) == 6
    assert all(isinstance(answer, FileIndexed) for _, answer in answers)
    assert pool.answers(0.0) == []


def test_pool_many_files_are_answered_and_workers_end(pool: Pool, folder: Path) -> None:
    paths = [os.fsencode(path) for path in folder.iterdir()]
    answers = run(pool, paths)
    assert all(
        isinstance(answer, FileIndexed) and answer.vector is not None and answer.traits is not None
        for answer in answers.values()
    )
    assert (
        len({answer.digest for answer in answers.values() if isinstance(answer, FileIndexed)}) == 6
    )
    assert pool.alive == 2 and pool.busy == 0

    def ended() -> bool:
        pool.reap_idle(time.monotonic())
        pool.answers(0.1)
        return not pool.alive

    eventually(ended, what="idle workers end")


def test_pool_unreadable_files_are_answered_by_kind(pool: Pool, folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to(folder / "0.png")
    (folder / "empty.png").touch()
    names = [b"pipe.png", b"link.png", b"missing.png", b"empty.png", b"1.png"]
    answers = run(pool, [os.fsencode(folder) + b"/" + name for name in names])
    kinds = {os.path.split(path)[1]: answer for path, answer in answers.items()}
    assert isinstance(kinds[b"pipe.png"], Unreadable)
    assert kinds[b"link.png"] == Unreadable(
        "is a symbolic link", "give the file that the link points to"
    )
    assert isinstance(kinds[b"missing.png"], Unstable)
    empty = kinds[b"empty.png"]
    assert isinstance(empty, FileIndexed) and empty.failure is not None
    assert empty.failure.reason == "empty file"
    assert isinstance(kinds[b"1.png"], FileIndexed)


def answers_of(pool: Pool, count: int) -> dict[bytes, Answer]:
    """The next answers about files, by path."""
    answers: dict[bytes, Answer] = {}

    def all_there() -> bool:
        for task, answer in pool.answers(1.0):
            assert isinstance(task, IndexFile)
            answers[task.path] = answer
        return len(answers) == count

    eventually(all_there, what=lambda: f"{count} answers: {answers}", pause=0.0)
    return answers


def stopped_with(pool: Pool, folder: Path, *names: str) -> int:
    """A worker that is stopped while it has tasks, so that it answers nothing; its pid."""
    run(pool, [os.fsencode(folder / "0.png")])
    (victim,) = pool.pids()
    os.kill(victim, signal.SIGSTOP)
    for name in names:
        assert pool.submit(IndexFile(os.fsencode(folder / name), "default", None))
    return victim


def end(pid: int, number: int) -> None:
    """End a stopped process."""
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)


ENDS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGALRM, signal.SIGRTMIN + 1)


@pytest.mark.parametrize("number", ENDS)
def test_pool_worker_that_ends_once_costs_no_file(pool: Pool, folder: Path, number: int) -> None:
    end(stopped_with(pool, folder, "1.png", "2.png"), number)
    answers = answers_of(pool, 2)
    assert all(isinstance(answer, FileIndexed) for answer in answers.values())


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of an image controls its worker: see tests/support/hostile_worker."""
    monkeypatch.setenv("PYTHONPATH", os.fspath(HOSTILE_WORKER))


@pytest.mark.parametrize("number", ENDS)
def test_pool_file_that_ends_two_workers_is_blamed_alone(
    pool: Pool, folder: Path, number: int, hostile: None
) -> None:
    killer = folder / f"kill-{int(number)}.png"
    (folder / "0.png").rename(killer)
    answers = run(pool, [os.fsencode(path) for path in folder.iterdir()])
    blamed = [path for path, answer in answers.items() if isinstance(answer, Crashed)]
    assert blamed == [os.fsencode(killer)] and len(answers) == 6
    assert all(isinstance(answers[path], FileIndexed) for path in answers if path not in blamed)


LIES = {
    "garbage": b"\xff" * 64,
    "endless": struct.pack("<I", 2**32 - 1),
    "empty": frame(Ready())[:4] + bytes(len(frame(Ready())) - 4),
    "other task": frame(Scored(b"", last=True)),
    "short digest": frame(FileIndexed(SEEN, b"short")),
    "vector with NaN": frame(FileIndexed(SEEN, bytes(32), b"\x00\x7e" * 1280)),
    "long vector": frame(FileIndexed(SEEN, bytes(32), bytes(4000))),
    "score": frame(FileIndexed(SEEN, bytes(32), score=(math.nan, 0.0))),
    "name key": frame(FileIndexed(SEEN, bytes(32), name=(bytes(600), b""))),
    "date": frame(FileIndexed(Fingerprint(1, 1, -1, 0, 0), bytes(32))),
    "two answers": 2 * frame(Unstable()),
}


@pytest.mark.parametrize("lie", LIES)
def test_pool_hostile_answer_blames_only_its_file(
    pool: Pool, folder: Path, lie: str, hostile: None
) -> None:
    liar = folder / "lie-.png"
    (folder / "0.png").unlink()
    liar.write_bytes(LIES[lie])
    paths = [os.fsencode(path) for path in folder.iterdir()]
    answers = run(pool, paths)
    if lie == "two answers":  # the second may come before the next task, or after it
        assert len(answers) == 6
        return
    answer = answers[os.fsencode(liar)]
    assert isinstance(answer, Crashed) and answer.reason.startswith(("sends", "answers"))
    assert sum(isinstance(answer, FileIndexed) for answer in answers.values()) == 5


def test_pool_worker_that_cannot_start_raises_with_the_reason(tmp_path: Path) -> None:
    settings = WorkerSettings(
        tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu", 60, embedder="another"
    )
    with Pool(settings, 2, idle_seconds=0.5) as pool:
        task = IndexFile(b"/nowhere.png", "default", None)
        waiting = [task]

        def refused() -> str:
            try:
                while waiting and pool.submit(waiting[0]):
                    waiting.pop()
            except NoWorkerError as error:
                return error.message
            waiting.extend(task for task, _ in pool.answers(1.0))
            return ""

        reason = eventually(refused, what="the pool gives up", pause=0.0)
        assert "have changed" in reason
        assert eventually(refused, what="the pool starts no worker for a while") == reason
        pool.retry()
        assert pool.submit(task)


def test_pool_terminated_worker_answers_interrupted(pool: Pool, folder: Path) -> None:
    run(pool, [os.fsencode(folder / "0.png")])
    (victim,) = pool.pids()
    os.kill(victim, signal.SIGSTOP)
    assert pool.submit(IndexFile(os.fsencode(folder / "1.png"), "default", None))
    os.kill(victim, signal.SIGTERM)  # as at a logout
    os.kill(victim, signal.SIGCONT)
    ((_, answer),) = pool.answers(60.0)
    assert answer == Interrupted()


def test_pool_training_with_too_few_labels_answers_refused(pool: Pool, monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert pool.submit(Train("default"))
    (pid,) = pool.pids()
    answers: list[tuple[object, Answer]] = []
    while not answers:
        answers += pool.answers(60.0)
    assert isinstance(answers[0][1], Refused)
    # It has answered, so it is the worker and not still the fork of this process.
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"OPENBLAS_NUM_THREADS=1" in environment and b"OMP_NUM_THREADS=1" not in environment
    pool.reap_idle(time.monotonic())
    assert pool.alive == 0  # the trainer ends at once


def test_pool_plan_gets_a_worker_that_has_not_trained(pool: Pool) -> None:
    """Training and planning in one process take too much memory: see bench/retrain.py."""
    before: list[int] = []
    watch = Watch(b"/inbox", (), (), "default", "best-newest")
    for task in (Train("default"), Plan(watch, "1", [])):
        assert pool.submit(task)
        assert pool.pids() != before
        before = pool.pids()
        answers: list[tuple[object, Answer]] = []
        while not answers:
            answers += pool.answers(60.0)
        assert answers[0][0] == task
        pool.reap_idle(time.monotonic())
    assert isinstance(answers[0][1], Planned) and pool.alive == 0


def test_pool_order_worker_waits_for_the_training_and_for_its_plan(pool: Pool) -> None:
    watch = Watch(b"/inbox", (), (), "default", "best-newest")
    assert pool.submit(Train("default")) and pool.submit(PrepareOrder([watch], []))
    assert pool.alive == 2 and pool.trainer_busy
    orders = pool.pids()[1]
    kinds: set[type] = set()
    while len(kinds) < 2:
        kinds |= {type(answer) for _, answer in pool.answers(60.0)}
        pool.reap_idle(time.monotonic())
        assert orders in pool.pids()
    assert kinds == {Refused, OrderPrepared}
    assert pool.pids() == [orders], "the trainer has ended"
    assert pool.submit(Plan(watch, "1", [])) and pool.pids() == [orders]
    answers: list[tuple[object, Answer]] = []
    while not answers:
        answers += pool.answers(60.0)
    assert isinstance(answers[0][1], Planned)
    pool.reap_idle(time.monotonic())
    assert pool.alive == 0


def test_pool_order_worker_without_a_further_task_ends(pool: Pool) -> None:
    watch = Watch(b"/inbox", (), (), "default", "best-newest")
    assert pool.submit(PrepareOrder([watch], []))
    while not pool.answers(60.0):
        pass
    end = pool.reap_idle(time.monotonic())
    assert end is not None and pool.alive == 1
    assert pool.reap_idle(end) is None and pool.alive == 0


def test_submit_without_descriptors_raises(pool: Pool, folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        with pytest.raises(NoWorkerError, match="Too many open files"):
            pool.submit(IndexFile(os.fsencode(folder / "0.png"), "default", None))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(run(pool, [os.fsencode(folder / "0.png")]).popitem()[1], FileIndexed)


def test_pool_dead_worker_without_replacement_answers_for_its_files(
    pool: Pool, folder: Path
) -> None:
    run(pool, [os.fsencode(folder / "0.png")])
    (victim,) = pool.pids()
    os.kill(victim, signal.SIGSTOP)
    for name in ("1.png", "2.png", "3.png"):  # the third starts a second worker
        assert pool.submit(IndexFile(os.fsencode(folder / name), "default", None))
    held = [task.path for task in pool.tasks(victim) if isinstance(task, IndexFile)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        os.kill(victim, signal.SIGKILL)
        answers: dict[bytes, Answer] = {}
        while not set(held) <= set(answers):
            for task, answer in pool.answers(5.0):
                assert isinstance(task, IndexFile)
                answers[task.path] = answer
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for answer in map(answers.get, held):
        assert isinstance(answer, Interrupted) and "no worker can be started" in answer.reason


def test_warm_up_loads_the_model_before_the_first_file(tmp_path: Path, folder: Path) -> None:
    with real_pool(tmp_path, 2, file_seconds=600, idle_seconds=600) as pool:
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
