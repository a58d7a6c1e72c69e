"""`db check` finds a damaged record in any table, and changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.groups.best import Quality
from imgscore.images.traits import Traits
from imgscore.store import (
    checks,
    comparisons,
    failures,
    groups,
    heads,
    journal,
    labels,
    originals,
    qualities,
    scores,
    sightings,
    traits,
    trashed_files,
    unwatched_files,
    vectors,
)
from imgscore.store.comparisons import ComparisonEvent
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import (
    Failure,
    Fingerprint,
    HeadRecord,
    LabelEvent,
    Original,
    Sighting,
    Touch,
    TrashedFile,
)
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.store.unwatched_files import UnwatchedFile

DIGEST = bytes(range(32))
SEEN = Fingerprint(1, 2, 3, 4, 5)
TABLES = (
    "sightings", "places", "failures", "traits", "vectors", "rows", "label_log", "labels",
    "originals", "journal", "heads", "scores", "archive", "deletions", "counts", "comparison_log",
    "comparisons", "groups", "qualities",
)  # fmt: skip


def fill(txn: Txn) -> None:
    """One record of each kind."""
    path = b"/inbox/a.png"
    sightings.record(txn, Sighting(path, SEEN, DIGEST, b"/inbox", "inbox"))
    failures.record(txn, Failure(b"/inbox/b.png", SEEN, b"", "why", "what to do", 1))
    traits.record(txn, DIGEST, Traits(width=1, height=1, format="PNG", bytes_per_pixel=1.0))
    qualities.record(txn, DIGEST, QualityRecord(1, Quality(pixels=1, bytes=1, detail=2.0)))
    vectors.append(txn, "x", [(DIGEST, b"abcd"), (DIGEST[::-1], b"efgh")])
    labels.append(txn, LabelEvent(1, "default", DIGEST, "keep", "place", path))
    comparisons.append(txn, ComparisonEvent(1, "default", DIGEST, DIGEST[::-1], "first", "cli"))
    originals.record(txn, DIGEST, Original(path, 1, 1, 2))
    journal.append(txn, Touch(1, 1, b"/inbox", path, DIGEST, 1, 2, "1", "order"))
    heads.record(txn, HeadRecord("1", "default", "x", 1, 1, 1, True, {}))
    scores.record(txn, "default", "1", scores.pack(DIGEST, 0.5, 0.1))
    unwatched_files.record(txn, b"/elsewhere/c.png", UnwatchedFile(SEEN, DIGEST))
    groups.replace(
        txn, [DIGEST], [groups.NewGroup("bursts", (DIGEST, DIGEST[::-1]), "They are alike.")]
    )
    trashed_files.record(txn, TrashedFile(b"/trash/d.png", SEEN, DIGEST, path, b"/trash"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        store.commit(fill)
        yield store


def problems(store: Store) -> dict[str, list[str]]:
    with store.read() as txn:
        return {
            finding.what: finding.problems
            for finding in checks.iter_all(txn, store.file)
            if finding.problems
        }


def test_checks_of_a_sound_store_find_no_problem(store: Store) -> None:
    assert problems(store) == {}
    with store.read() as txn:
        assert all(
            finding.entries
            for finding in checks.iter_all(txn, store.file)
            if finding.what != "settings"
        )


@pytest.mark.parametrize("table", TABLES)
def test_checks_find_a_damaged_record(store: Store, table: str) -> None:
    def damage(txn: Txn) -> None:
        key, value = next(txn.table(table).scan())
        if value:
            txn.table(table).put(key, b"\xc1" * (len(value) - 1))
        else:  # an entry of `places` is only a key
            txn.table(table).put(key[:32] + os.urandom(16), value)

    store.commit(damage)
    assert problems(store)


@pytest.mark.parametrize(
    "table",
    ["places", "rows", "labels", "label_log", "vectors", "counts", "comparisons", "comparison_log"],
)
def test_checks_find_a_missing_record(store: Store, table: str) -> None:
    def lose(txn: Txn) -> None:
        key, _ = next(txn.table(table).scan())
        txn.table(table).delete(key)

    store.commit(lose)
    assert problems(store)
