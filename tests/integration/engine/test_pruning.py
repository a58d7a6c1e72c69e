"""Pruning deletes what is past its retention, and nothing that is needed."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from imgscore import paths
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.engine import pruning
from imgscore.engine.engine import open_engine
from imgscore.store import (
    checks,
    comparisons,
    journal,
    labels,
    originals,
    retention,
    sightings,
    trashed_files,
    vectors,
)
from imgscore.store.comparisons import ComparisonEvent
from imgscore.store.schema import (
    Fingerprint,
    LabelEvent,
    Original,
    Sighting,
    Touch,
    TrashedFile,
)
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.verbs import thumbnails
from tests.conftest import draw
from tests.integration.engine.conftest import World, ask, until

SEEN = Fingerprint(1, 2, 3, 4, 5)
LONG_AGO = time.time_ns() - retention.GONE_NS - 10**9
JUST_NOW = time.time_ns() - 10**9


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def gone(number: int, at_ns: int) -> Sighting:
    return Sighting(b"/inbox/%d.png" % number, SEEN, digest(number), b"/inbox", "inbox", at_ns)


def touches(txn: Txn, runs: str) -> None:
    """Write a touch for each letter, which names its run."""
    for number, run in enumerate(runs):
        touch = Touch(0, ord(run), b"/inbox", b"/inbox/%d" % number, digest(1), 0, 1, "1", "order")
        journal.append(txn, touch)


def runs(txn: Txn) -> str:
    return "".join(chr(touch.run) for _, touch in journal.newest_first(txn))[::-1]


@pytest.fixture
def tidied(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Prunes with a real worker, two records a commit."""
    monkeypatch.setattr(pruning, "PRUNE_BATCH", 2)

    def prune() -> None:
        config = Config(daemon=DaemonConfig(free_mb=0))
        with open_engine(store, config, paths.heads_folder()) as engine:
            engine.pruner.due()
            pool = engine.ctx.pool
            until(engine, lambda: not pool.busy and engine.pruner.finished)

    return prune


def test_pruner_forgets_files_gone_for_long(store: Store, tidied: Callable[[], None]) -> None:
    with store.write() as txn:
        for number in range(5):
            sightings.record(txn, gone(number, LONG_AGO))
        sightings.record(txn, gone(5, JUST_NOW))
        sightings.record(txn, gone(6, 0))
        sightings.record(txn, gone(7, LONG_AGO))
        labels.append(txn, LabelEvent(1, "other", digest(7), "keep", "place", b"/x"))
        sightings.record(txn, gone(8, LONG_AGO))
        answered = ComparisonEvent(1, "other", digest(8), digest(9), "skip", "cli")
        comparisons.append(txn, answered)
        originals.record(txn, digest(0), Original(b"/inbox/0.png", 7, 8, 9))
        for number, gone_ns in enumerate((LONG_AGO, JUST_NOW, 0)):
            path = b"/trash/%d.png" % number
            trashed_files.record(txn, TrashedFile(path, SEEN, digest(9), b"/x", b"/trash", gone_ns))
    tidied()
    with store.read() as txn:
        left = {file.path for file in sightings.iter_all(txn, gone=True)}
        assert left == {b"/inbox/%d.png" % number for number in (5, 6, 7, 8)}
        assert {file.path for file in trashed_files.iter_all(txn)} == {
            b"/trash/1.png",
            b"/trash/2.png",
        }
        assert originals.get(txn, digest(0), b"/inbox/0.png") is not None
        assert labels.current(txn, "other", digest(7)) is not None
        assert not any(check.problems for check in checks.iter_all(txn, store.file))


@pytest.mark.parametrize(
    ("before", "after"),
    [("aabbbcc", "bbbcc"), ("aabb", "aabb"), ("aabbcccc", "cccc"), ("ccccc", "ccccc")],
)
def test_retention_forgets_whole_runs(
    store: Store,
    before: str,
    after: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "MAX_TOUCHES", 4)
    with store.write() as txn:
        touches(txn, before)
        found = retention.find(txn, time.time_ns())
        while any(found):
            found = retention.forget(txn, found, time.time_ns(), 1)
        assert runs(txn) == after
        touches(txn, "d")
        assert journal.last_number(txn) == len(before) + 1


