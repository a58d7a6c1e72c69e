"""The store: tables, transactions, growth, damage, and one writer at a time."""

import os
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from imgscore.errors import StoreError
from imgscore.grades import name_of
from imgscore.groups.best import VERSION
from imgscore.store import (
    failures,
    labels,
    migrations,
    originals,
    qualities,
    scores,
    sightings,
    vectors,
)
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.schema import (
    SCHEMA_VERSION,
    Failure,
    Fingerprint,
    LabelEvent,
    Original,
    Sighting,
    StoredGrade,
    path_key,
)
from imgscore.store.store import Store
from imgscore.store.transaction import Table, Txn

SEEN = Fingerprint(1, 2, 3, 4, 5)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_sightings_of_digest_follow_the_paths(tmp_path: Path) -> None:
    path = b"/some/\xff\nwhere/" + b"x" * 4000
    with Store(tmp_path / "store") as store:
        with store.write() as txn:
            sightings.record(txn, Sighting(path, SEEN, digest(1), b"/some", "inbox"))
            sightings.record(txn, Sighting(b"/other", SEEN, digest(1), b"/some", "keep"))
        with store.read() as txn:
            assert {sighting.path for sighting in sightings.of_digest(txn, digest(1))} == {
                path,
                b"/other",
            }
            sighting = sightings.find(txn, path)
            assert sighting is not None and sighting.seen == SEEN
        with store.write() as txn:  # the file at the path is another sighting now
            sightings.record(txn, Sighting(path, SEEN, digest(2), b"/some", "inbox"))
        with store.read() as txn:
            assert [sighting.path for sighting in sightings.of_digest(txn, digest(1))] == [
                b"/other"
            ]
            assert [sighting.path for sighting in sightings.of_digest(txn, digest(2))] == [path]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_vectors_append_then_get_and_blocks_return_them(tmp_path: Path, count: int) -> None:
    pairs = [(digest(number), bytes([number % 256]) * 10) for number in range(count)]
    with Store(tmp_path / "store") as store:
        for start in range(0, count, 7):  # in small parts, each twice
            with store.write() as txn:
                assert vectors.append(txn, "a", pairs[start : start + 7]) == len(
                    pairs[start : start + 7]
                )
                assert vectors.append(txn, "a", pairs[start : start + 7]) == 0
        with store.write() as txn:
            vectors.append(txn, "b", [(digest(1), b"other")])
        with store.read() as txn:
            assert vectors.count(txn, "a") == count
            assert all(vectors.get(txn, "a", name) == vector for name, vector in pairs)
            names, values = zip(*vectors.blocks(txn, "a"), strict=True)
            assert b"".join(names) == b"".join(name for name, _ in pairs)
            assert b"".join(values) == b"".join(vector for _, vector in pairs)
            assert vectors.get(txn, "b", digest(0)) is None
            rest = list(vectors.blocks_from(txn, "a", 1))
            assert [number for number, _, _ in rest] == list(range(1, (count - 1) // 64 + 1))
            assert b"".join(names for _, names, _ in rest) == b"".join(
                name for name, _ in pairs[64:]
            )
        with store.write() as txn:
            vectors.drop(txn, "a")
        with store.read() as txn:
            assert vectors.count(txn, "a") == 0 and vectors.get(txn, "a", digest(0)) is None
            assert vectors.get(txn, "b", digest(1)) == b"other"


def test_vectors_get_many_reads_each_block_once(tmp_path: Path, monkeypatch) -> None:
    pairs = [(digest(number), bytes([number % 256]) * 10) for number in range(200)]
    wanted = [name for name, _ in pairs[:100] + pairs[190:]] + [digest(999)]
    read: list[bytes] = []
    get = Table.get
    monkeypatch.setattr(Table, "get", lambda table, key: read.append(key) or get(table, key))
    with Store(tmp_path / "store") as store:
        with store.write() as txn:
            vectors.append(txn, "a", pairs)
            vectors.append(txn, "b", [(digest(1), b"other")])
        random.Random(0).shuffle(wanted)
        with store.read() as txn:
            read.clear()
            assert list(vectors.get_many(txn, "a", wanted)) == pairs[:100] + pairs[190:]
            # After the embedder's record: two bytes for the embedder, four for the block.
            assert [int.from_bytes(key[2:], "big") for key in read[1:]] == [0, 1, 2, 3]
            assert list(vectors.get_many(txn, "c", wanted)) == []
            assert set(vectors.digests(txn, "a")) == {name for name, _ in pairs}
            assert list(vectors.digests(txn, "c")) == []


def test_vectors_append_another_length_raises(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        with store.write() as txn:
            vectors.append(txn, "a", [(digest(1), b"1234")])
        with pytest.raises(StoreError, match="6 bytes"), store.write() as txn:
            vectors.append(txn, "a", [(digest(2), b"123456")])
        with store.read() as txn:
            assert vectors.count(txn, "a") == 1


def test_labels_last_event_is_the_current_label(tmp_path: Path) -> None:
    def event(label: str, number: int = 1, taste: str = "default") -> LabelEvent:
        return LabelEvent(0, taste, digest(number), label, "cli", b"/x")  # type: ignore[arg-type]

    with Store(tmp_path / "store") as store, store.write() as txn:
        assert labels.append(txn, event("keep")) == 1
        assert labels.append(txn, event("trash")) == 2
        assert labels.append(txn, event("keep", taste="memes")) == 3
        now = labels.current(txn, "default", digest(1))
        assert now is not None and (now.label, now.sequence) == ("trash", 2)
        assert labels.totals(txn, "default") == {"keep": 0, "trash": 1}
        labels.append(txn, event("clear"))
        assert labels.current(txn, "default", digest(1)) is None
        assert labels.totals(txn, "memes") == {"keep": 1, "trash": 0}
        assert [entry.label for _, entry in labels.newest_first(txn)] == [
            "clear",
            "keep",
            "trash",
            "keep",
        ]


@pytest.mark.parametrize(
    ("value", "grade", "stored"),
    [(0.7, 0.7, 0.7), (0.5, 0.5, 0.5), (1, 1, "keep"), (0.0, 0, "trash"), ("keep", 1, "keep")],
)
def test_labels_append_grade_gives_label_with_this_grade(
    tmp_path: Path, value: StoredGrade, grade: float, stored: StoredGrade
) -> None:
    with Store(tmp_path / "store") as store, store.write() as txn:
        labels.append(txn, LabelEvent(0, "default", digest(1), value, "cli", b"/x"))
        now = labels.current(txn, "default", digest(1))
        assert now is not None and (now.grade, now.label) == (grade, name_of(grade))
        [(_, event)] = labels.newest_first(txn)
        assert (event.value, event.grade, event.label) == (stored, grade, name_of(grade))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_labels_append_impossible_grade_raises_and_writes_nothing(
    tmp_path: Path, value: float
) -> None:
    with Store(tmp_path / "store") as store, store.write() as txn:
        with pytest.raises(ValueError, match="from 0 to 1"):
            labels.append(txn, LabelEvent(0, "default", digest(1), value, "cli", b"/x"))
        assert labels.last_sequence(txn) == 0


def test_scores_of_two_heads_are_separate(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, store.write() as txn:
        packed = scores.pack(digest(1), 0.5, 0.25) + scores.pack(digest(2), 1, 0)
        scores.record(txn, "default", "1", packed)
        assert scores.get(txn, "default", "1", digest(1)) == (0.5, 0.25)
        assert scores.get(txn, "default", "2", digest(1)) is None
        scores.record(txn, "default", "10", packed)
        scores.forget(txn, "default", "1")
        assert scores.get(txn, "default", "1", digest(2)) is None
        assert scores.get(txn, "default", "10", digest(2)) == (1, 0)


def test_originals_belongs_distinguishes_our_dates_from_the_users() -> None:
    second = 10**9
    original = Original(b"/x", 111_222_333, 111_222_333, 40 * second)
    assert originals.is_ours(original, 40 * second)
    assert originals.is_ours(original, 41 * second)  # rounded by FAT
    assert not originals.is_ours(original, 111_222_333)
    assert originals.belongs(original, 111_222_333)
    assert not originals.belongs(original, 40 * second + 1)  # finer than any date that we set
    assert not originals.belongs(original, 50 * second)


def test_write_aborted_by_an_exception_writes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        with pytest.raises(RuntimeError), store.write() as txn:
            labels.append(txn, LabelEvent(0, "default", digest(1), "keep", "cli", b"/x"))
            raise RuntimeError
        with store.read() as txn:
            assert labels.last_sequence(txn) == 0


def test_commit_with_a_full_map_doubles_it(tmp_path: Path) -> None:
    with Store(tmp_path / "store", map_size=2**20) as store:
        for number in range(40):
            pairs = [(digest(number * 64 + row), bytes(1000)) for row in range(64)]
            store.commit(lambda txn, pairs=pairs: vectors.append(txn, "a", pairs))
        with store.read() as txn:
            assert vectors.count(txn, "a") == 40 * 64


def test_open_damaged_store_raises_and_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, store.write() as txn:
        labels.append(txn, LabelEvent(0, "default", digest(1), "keep", "cli", b"/x"))
    data = tmp_path / "store" / "data.mdb"
    damaged = b"\xff" * 8192 + data.read_bytes()[8192:]
    data.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"data\.mdb is damaged") as caught:
        Store(tmp_path / "store")
    assert "backup" in caught.value.remedy
    assert data.read_bytes() == damaged


def test_backup_can_be_opened_as_a_store(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        with store.write() as txn:
            labels.append(txn, LabelEvent(0, "default", digest(1), "keep", "cli", b"/x"))
        store.backup(tmp_path / "backup")
    with Store(tmp_path / "backup") as copy, copy.read() as txn:
        assert labels.last_sequence(txn) == 1


def test_migrate_runs_each_part_once_or_changes_nothing(tmp_path: Path) -> None:
    parts: list[bytes] = []

    def step(txn: Txn, progress: bytes) -> bytes | None:
        parts.append(progress)
        txn.table("meta").put(b"step", b"part %d" % len(parts))
        return b"more" if progress == b"" else None

    def broken(txn: Txn, progress: bytes) -> bytes | None:
        txn.table("meta").put(b"step", b"broken")
        raise RuntimeError

    with Store(tmp_path / "store") as store:
        steps = {SCHEMA_VERSION: step, SCHEMA_VERSION + 1: broken}
        migrations.migrate(store.commit, steps, SCHEMA_VERSION + 1)
        migrations.migrate(store.commit, steps, SCHEMA_VERSION + 1)
        assert parts == [b"", b"more"]
        with pytest.raises(RuntimeError):
            migrations.migrate(store.commit, steps, SCHEMA_VERSION + 2)
        with store.read() as txn:
            assert txn.table("meta").get(b"step") == b"part 2"
            assert migrations.schema(txn) == SCHEMA_VERSION + 1
    with pytest.raises(StoreError, match="schema"):
        Store(tmp_path / "store")  # a newer imgscore has migrated it


def test_failures_record_and_forget_by_path(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, store.write() as txn:
        failures.record(txn, Failure(b"/x", SEEN, b"", "why", "what", 1))
        assert [failure.reason for failure in failures.iter_all(txn)] == ["why"]
        assert failures.forget(txn, b"/x") and not failures.forget(txn, b"/x")


def test_lock_allows_one_writer_and_is_free_after_a_kill(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from imgscore.store.lock import StoreLock;"
        "lock = StoreLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=str(holder.pid)):
            StoreLock(tmp_path)
        holder.kill()
        holder.wait()
        with StoreLock(tmp_path):
            pass


def test_path_key_is_short_and_distinct() -> None:
    paths = [os.fsencode(f"/a/{number}") for number in range(1000)]
    keys = {path_key(path) for path in paths}
    assert len(keys) == 1000 and {len(key) for key in keys} == {16}


def test_read_record_of_a_newer_version_is_not_called_damaged(tmp_path: Path) -> None:
    """Its checksum is right, so a backup would not help, and the newer labels would be lost."""
    newer = msgspec.msgpack.encode([VERSION, list(range(40))])
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: txn.table("qualities").put(digest(1), newer))
        with pytest.raises(StoreError, match="another version") as caught, store.read() as txn:
            qualities.of(txn, digest(1))
    assert "restore" not in caught.value.remedy and "newest version" in caught.value.remedy
