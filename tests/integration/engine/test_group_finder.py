"""The stage that groups new images, with real workers and real files."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.group_store import compare_all, context_of, fill
from imgscore import paths
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.demo.pictures import draw_all
from imgscore.embedders import lite0, registry
from imgscore.engine.engine import Engine, open_engine
from imgscore.errors import ImgscoreError
from imgscore.images.decode import decode
from imgscore.store import groups, pair_blocks, similarity, vectors
from imgscore.store.similarity import Link
from imgscore.store.store import Store
from imgscore.workers import process
from imgscore.workers.group_messages import (
    CompareNew,
    ComparePairs,
    FindGroups,
    FindPairs,
    FoundGroup,
    GroupsFound,
)
from tests.integration.engine.conftest import until
from tests.support.similar_images import put_alike

SPEC = registry.spec(registry.BUILT_IN, use_filename=False)


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


def test_stage_with_images_without_traits_compares_all_once(
    store: Store, inbox: Path, trainers: list[int]
) -> None:
    row = bytes(2 * SPEC.image_dim)
    rows = [(number.to_bytes(32, "big"), row) for number in range(6)]
    store.commit(lambda txn: vectors.append(txn, SPEC.image_embedder, rows))
    with engine_of(store, inbox) as engine:
        until(engine, lambda: engine.idle)
        assert engine.group_finder.uncompared == 0 and len(trainers) == 1
    with store.read() as txn:
        state = similarity.state(txn)
    assert state is not None and state.images == 6


def test_stage_after_a_crash_of_the_worker_compares_the_images_again(
    store: Store, inbox: Path
) -> None:
    put_alike(inbox, "hills", 2, side=200)
    with engine_of(store, inbox) as engine:
        scan(engine)
        put_alike(inbox, "hills", 3, side=200)
        engine.indexer.hint_all()
        until(engine, lambda: any(workers_with(engine, CompareNew)))
        for pid in workers_with(engine, CompareNew):
            os.kill(pid, 9)
        until(engine, lambda: engine.idle)
    assert sizes(store) == [3]


def test_stage_with_many_pairs_finds_the_same_groups_if_workers_are_killed(
    store: Store, inbox: Path, tmp_path: Path
) -> None:
    fill_with_mixtures(store)
    with Store(tmp_path / "undisturbed") as other:
        fill_with_mixtures(other)
        compare_all(other, context_of(other, SPEC))
        wanted = members(other)
    with engine_of(store, inbox) as engine:
        engine.group_finder.comparison.block_pairs = 300
        for task in (FindPairs, ComparePairs, FindGroups):
            until(engine, lambda task=task: any(workers_with(engine, task)))
            for pid in workers_with(engine, task):
                os.kill(pid, 9)
        until(engine, lambda: engine.idle)
        assert engine.group_finder.progress is None
    assert len(wanted) > 20
    assert members(store) == wanted
    with store.read() as txn:
        assert pair_blocks.get(txn, 0) is None, "blocks that are compared are deleted"


def fill_with_mixtures(store: Store) -> None:
    """Write images with about a thousand similar pairs."""
    files = []
    for _, drawn in draw_all(12):
        file = io.BytesIO()
        drawn.convert("RGB").save(file, "PNG")
        files.append(decode(file.getvalue()))
    values = lite0.load().embed(files).astype(np.float32)
    fill(store, SPEC, values, [picture.traits for picture in files], 240)


def members(store: Store) -> set[tuple[bytes, ...]]:
    with store.read() as txn:
        return {group.members for group in groups.iter_all(txn)}


def workers_with(engine: Engine, task: type) -> list[int]:
    """The process ids of the workers that do a task of this type."""
    pool = engine.ctx.pool
    return [pid for pid in pool.pids() if any(isinstance(had, task) for had in pool.tasks(pid))]


def test_stage_given_a_group_without_links_stores_nothing(store: Store, inbox: Path) -> None:
    new, first, second = (name * 32 for name in (b"n", b"a", b"b"))
    with engine_of(store, inbox) as engine:
        store.commit(lambda txn: similarity.enqueue(txn, [new]))
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
