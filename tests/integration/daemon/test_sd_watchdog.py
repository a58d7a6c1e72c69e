"""The watchdog is fed while all lives, with real workers and a real notification socket."""

import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from imgscored.mailbox import Mailbox
from imgscored.sd_notify import SEND_SECONDS, sd_notify
from imgscored.sd_watchdog import ServiceWatchdog
from imgscored.watcher import Watcher

from imgscore.testing import eventually
from imgscore.workers.messages import IndexFile
from imgscore.workers.pool import Pool
from tests.conftest import draw
from tests.support.pools import real_pool

SPIN = """
import sys

def notice(event, arguments):
    while event == "open" and isinstance(arguments[0], bytes) and b"spin" in arguments[0]:
        pass

sys.addaudithook(notice)
"""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many times the watchdog was fed since the last question."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
        receiver.bind(os.fspath(path))
        monkeypatch.setenv("NOTIFY_SOCKET", os.fspath(path))
        monkeypatch.setenv("WATCHDOG_USEC", "30000")

        def fed() -> int:
            count = 0
            while True:
                try:
                    count += b"WATCHDOG=1" in receiver.recv(4096)
                except BlockingIOError:
                    return count

        yield fed


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with real_pool(tmp_path, 1, file_seconds=600, idle_seconds=60) as pool:
        yield pool


def look(pool: Pool, path: Path) -> None:
    if not path.exists():
        draw("sun", 1).save(path)
    assert pool.submit(IndexFile(os.fsencode(path), "default", None))


def beat_until(heart: ServiceWatchdog, pool: Pool, condition: Callable[[], bool]) -> None:
    """Go on as the loop does."""

    def reached() -> bool:
        if not condition():
            pool.answers(heart.wait())
            heart.beat()
            return False
        return True

    eventually(reached, pause=0.0)


def fed_in_rounds(heart: ServiceWatchdog, pool: Pool, manager: Callable[[], int]) -> int:
    """How many times the watchdog is fed in twenty rounds of the loop."""
    manager()
    for _ in range(20):
        pool.answers(heart.wait())
        heart.beat()
    return manager()


def test_watchdog_hung_worker_stops_the_pings(
    pool: Pool, manager: Callable[[], int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    look(pool, tmp_path / "1.png")
    heart = ServiceWatchdog(pool, silence=1.0)
    beat_until(heart, pool, lambda: manager() > 0 and not pool.busy)
    (worker,) = pool.pids()
    os.kill(worker, signal.SIGSTOP)
    time.sleep(1.2)  # longer than `silence`, but idle is not hung
    assert fed_in_rounds(heart, pool, manager) > 0
    caplog.clear()  # of a start that took longer than `silence`
    look(pool, tmp_path / "1.png")
    with caplog.at_level(logging.ERROR):
        beat_until(heart, pool, lambda: manager() >= 0 and bool(caplog.records))
        assert fed_in_rounds(heart, pool, manager) == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"worker {worker} did not respond; systemd will restart the service"
    ]
    os.kill(worker, signal.SIGCONT)
    beat_until(heart, pool, lambda: manager() > 0 and not pool.busy)


def test_watchdog_busy_worker_is_not_hung(
    pool: Pool, manager: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SPIN)
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    look(pool, tmp_path / "spin.png")
    silence = 2.0
    heart = ServiceWatchdog(pool, silence)
    beat_until(heart, pool, lambda: manager() > 0)
    until = time.monotonic() + 2 * silence
    beat_until(heart, pool, lambda: time.monotonic() > until)
    manager()
    beat_until(heart, pool, lambda: manager() > 0)
    assert pool.busy == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_watchdog_dead_thread_stops_the_pings(
    pool: Pool, manager: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = ServiceWatchdog(pool, silence=60)
    with closing(Mailbox()) as mailbox, closing(Watcher(mailbox)) as watcher:
        heart.follow("the watcher", watcher.is_alive)
        watcher.watch([os.fsencode(tmp_path)])
        beat_until(heart, pool, lambda: manager() > 0)
        observer = watcher._observer
        assert observer is not None
        (emitter,) = observer.emitters

        def fail(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(emitter, "queue_events", fail)
        (tmp_path / "wake-it.png").touch()
        emitter.join()
        assert not watcher.is_alive()
        assert fed_in_rounds(heart, pool, manager) == 0
        watcher.close()
        assert watcher.is_alive()
        beat_until(heart, pool, lambda: manager() > 0)


def test_watchdog_without_manager_does_nothing(pool: Pool) -> None:
    heart = ServiceWatchdog(pool, silence=60)
    assert heart.wait() is None
    heart.beat()


def test_sd_notify_without_descriptor_sends_nothing(manager: Callable[[], int]) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit[1]))
    try:
        sd_notify(WATCHDOG="1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert manager() == 0
    sd_notify(WATCHDOG="1")
    assert manager() == 1


def test_sd_notify_full_queue_does_not_block(manager: Callable[[], int]) -> None:
    for _ in range(1000):
        before = time.monotonic()
        sd_notify(WATCHDOG="1")
        if time.monotonic() - before > SEND_SECONDS / 2:
            break  # the queue was full, and the call came back all the same
    else:
        raise AssertionError("the queue of an idle manager never filled up")
    assert manager() > 0
