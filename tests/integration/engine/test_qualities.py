"""The stage that measures the images in groups, with real workers and real files."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from PIL import ImageFilter

from imgscore import paths
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.engine import qualities as stage
from imgscore.engine.engine import Engine, open_engine
from imgscore.engine.stage import Effects
from imgscore.groups.best import VERSION, Quality, best_first
from imgscore.store import groups, qualities
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.store import Store
from tests.conftest import draw
from tests.integration.engine.conftest import until


def engine_of(store: Store, inbox: Path) -> Engine:
    daemon = DaemonConfig(free_mb=0, settle=0.05, workers=1)
    config = Config(watch=[WatchConfig(inbox=os.fspath(inbox))], daemon=daemon)
    return open_engine(store, config, paths.heads_folder())


def save(inbox: Path, blurs: list[float]) -> list[bytes]:
    """Save copies of a picture that are blurred by these radii, and return their digests."""
    whole = draw("text", 3).resize((900, 700))
    digests = []
    for number, blur in enumerate(blurs):
        path = inbox / f"{number}.png"
        whole.filter(ImageFilter.GaussianBlur(blur)).save(path)
        digests.append(hashlib.sha256(path.read_bytes()).digest())
    return digests


def scan(engine: Engine) -> None:
    engine.indexer.hint_all()
    until(engine, lambda: engine.idle)


def group(engine: Engine, digests: list[bytes]) -> None:
    """Store a group, as the stage that finds groups does, and let the engine finish its work."""
    new = NewGroup("bursts", tuple(digests), "taken within a second")
    changed = engine.ctx.store.commit(lambda txn: groups.replace(txn, digests, [new]))
    engine.quality_measurer.receive(Effects(regrouped=changed))


def stored(store: Store, digests: list[bytes]) -> list[Quality | None]:
    with store.read() as txn:
        return [qualities.of(txn, digest) for digest in digests]


def test_stage_with_a_group_measures_its_images_only(store: Store, inbox: Path) -> None:
    digests = save(inbox, [4, 0, 1, 2])
    with engine_of(store, inbox) as engine:
        scan(engine)
        with store.write() as txn:
            groups.clear(txn)
            for digest in digests:
                txn.table("qualities").delete(digest)
        group(engine, digests[:3])
        until(engine, lambda: engine.idle)
    *members, other = stored(store, digests)
    assert other is None
    found = [member for member in members if member is not None and member.is_measured]
    assert best_first(found) == [1, 2, 0]
    assert {quality.pixels for quality in found} == {900 * 700}


def test_stage_after_a_restart_measures_what_is_missing(
    store: Store, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "CHECK_BATCH", 2)
    digests = save(inbox, [0, 1, 2, 3, 4])
    with engine_of(store, inbox) as engine:
        scan(engine)
    new = NewGroup("bursts", tuple(digests), "taken within a second")
    kept = Quality(detail=1.0)
    with store.write() as txn:
        groups.clear(txn)
        groups.replace(txn, digests, [new])
        for digest in digests:
            txn.table("qualities").delete(digest)
        qualities.record(txn, digests[0], QualityRecord(VERSION, kept))
        qualities.record(txn, digests[1], QualityRecord(VERSION - 1, kept))
    with engine_of(store, inbox) as engine:
        until(engine, lambda: engine.idle)
    first, *others = stored(store, digests)
    assert first == kept
    assert all(other is not None and other.is_measured and other != kept for other in others)


def test_stage_counts_an_image_as_pending_until_it_is_measured(
    store: Store, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "BATCH", 1)
    digests = save(inbox, [0, 1, 2, 3])
    with engine_of(store, inbox) as engine:
        scan(engine)
        with store.write() as txn:
            groups.clear(txn)
            for digest in digests:
                txn.table("qualities").delete(digest)
        group(engine, digests)
        seen = [engine.quality_measurer.pending]
        while engine.quality_measurer.pending:
            engine.step(0.05)
            seen.append(engine.quality_measurer.pending)
    assert seen[0] == 4 and seen == sorted(seen, reverse=True)


def test_stage_during_a_pause_and_on_battery_waits(store: Store, inbox: Path) -> None:
    digests = save(inbox, [0, 1])
    with engine_of(store, inbox) as engine:
        scan(engine)
        with store.write() as txn:
            groups.clear(txn)
            for digest in digests:
                txn.table("qualities").delete(digest)
        engine.pause(time.time_ns() + 10**12)
        group(engine, digests)
        for _ in range(20):
            engine.step(0.01)
        engine.pause(0)
        engine.save_power("on battery")
        for _ in range(20):
            engine.step(0.01)
        assert stored(store, digests) == [None, None]
        engine.save_power(None)
        until(engine, lambda: engine.idle)
    assert all(stored(store, digests))


def test_stage_skips_a_missing_file_and_measures_it_when_it_is_back(
    store: Store, inbox: Path
) -> None:
    digests = save(inbox, [0, 1])
    away = inbox.parent / "away.png"
    with engine_of(store, inbox) as engine:
        scan(engine)
        with store.write() as txn:
            groups.clear(txn)
            for digest in digests:
                txn.table("qualities").delete(digest)
        (inbox / "0.png").rename(away)
        group(engine, digests)
        until(engine, lambda: engine.idle)
        first, second = stored(store, digests)
        assert first is None and second is not None
        away.rename(inbox / "0.png")
        scan(engine)
    assert stored(store, digests)[0] is not None


def test_stage_with_a_file_that_cannot_be_decoded_records_what_is_known(
    store: Store, inbox: Path
) -> None:
    digests = save(inbox, [0, 1])
    broken = inbox / "broken.jpg"
    draw("sun", 1).save(broken)
    broken.write_bytes(broken.read_bytes()[:300])
    digests.append(hashlib.sha256(broken.read_bytes()).digest())
    with engine_of(store, inbox) as engine:
        scan(engine)
        group(engine, digests)
        until(engine, lambda: engine.idle)
    *_, quality = stored(store, digests)
    assert quality == Quality(bytes=300)
