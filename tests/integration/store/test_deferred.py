"""Deferred writes: transactions read them at once, and they survive a crash."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgscore.engine import apply
from imgscore.errors import StoreError
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import deferred, journal, originals, sightings
from imgscore.store.schema import DIGEST_SIZE, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import PlannedTouch

SECOND = 10**9
NOW = 1_790_000_000


def seen_files(store: Store, folder: Path, count: int) -> list[bytes]:
    """Create files, and record a sighting of each; return their paths."""
    folder.mkdir()
    paths = [os.fsencode(folder / f"{number}.jpg") for number in range(count)]

    def record(txn: "object") -> None:
        for number, path in enumerate(paths):
            Path(os.fsdecode(path)).write_bytes(b"x")
            os.utime(path, ns=(0, (NOW - 1000 * number) * SECOND + 7))
            seen = fingerprint_of(path)
            assert seen is not None
            digest = number.to_bytes(DIGEST_SIZE, "big")
            sightings.record(txn, Sighting(path, seen, digest, os.fsencode(folder), "inbox"))  # type: ignore[arg-type]

    store.commit(record)
    return paths


def order(store: Store, start: int) -> list[int]:
    """Give each known file a new date; return the dates, sorted by path."""
    with store.read() as txn:
        files = sorted(sightings.iter_all(txn), key=lambda file: file.path)
    dates = [(start - 100 * number) * SECOND for number in range(len(files))]
    planned = [PlannedTouch(file, date) for file, date in zip(files, dates, strict=True)]
    for outcome in apply.apply_plan(store, planned, "1"):
        assert not outcome.changed and not outcome.refused
    return dates


def stored(store: Store) -> list[tuple[bytes, int, int, int]]:
    """The path, the original and the present date of each record, and the date of the sighting."""
    with store.read() as txn:
        rows = []
        for digest, original in originals.iter_present(txn):
            sighting = sightings.find(txn, original.path)
            assert sighting is not None and sighting.digest == digest
            of_date = [found for found, _ in originals.of_date(txn, original.after_ns)]
            assert digest in of_date
            rows.append(
                (original.path, original.original_ns, original.after_ns, sighting.seen.mtime_ns)
            )
        return sorted(rows)


@pytest.fixture
def full_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writes of each batch of two files are deferred."""
    monkeypatch.setattr(apply, "TOUCH_BATCH", 2)


