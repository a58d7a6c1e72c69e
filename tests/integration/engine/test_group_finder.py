"""The stage that groups new images, with real workers and real files."""

import os
from pathlib import Path
from typing import Any

import pytest

from imgscore import paths
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.engine.engine import Engine, open_engine
from imgscore.errors import ImgscoreError
from imgscore.store import groups, similarity
from imgscore.store.similarity import Link
from imgscore.store.store import Store
from imgscore.workers import process
from imgscore.workers.group_messages import CompareNew, FoundGroup, GroupsFound
from tests.integration.engine.conftest import until
from tests.support.similar_images import put_alike


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process ids of all trainers that are started."""
    started: list[int] = []
    start = process.start

    def record(*arguments: Any, **options: Any) -> process.Worker:
        worker = start(*arguments, **options)
        if worker.for_training:
            started.append(worker.process.pid)
        return worker

    monkeypatch.setattr(process, "start", record)
    return started


def engine_of(store: Store, inbox: Path) -> Engine:
    daemon = DaemonConfig(free_mb=0, settle=0.05, workers=1)
    config = Config(watch=[WatchConfig(inbox=os.fspath(inbox))], daemon=daemon)
    return open_engine(store, config, paths.heads_folder())


def scan(engine: Engine) -> None:
    engine.indexer.hint_all()
    until(engine, lambda: engine.idle)


def sizes(store: Store) -> list[int]:
    with store.read() as txn:
        return sorted(len(group.members) for group in groups.iter_all(txn))


def test_stage_with_new_images_starts_no_trainer(
    store: Store, inbox: Path, trainers: list[int]
) -> None:
    put_alike(inbox, "hills", 3, side=200)
    with engine_of(store, inbox) as engine:
        scan(engine)
        assert (sizes(store), len(trainers)) == ([3], 1), "all images are compared once"
        put_alike(inbox, "hills", 5, side=200)
        put_alike(inbox, "lakes", 2, side=200)
        scan(engine)
        assert (sizes(store), len(trainers)) == ([2, 5], 1)


def test_stage_after_a_crash_of_the_worker_compares_the_images_again(
    store: Store, inbox: Path
) -> None:
    put_alike(inbox, "hills", 2, side=200)
    with engine_of(store, inbox) as engine:
        scan(engine)
        put_alike(inbox, "hills", 3, side=200)
        engine.indexer.hint_all()
        until(engine, lambda: any(is_compared_by(engine)))
        for pid in is_compared_by(engine):
            os.kill(pid, 9)
        until(engine, lambda: engine.idle)
    assert sizes(store) == [3]


def is_compared_by(engine: Engine) -> list[int]:
    """The process ids of the workers that compare new images."""
    pool = engine.ctx.pool
    return [
        pid for pid in pool.pids() if any(isinstance(task, CompareNew) for task in pool.tasks(pid))
    ]


def test_stage_given_a_group_without_links_stores_nothing(store: Store, inbox: Path) -> None:
    new, first, second = (name * 32 for name in (b"n", b"a", b"b"))
    with engine_of(store, inbox) as engine:
        store.commit(lambda txn: similarity.enqueue(txn, new))
        false_group = FoundGroup("near-duplicates", [first, second, new], "")
        answer = GroupsFound(
            last=True,
            done=[new],
            links=[Link(first, new, 1, 0.9)],
            regrouped=[new, first, second],
            groups=[false_group],
        )
        with pytest.raises(ImgscoreError):
            engine.group_finder.take(CompareNew([new]), answer)
        assert sizes(store) == []
        with store.read() as txn:
            assert similarity.queued(txn, 2) == [new]
            assert list(similarity.neighbours(txn, new)) == []