def test_retention_keeps_files_that_came_back(store: Store) -> None:
    now_ns = time.time_ns()
    with store.write() as txn:
        sightings.record(txn, gone(1, LONG_AGO))
        trashed_files.record(txn, TrashedFile(b"/t/1", SEEN, digest(1), b"/x", b"/t", LONG_AGO))
        found = retention.find(txn, now_ns)
        assert found.sightings and found.trashed
        sightings.record(txn, gone(1, 0))
        trashed_files.record(txn, TrashedFile(b"/t/1", SEEN, digest(1), b"/x", b"/t", 0))
        assert not any(retention.forget(txn, found, now_ns, 10))
        assert sightings.find(txn, b"/inbox/1.png") and trashed_files.find(txn, b"/t/1")


def test_restore_times_works_without_touch_and_sighting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MAX_TOUCHES", 0)
    monkeypatch.setattr(retention, "GONE_NS", 0)
    for number in range(3):
        world.put(f"{number}.jpg", number / 10)
    away = world.folder / "away.jpg"
    with world.engine() as engine:
        world.settle(engine)
        (world.inbox / "1.jpg").rename(away)
        world.settle(engine)
        store = engine.ctx.store
        with store.read() as txn:
            found = retention.find(txn, time.time_ns())
        assert found.sightings == [os.fsencode(world.inbox / "1.jpg")]
        store.commit(lambda txn: journal.forget_oldest(txn, journal.last_number(txn), 100))
        store.commit(lambda txn: retention.forget(txn, found, time.time_ns(), 100))
        away.rename(world.inbox / "again.jpg")
        world.settle(engine)
        ask(engine, "restore-times")
    dates = {path.name: path.stat().st_mtime_ns for path in world.inbox.glob("*.jpg")}
    assert dates.pop("again.jpg") == world.originals["1.jpg"]
    assert dates == {name: world.originals[name] for name in dates}


def test_pruner_deletes_least_recently_used_thumbnails_first(
    tidied: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = thumbnails.thumbnails_folder()
    for number in range(4):
        path = folder / f"{number}.webp"
        path.write_bytes(bytes(8192))
        os.utime(path, ns=(number, number))
    os.utime(folder / "0.webp", ns=(9, 0))  # it was read last
    for most, left in ((4, ["0", "1", "2", "3"]), (2, ["0", "3"]), (0, [])):
        monkeypatch.setattr(pruning, "MAX_BYTES", most * 8192)
        tidied()
        assert sorted(path.stem for path in folder.iterdir()) == left
    folder.rmdir()
    tidied()


def test_pruner_deletes_vectors_of_vanished_images_and_embeds_them_again(store: Store) -> None:
    inbox = Path.home() / "inbox"
    inbox.mkdir()
    for number in range(3):
        draw("sun", number).save(inbox / f"{number}.png")
    watch = WatchConfig(inbox=os.fspath(inbox))
    config = Config(watch=[watch], daemon=DaemonConfig(free_mb=0, settle=0.01))
    thumbnail = thumbnails.thumbnails_folder() / os.fsdecode(paths.thumbnail(_digest(inbox, 1)))
    thumbnail.write_bytes(b"x")
    with open_engine(store, config, paths.heads_folder()) as engine:
        embedder = engine.ctx.embedder.image_embedder

        def has_vectors() -> list[bool]:
            with store.read() as txn:
                return [vectors.contains(txn, embedder, digest) for digest in digests]

        def settle() -> None:
            engine.indexer.hint_all()
            until(engine, lambda: engine.idle and not engine.ctx.pool.busy)

        digests = [_digest(inbox, number) for number in range(3)]
        settle()
        assert has_vectors() == [True] * 3
        data = (inbox / "1.png").read_bytes()
        (inbox / "1.png").unlink()
        settle()
        inbox.rename(inbox.with_name("away"))  # like a disk that is not mounted
        settle()
        with store.write() as txn:
            gone = [file for file in sightings.iter_all(txn, gone=True) if file.gone_ns]
            assert [file.digest for file in gone] == [digests[1]]
            sightings.record(txn, structs.replace(gone[0], gone_ns=LONG_AGO))
        engine.pruner.due()
        until(engine, lambda: engine.pruner.finished and not engine.ctx.pool.busy)
        assert has_vectors() == [True, False, True] and not thumbnail.exists()
        inbox.with_name("away").rename(inbox)
        (inbox / "again.png").write_bytes(data)
        settle()
        assert has_vectors() == [True] * 3


def _digest(inbox: Path, number: int) -> bytes:
    return hashlib.sha256((inbox / f"{number}.png").read_bytes()).digest()
