"""The checksums of the records that cannot be computed again, and the migration that adds them."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.engine.apply import apply_plan
from imgscore.errors import StoreError
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import checks, checksums, journal, labels, migrations, originals, settings
from imgscore.store.checksums import DamagedRecordError, Seal
from imgscore.store.schema import LabelEvent, Original, Sighting, Touch
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import PlannedTouch
from tests.support.old_stores import downgrade

RECORDS = 50


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def fill(txn: Txn) -> None:
    for number in range(1, RECORDS + 1):
        path = b"/inbox/%d.png" % number
        originals.record(txn, digest(number), Original(path, number, number, 2 * number))
        journal.append(
            txn, Touch(1, 1, b"/inbox", path, digest(number), number, 2 * number, "1", "order")
        )
        labels.append(txn, LabelEvent(1, "default", digest(number), "keep", "cli", path))
    settings.put(txn, "paused_until_ns", "7")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Store(tmp_path / "store") as store:
        store.commit(fill)
    return tmp_path / "store"


def contents(folder: Path) -> Any:
    with Store(folder) as store, store.read() as txn:
        return (
            list(originals.iter_all(txn)),
            list(journal.newest_first(txn)),
            list(labels.newest_first(txn)),
            dict(labels.iter_all(txn, "default")),
            settings.get(txn, "paused_until_ns"),
        )


def stored_entries(folder: Path) -> Iterator[tuple[str, bytes, bytes]]:
    with Store(folder, readonly=True) as store, store.read() as txn:
        for table in sorted(checksums.TABLES):
            for key, value in txn.raw_table(table).scan():
                yield table, key, value


def problems(folder: Path) -> list[str]:
    with Store(folder, readonly=True) as store, store.read() as txn:
        return [text for finding in checks.iter_all(txn, store.file) for text in finding.problems]


@given(st.binary(max_size=60), st.binary(max_size=200), st.data())
def test_seal_any_flipped_bit_is_refused(key: bytes, record: bytes, data: st.DataObject) -> None:
    seal = Seal("originals", strict=True)
    stored = bytearray(key + seal.add(key, record))
    assert seal.verify(key, bytes(stored[len(key) :])) == record
    bit = data.draw(st.integers(0, 8 * len(stored) - 1))
    stored[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedRecordError, match="originals"):
        seal.verify(bytes(stored[: len(key)]), bytes(stored[len(key) :]))


def test_seal_other_table_or_moved_boundary_is_refused() -> None:
    value = Seal("labels", strict=True).add(b"key", b"record")
    with pytest.raises(DamagedRecordError):
        Seal("originals", strict=True).verify(b"key", value)
    with pytest.raises(DamagedRecordError):
        Seal("labels", strict=True).verify(b"keyr", value[1:])


def test_check_random_flip_in_a_stored_record_is_found(folder: Path) -> None:
    # The flips are made in the bytes of the file, as a failing disk would make them.
    data, chance = folder / "data.mdb", random.Random(1)
    sound = data.read_bytes()
    entries = [entry for entry in stored_entries(folder) if len(entry[2]) > 8]
    for _ in range(40):
        table, key, value = chance.choice(entries)
        stored = key + value
        assert sound.count(stored) >= 1, table
        damaged = bytearray(sound)
        bit = chance.randrange(8 * len(stored))
        at = -1
        while (at := sound.find(stored, at + 1)) >= 0:  # old copies lie in free pages
            damaged[at + bit // 8] ^= 1 << bit % 8
        data.write_bytes(damaged)
        assert problems(folder), (table, key, bit)
    data.write_bytes(sound)
    assert problems(folder) == []


def test_read_damaged_original_raises_and_names_the_table(folder: Path) -> None:
    def damage(txn: Txn) -> None:
        table = txn.raw_table("originals")
        key, value = next(table.scan(digest(1)))
        table.put(key, value[:-5] + bytes([value[-5] ^ 1]) + value[-4:])

    with Store(folder) as store:
        store.commit(damage)
        with store.read() as txn:
            with pytest.raises(StoreError, match="originals") as caught:
                originals.get(txn, digest(1), b"/inbox/1.png")
            assert "db restore" in caught.value.remedy
            assert originals.get(txn, digest(2), b"/inbox/2.png") is not None
            assert len(list(originals.iter_all(txn))) == RECORDS - 1, "it is left out"
        assert "originals" in store.damage["originals"]


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_open_older_store_adds_checksums_and_keeps_the_records(
    folder: Path, monkeypatch: pytest.MonkeyPatch, schema: int, batch: int
) -> None:
    before = contents(folder)
    downgrade(folder, schema)
    assert problems(folder) == []
    monkeypatch.setattr(migrations, "SEAL_BATCH", batch)
    assert contents(folder) == before
    assert problems(folder) == []
    for table, key, value in stored_entries(folder):
        assert migrations.is_plain(table, key) or Seal(table, strict=True).verify(key, value)


def test_open_older_store_read_only_reads_its_records(folder: Path) -> None:
    downgrade(folder, 2)
    with Store(folder, readonly=True) as store, store.read() as txn:
        assert originals.get(txn, digest(1), b"/inbox/1.png") is not None
        assert settings.get(txn, "paused_until_ns") == "7"


class _KilledError(Exception):
    pass


def test_migrate_interrupted_after_each_part_continues(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    downgrade(folder, 2)
    monkeypatch.setattr(migrations, "SEAL_BATCH", 20)
    for parts in range(1, 12):
        left = parts

        def step(name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _KilledError

        with monkeypatch.context() as patch:
            patch.setattr(migrations, "step", step)
            try:
                contents(folder)
            except _KilledError:
                with Store(folder, readonly=True) as store, store.read() as txn:
                    assert originals.get(txn, digest(50), b"/inbox/50.png") is not None
    assert contents(folder) == before
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"schema", b"2"), (b"schema", b"s"), (b"schema", None), (b"schema copy", None)],
)
def test_open_store_with_a_damaged_schema_is_refused(
    folder: Path, key: bytes, value: bytes | None
) -> None:
    with lmdb.open(str(folder), max_dbs=30) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(db=meta, write=True) as raw:
            raw.delete(key)
            if value is not None:
                raw.put(key, value)
    for readonly in (True, False):
        with pytest.raises(StoreError, match="damaged"):
            Store(folder, readonly=readonly)


def test_open_store_of_a_newer_schema_is_refused(folder: Path) -> None:
    with lmdb.open(str(folder), max_dbs=30) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(db=meta, write=True) as raw:
            for key in (b"schema", b"schema copy"):
                value = Seal("meta", strict=True).add(key, b"9") if b"copy" in key else b"9"
                raw.put(key, value)
    with pytest.raises(StoreError, match="schema 9"):
        Store(folder)


def test_apply_plan_damaged_original_leaves_only_that_file(tmp_path: Path) -> None:
    paths = [os.fsencode(tmp_path / name) for name in ("a.png", "b.png")]
    for path in paths:
        Path(os.fsdecode(path)).write_bytes(path)
        os.utime(path, ns=(10**18, 10**18))
    with Store(tmp_path / "store") as store:

        def plans(after_ns: int) -> list[PlannedTouch]:
            files = []
            for number, path in enumerate(paths, 1):
                seen = fingerprint_of(path)
                assert seen is not None
                files.append(Sighting(path, seen, digest(number), b"/in", "inbox"))
            return [PlannedTouch(file, after_ns) for file in files]

        first, second = 16 * 10**17, 17 * 10**17
        assert len(*(outcome.touched for outcome in apply_plan(store, plans(first), "1"))) == 2

        def damage(txn: Txn) -> None:
            table = txn.raw_table("originals")
            key, value = next(table.scan(digest(1)))
            table.put(key, value[:-5] + bytes([value[-5] ^ 1]) + value[-4:])

        store.commit(damage)
        (outcome,) = apply_plan(store, plans(second), "1")
        assert [touch.path for touch in outcome.touched] == paths[1:]
        assert [error.path for error in outcome.refused] == paths[:1]
        assert "original date is damaged" in outcome.refused[0].message
        assert [os.stat(path).st_mtime_ns for path in paths] == [first, second]