@pytest.mark.usefixtures("full_batches")
def test_apply_plan_full_batches_defers_writes_that_transactions_read(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        paths = seen_files(store, tmp_path / "inbox", 6)
        order(store, NOW - 50_000)
        dates = order(store, NOW - 90_000)
        assert not store.deferred.is_empty
        expected = [
            (path, (NOW - 1000 * number) * SECOND + 7, date, date)
            for number, (path, date) in enumerate(zip(paths, dates, strict=True))
        ]
        assert stored(store) == expected
        while not store.deferred.is_empty:
            store.flush_part()
        assert stored(store) == expected
    with Store(tmp_path / "store", readonly=True) as store, store.read() as txn:
        assert len(txn.table("unsettled")) == 0
        assert stored(store) == expected


@pytest.mark.usefixtures("full_batches")
@pytest.mark.parametrize("parts", [0, 1, 2, 3])
def test_store_opened_after_a_crash_repeats_deferred_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(deferred, "FLUSH_WRITES", 5)
    store = Store(tmp_path / "store")
    paths = seen_files(store, tmp_path / "inbox", 6)
    order(store, NOW - 50_000)
    dates = order(store, NOW - 90_000)
    for _ in range(parts):
        store.flush_part()
    assert not store.deferred.is_empty
    store.environment.close()  # as after a crash, nothing else is written
    with Store(tmp_path / "store") as store:
        rows = stored(store)
        assert [row[:3] for row in rows] == [
            (path, (NOW - 1000 * number) * SECOND + 7, date)
            for number, (path, date) in enumerate(zip(paths, dates, strict=True))
        ]
        # Only the files of the last batch, whose states were not stored, are read again.
        assert [row[3] for row in rows[:4]] == dates[:4]
        with store.read() as txn:
            assert len(txn.table("unsettled")) == 0
            assert journal.last_number(txn) == 12


@pytest.mark.usefixtures("full_batches")
@pytest.mark.parametrize("parts", [0, 1, 2])
def test_store_opened_after_a_crash_in_the_first_order_has_the_originals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(deferred, "FLUSH_WRITES", 5)
    store = Store(tmp_path / "store")
    paths = seen_files(store, tmp_path / "inbox", 6)
    dates = order(store, NOW - 50_000)
    on_disk = [row[:3] for row in stored(store)]
    for _ in range(parts):
        store.flush_part()
        assert [row[:3] for row in stored(store)] == on_disk
    assert not store.deferred.is_empty
    store.environment.close()  # as after a crash, nothing else is written
    with Store(tmp_path / "store") as store:
        assert [row[:3] for row in stored(store)] == on_disk
        assert on_disk == [
            (path, (NOW - 1000 * number) * SECOND + 7, date)
            for number, (path, date) in enumerate(zip(paths, dates, strict=True))
        ]


@pytest.mark.usefixtures("full_batches")
def test_commit_that_writes_a_sighting_first_makes_the_deferred_writes(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        paths = seen_files(store, tmp_path / "inbox", 4)
        dates = order(store, NOW - 50_000)
        with store.read() as txn:
            known = sightings.find(txn, paths[0])
        assert known is not None and known.seen.mtime_ns == dates[0]
        with pytest.raises(ZeroDivisionError), store.write() as txn:
            sightings.forget(txn, known)
            raise ZeroDivisionError
        assert not store.deferred.is_empty
        store.commit(lambda txn: sightings.forget(txn, known))
        assert store.deferred.is_empty
        with store.read() as txn:
            assert sightings.find(txn, paths[0]) is None
            assert [file.seen.mtime_ns for file in sightings.iter_all(txn)].count(dates[1]) == 1


KEYS = st.binary(min_size=1, max_size=2)


def long_key(key: bytes) -> bytes:
    """A key that begins with one of two digests."""
    return bytes([key[0] % 2]) * DIGEST_SIZE + key


@pytest.mark.parametrize("name", ["dates", "originals"])
@settings(max_examples=40, deadline=None)
@example([("put", b"\1", b"\0"), ("defer", b"\0", b"\1")])
@given(st.lists(st.tuples(st.sampled_from(["defer", "put", "part"]), KEYS, KEYS), max_size=20))
def test_deferrable_table_reads_like_a_table_without_deferred_writes(
    tmp_path_factory: pytest.TempPathFactory, name: str, steps: list[tuple[str, bytes, bytes]]
) -> None:
    if name == "originals":  # Its keys begin with a digest.
        steps = [(step, long_key(key), long_key(value)) for step, key, value in steps]
    model: dict[bytes, bytes] = {}
    with Store(tmp_path_factory.mktemp("store")) as store:
        for number, (step, key, value) in enumerate(steps, 1):
            if step == "part":
                store.flush_part()
            elif step == "put":
                store.commit(lambda txn, key=key, value=value: txn.table(name).put(key, value))
                model[key] = value
            else:
                gone = model.pop(value, None) is not None and value != key
                values: deferred.Values = {value: None} if gone else {}
                store.deferred.add(number, {name: values | {key: b"d"}}, b"")
                model[key] = b"d"
            with store.read() as txn:
                table = txn.table(name)
                assert list(table.scan()) == sorted(model.items())
                assert list(table.keys()) == sorted(model)
                for prefix in (key, key[:DIGEST_SIZE], key[:1]):
                    under = [item for item in sorted(model.items()) if item[0].startswith(prefix)]
                    assert list(table.scan(prefix)) == under
                assert table.get(key) == model.get(key)
                assert table.getter()(value, b"no") == model.get(value, b"no")
                first = next((item for item in sorted(model.items()) if item[0] >= value), None)
                assert table.first_from(value) == first


@pytest.mark.usefixtures("full_batches")
@pytest.mark.parametrize("end", ["close", "crash"])
def test_apply_plan_more_files_than_are_deferred_writes_parts_beside_the_touches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(deferred, "MAX_FILES", 4)
    monkeypatch.setattr(deferred, "FLUSH_WRITES", 5)
    store = Store(tmp_path / "store")
    paths = seen_files(store, tmp_path / "inbox", 16)
    order(store, NOW - 50_000)
    order(store, NOW - 70_000)
    dates = order(store, NOW - 90_000)
    with store.read() as txn:
        on_disk = {key for key, _ in txn.own_table("originals").scan()}
    assert len(on_disk) == 16 and len(store.deferred) < 16
    expected = [
        (path, (NOW - 1000 * number) * SECOND + 7, date)
        for path, number, date in zip(sorted(paths), sorted_numbers(paths), dates, strict=True)
    ]
    assert [row[:3] for row in stored(store)] == expected
    store.environment.close() if end == "crash" else store.close()
    with Store(tmp_path / "store") as store:
        assert [row[:3] for row in stored(store)] == expected


def test_apply_batch_whose_flush_fails_raises_and_keeps_the_deferred_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "TOUCH_BATCH", 2)
    monkeypatch.setattr(deferred, "MAX_FILES", 4)
    commit = Store.commit

    def fail_in_thread(store: Store, work: Callable[[Txn], object]) -> object:
        if threading.current_thread() is not threading.main_thread():
            raise StoreError("the disk is full", "free some disk space")
        return commit(store, work)

    with Store(tmp_path / "store") as store:
        paths = seen_files(store, tmp_path / "inbox", 8)
        with monkeypatch.context() as patch:
            patch.setattr(Store, "commit", fail_in_thread)
            with pytest.raises(StoreError, match="full"):
                order(store, NOW - 50_000)
        originals_now = {row[0]: row[1] for row in stored(store)}
        assert len(originals_now) == 6  # the batch beside the failed flush is recorded, too
        for number, path in enumerate(paths[:6]):
            assert originals_now[path] == (NOW - 1000 * number) * SECOND + 7
        order(store, NOW - 90_000)
        assert len(stored(store)) == 8


@pytest.mark.usefixtures("full_batches")
def test_flush_until_few_many_files_writes_parts_in_several_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "MAX_ADDED_FILES", 4)
    monkeypatch.setattr(deferred, "FLUSH_WRITES", 5)
    with Store(tmp_path / "store") as store:
        seen_files(store, tmp_path / "inbox", 20)
        order(store, NOW - 50_000)
        expected, steps, dates = stored(store), 0, NOW - 60_000
        while not store.flush_until_few():
            assert stored(store) == expected
            steps += 1
            if steps <= 2:  # an order goes on between the steps
                with store.read() as txn:
                    files = sorted(sightings.iter_all(txn), key=lambda file: file.path)[:2]
                dates -= 1_000
                planned = [
                    PlannedTouch(file, (dates - number) * SECOND)
                    for number, file in enumerate(files)
                ]
                list(apply.apply_plan(store, planned, "1"))
                expected = stored(store)
        assert steps > 1 and len(store.deferred) <= 4
        assert stored(store) == expected


def sorted_numbers(paths: list[bytes]) -> list[int]:
    """The numbers of the files, sorted by path."""
    return sorted(range(len(paths)), key=lambda number: paths[number])
