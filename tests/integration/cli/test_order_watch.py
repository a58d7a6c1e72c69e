"""Tests of the wait for a new order, on a real store."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.cli import order_watch
from imgscore.cli.order_watch import OrderWatch
from imgscore.store import heads, scores, sightings
from imgscore.store.schema import Fingerprint, HeadRecord, Sighting
from imgscore.store.store import Store
from imgscore.testing import eventually

LOCK = threading.Lock()
"""a process may open a store only once"""
FILES = [bytes([number]) * 32 for number in range(1, 4)]


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with Store(paths.store_folder()) as store, store.write() as txn:
        for number, digest in enumerate(FILES):
            seen = Fingerprint(1, number, 1, 1, 1)
            sightings.record(txn, Sighting(b"/in/%d" % number, seen, digest, b"/in", "inbox"))
    yield


def write_head(version: str, digests: list[bytes]) -> None:
    with LOCK, Store(paths.store_folder()) as store, store.write() as txn:
        heads.record(txn, HeadRecord(version, "default", "e", 1, 2, 2, accepted=True, report={}))
        heads.use(txn, "default", version)
        packed = b"".join(scores.pack(digest, 0.5, 0.1) for digest in digests)
        scores.record(txn, "default", version, packed)


def new_watch() -> OrderWatch:
    return OrderWatch("default", [b"/in"], lambda: LOCK)


def test_wait_new_head_that_scored_all_files_returns_its_version() -> None:
    write_head("1", FILES)
    watch = new_watch()
    known = watch.version()
    assert known == "1-3"
    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(watch.wait, known) for _ in range(2)]
        eventually(lambda: len(watch._waits) == 2)
        write_head("2", FILES)
        assert [wait.result(60) for wait in waits] == ["2-3", "2-3"]


def test_wait_head_whose_scoring_has_ended_early_returns_its_version() -> None:
    write_head("1", FILES)
    watch = new_watch()
    known = watch.version()
    write_head("2", FILES[:2])
    assert watch.wait(known) == "2-3"


def test_wait_idle_store_reads_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write_head("1", FILES)
    watch = new_watch()
    known = watch.version()
    monkeypatch.setattr(order_watch, "LOOK_SECONDS", 0.01)
    looks = []
    look = watch._look

    def count() -> object:
        looks.append(1)
        return look()

    monkeypatch.setattr(watch, "_look", count)
    with ThreadPoolExecutor() as pool:
        wait = pool.submit(watch.wait, known)
        eventually(lambda: len(watch._waits) == 1)
        threading.Event().wait(0.5)
        watch.end()
        assert wait.result(60) == known
    assert len(looks) == 1
    assert watch.wait("other") == "other"


def test_wait_without_inotify_polls_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    write_head("1", FILES)
    watch = new_watch()
    known = watch.version()
    monkeypatch.setattr(order_watch, "LOOK_SECONDS", 0.01)

    def refuse(folder: Path) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(order_watch, "FolderEvents", refuse)
    with ThreadPoolExecutor() as pool:
        wait = pool.submit(watch.wait, known)
        write_head("2", FILES)
        assert wait.result(60) == "2-3"
