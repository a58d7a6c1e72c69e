"""The short way to store files of which the store contains nothing, against the general way."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from imgscore.engine import ingest, new_files
from imgscore.engine.feed import GATHER_SECONDS
from imgscore.engine.stage import Effects
from imgscore.images.traits import Traits
from imgscore.images.version import DECODER_VERSION
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import originals, scores, sightings
from imgscore.store.schema import Original, Sighting
from imgscore.store.store import TABLES, Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import FileFailure, FileIndexed, IndexFile
from imgscore.workers.process import QUEUE_SECONDS
from tests.integration.engine.conftest import InlinePool, World

TRAITS = Traits(width=4, height=3, format="PNG", bytes_per_pixel=1.0, fine_grid=b"grid")
Batch = list[tuple[IndexFile, FileIndexed]]


def answer_about(world: World, name: str, score: str, place: str = "inbox") -> Batch:
    path = os.fsencode(world.put(name, score, place))
    seen = fingerprint_of(path)
    assert seen is not None
    digest = hashlib.sha256(score.encode()).digest()
    answer = FileIndexed(seen, digest, bytes(256), TRAITS, score=(0.5, 0.1))
    return [(IndexFile(path, "default", "1"), answer)]


def content(store: Store) -> dict[str, list[tuple[bytes, bytes]]]:
    with store.read() as txn:
        return {name: list(txn.raw_table(name).scan()) for name in TABLES if name != "label_log"}


def stored(
    world: World, batch: Batch, known: Batch, monkeypatch: pytest.MonkeyPatch
) -> list[object]:
    """The content of the store and the effects, once stored each way."""
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    results: list[object] = []
    watches = world.watches()

    def write(txn: Txn) -> Effects:
        return ingest.ingest_batch(txn, batch, watches, "embedder", DECODER_VERSION)

    for way in ("short", "general"):
        with monkeypatch.context() as patch, Store(world.folder / way) as store:
            if way == "general":
                patch.setattr(ingest, "store_new_files", lambda txn, batch, watches, effects: batch)

            def prepare(txn: Txn) -> None:
                for task, answer in known:
                    held = Original(task.path, 5, 6, answer.seen.mtime_ns)
                    originals.record(txn, answer.digest, held)
                    packed = scores.pack(hashlib.sha256(b"a").digest(), 0.25, 0.0)
                    scores.record(txn, "default", "0", packed)

            store.commit(prepare)
            effects = store.commit(write)
            results.append((vars(effects), content(store)))
    return results


def test_ingest_short_way_writes_what_the_general_way_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [pair for name in "abcdefg" for pair in answer_about(world, f"{name}.png", name)]
    batch += answer_about(world, "kept.png", "kept", "inbox/keep")
    batch += answer_about(world, "copy.png", "a")
    batch += answer_about(world, "deep.png", "deep", "inbox/sub/folder")
    (task, answer), *_ = answer_about(world, "broken.png", "broken")
    batch.append((task, FileIndexed(answer.seen, answer.digest, failure=FileFailure("torn", ""))))
    known = batch[2:4]  # They have originals of an earlier file.
    short, general = stored(world, batch, known, monkeypatch)
    assert short == general


def test_store_new_files_returns_files_that_rules_concern(world: World) -> None:
    new = answer_about(world, "new.png", "new")
    moved = answer_about(world, "moved.png", "moved")
    again = answer_about(world, "again.png", "again", "inbox/sub")
    saved = answer_about(world, "saved.png", "saved")
    dated = answer_about(world, "dated.png", "dated")
    kept = answer_about(world, "kept.png", "kept", "inbox/keep")
    batch = [*new, *moved, *again, *saved, *dated, *kept]
    inbox = os.fsencode(world.inbox)

    def prepare(txn: Txn) -> None:
        def see(path: bytes, digest: bytes, gone_ns: int = 0) -> None:
            sighting = Sighting(path, batch[0][1].seen, digest, inbox, "inbox", gone_ns)
            sightings.record(txn, sighting)

        see(inbox + b"/former.png", moved[0][1].digest, gone_ns=1)
        see(again[0][0].path, bytes(32))
        see(inbox + b"/keep/saved.png", bytes(32), gone_ns=1)
        other = Original(inbox + b"/other.png", 5, 6, dated[0][1].seen.mtime_ns)
        originals.record(txn, bytes(32), other)

    with Store(world.folder / "own") as store:
        store.commit(prepare)
        effects = Effects()
        rest = store.commit(
            lambda txn: new_files.store_new_files(txn, batch, world.watches(), effects)
        )
        assert rest == [*moved, *again, *saved, *dated, *kept]
        assert effects.new_files == {inbox: {new[0][0].path}}


@pytest.mark.parametrize(("settle", "queued"), [(0.0, 30), (3600.0, 0)])
def test_scan_settled_files_are_queued_without_a_second_comparison(
    world: World, settle: float, queued: int
) -> None:
    world.settle_seconds = settle
    for number in range(30):
        world.put(f"{number}.png", 0.5)
    with world.engine() as engine:
        pool = engine.ctx.pool
        assert isinstance(pool, InlinePool)
        pool.refuses = ("IndexFile",)
        engine.indexer.hint_all()
        engine.step(0.0)
        assert engine.indexer.queued == queued
        assert len(engine.indexer.hints) == 30 - queued
        if queued:
            pool.refuses = ()
            world.settle(engine)
            with engine.ctx.store.read() as txn:
                assert sum(1 for _ in sightings.iter_all(txn)) == 30


def test_gathering_is_shorter_than_the_work_that_waits_in_a_worker() -> None:
    assert 2 * GATHER_SECONDS <= QUEUE_SECONDS


def test_ingest_of_the_same_batch_twice_changes_nothing(world: World) -> None:
    batch = [pair for name in "abc" for pair in answer_about(world, f"{name}.png", name)]
    with Store(world.folder / "own") as store:
        for _ in range(2):
            store.commit(
                lambda txn: ingest.ingest_batch(txn, batch, world.watches(), "e", DECODER_VERSION)
            )
            with store.read() as txn:
                assert {Path(os.fsdecode(s.path)).name for s in sightings.iter_all(txn)} == {
                    "a.png", "b.png", "c.png",
                }  # fmt: skip
                counted = txn.table("counts").scan(b"files:")
                assert [int.from_bytes(value, "big") for _, value in counted] == [3]
