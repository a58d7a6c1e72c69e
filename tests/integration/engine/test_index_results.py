"""Commits of the answers of workers, in a thread and without one."""

import os
from collections.abc import Callable

import pytest

from imgscore.engine import feed
from imgscore.engine.index_results import IndexResults
from imgscore.errors import StoreError
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import sightings, vectors
from imgscore.store.store import Store
from imgscore.workers.messages import FileIndexed, IndexFile
from tests.integration.engine.conftest import InlinePool, World

SIZE = 256
"""the bytes of a vector"""


def add_files(world: World, results: IndexResults, count: int, size: int = SIZE) -> list[bytes]:
    paths = [os.fsencode(world.put(f"{number}.png", 0.5)) for number in range(count)]
    for number, path in enumerate(paths):
        seen, digest = fingerprint_of(path), number.to_bytes(32, "big")
        assert seen is not None
        results.add(IndexFile(path, "default", None), FileIndexed(seen, digest, bytes(size)))
    return paths


def test_commit_with_more_files_waiting_sends_them_meanwhile(world: World) -> None:
    with world.engine() as engine:
        results = IndexResults(engine.ctx)
        paths = add_files(world, results, 100)
        sent: list[int] = []
        stored, _ = results.commit(lambda: sent.append(len(results)))
        assert sorted(stored) == sorted(paths)
        assert sent and not len(results)
        with engine.ctx.store.read() as txn:
            assert all(sightings.find(txn, path) for path in paths)
            assert vectors.count(txn, engine.ctx.embedder.image_embedder) == 100


@pytest.mark.parametrize("meanwhile", [None, lambda: None])
def test_commit_full_map_grows_and_stores_all(
    world: World, meanwhile: Callable[[], None] | None
) -> None:
    with world.engine() as engine:
        engine.ctx.store.close()
        with Store(world.folder / "small", map_size=1 << 21) as store:
            engine.ctx.store = store
            results = IndexResults(engine.ctx)
            paths = add_files(world, results, 150, size=1 << 14)
            results.commit(meanwhile)
            assert store.environment.info()["map_size"] > 1 << 21
            with store.read() as txn:
                assert all(sightings.find(txn, path) for path in paths)


@pytest.mark.parametrize("meanwhile", [None, lambda: None])
def test_commit_that_fails_keeps_the_answers(
    world: World, meanwhile: Callable[[], None] | None
) -> None:
    with world.engine() as engine:
        results = IndexResults(engine.ctx)
        paths = add_files(world, results, 2)
        add_files(world, results, 3, size=SIZE + 2)  # the vectors of an embedder have one size
        with pytest.raises(StoreError):
            results.commit(meanwhile)
        assert len(results) == 5
        with engine.ctx.store.read() as txn:
            assert sightings.find(txn, paths[0]) is None


@pytest.mark.usefixtures("prompt_orders")
def test_step_with_many_files_waiting_stores_each_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [os.fsencode(world.put(f"{number}.png", 0.5)) for number in range(300)]
    monkeypatch.setattr("imgscore.engine.index_results.BATCH", 50)
    monkeypatch.setattr(feed, "FEED_SECONDS", 0.2)
    with world.engine() as engine:
        pool = engine.ctx.pool
        assert isinstance(pool, InlinePool)
        # The pool has room for one file at a time, as if it had one slow worker.
        monkeypatch.setattr(pool, "has_room", lambda: not pool.results)
        world.settle(engine)
        with engine.ctx.store.read() as txn:
            assert all(sightings.find(txn, path) for path in paths)
    assert len([task for task in pool.done if isinstance(task, IndexFile)]) == 300
