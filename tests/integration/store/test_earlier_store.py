"""Stores that earlier versions of imgscore wrote keep their meaning.

store_929630e.json contains the tables of a store of schema 2, and store_fbd79ea.json those of a
store of schema 3, before labels had grades: hexadecimal keys and values, as they are in LMDB.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest

from imgscore.images.traits import Traits
from imgscore.store import (
    checks,
    counts,
    failures,
    heads,
    journal,
    labels,
    migrations,
    name_vectors,
    originals,
    scores,
    settings,
    sightings,
    traits,
    trashed_files,
    unwatched_files,
    vectors,
)
from imgscore.store.schema import (
    SCHEMA_VERSION,
    Failure,
    Fingerprint,
    HeadRecord,
    Label,
    LabelEvent,
    Original,
    Sighting,
    Ties,
    Touch,
    TrashedFile,
)
from imgscore.store.store import TABLES, Store
from imgscore.store.transaction import Txn
from imgscore.store.unwatched_files import UnwatchedFile

TABLES_FILE = Path(__file__).with_name("store_929630e.json")
SCHEMA_3_FILE = Path(__file__).with_name("store_fbd79ea.json")
A, B = bytes(range(32)), bytes(range(32, 64))
A_PATH, B_PATH = b"/inbox/a.jpg", b"/inbox/keep/\xff.png"
SCHEMA = b"schema".hex()
SEEN = Fingerprint(1, 2, 3, 4, 5)


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Txn]:
    with _opened(TABLES_FILE, tmp_path) as txn:
        yield txn


@contextmanager
def _opened(file: Path, tmp_path: Path) -> Iterator[Txn]:
    tables = json.loads(file.read_text())
    folder = tmp_path / "store"
    folder.mkdir()
    with lmdb.open(str(folder), max_dbs=len(tables)) as environment:
        for name, entries in tables.items():
            database = environment.open_db(name.encode())
            with environment.begin(db=database, write=True) as raw:
                for key, value in entries.items():
                    raw.put(bytes.fromhex(key), bytes.fromhex(value))
    with Store(folder) as store, store.read() as txn:
        yield txn


def test_open_earlier_store_finds_no_problem(txn: Txn, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert set(json.loads(TABLES_FILE.read_text())) <= set(TABLES)
    findings = {finding.what: finding for finding in checks.iter_all(txn, folder / "data.mdb")}
    assert not [finding for finding in findings.values() if finding.problems]
    # This store is older than comparisons of images, groups, and qualities.
    new = {"comparisons", "groups", "qualities"}
    assert {what for what, finding in findings.items() if not finding.entries} == new


def test_open_earlier_store_changes_no_record(txn: Txn) -> None:
    """Opening adds checksums, and no record changes but the number of the schema."""
    for name, entries in json.loads(TABLES_FILE.read_text()).items():
        before = {key: value for key, value in entries.items() if key != SCHEMA}
        table, count = txn.table(name), len(txn.table(name))
        assert {key: _hex(table.get(bytes.fromhex(key))) for key in before} == before
        # The table `meta` has the schema and a copy of it.
        assert count == len(before) + 2 * (name == "meta")


def _hex(record: bytes | None) -> str | None:
    return None if record is None else record.hex()


def test_open_earlier_store_decodes_sightings(txn: Txn) -> None:
    assert set(sightings.iter_all(txn, gone=True)) == {
        Sighting(A_PATH, SEEN, A, b"/inbox", "inbox"),
        Sighting(B_PATH, Fingerprint(1, 3, 4, 5, -(1 << 63) - 7), B, b"/inbox", "keep"),
        Sighting(b"/inbox/gone.jpg", SEEN, A, b"/inbox", "inbox", 99),
    }
    assert {sighting.path for sighting in sightings.of_digest(txn, A)} == {
        A_PATH,
        b"/inbox/gone.jpg",
    }


def test_open_earlier_store_decodes_labels(txn: Txn) -> None:
    # The first event also lists moved files: a field that later versions dropped.
    assert list(labels.newest_first(txn)) == [
        (3, LabelEvent(3, "default", A, "clear", "undo", A_PATH)),
        (2, LabelEvent(2, "default", A, "trash", "cli", A_PATH)),
        (1, LabelEvent(1, "default", B, "keep", "place", B_PATH)),
    ]
    assert dict(labels.iter_all(txn, "default")) == {B: Label("keep", 1, 1, "place", B_PATH)}


def test_open_earlier_store_decodes_dates(txn: Txn) -> None:
    assert list(originals.iter_all(txn)) == [(A, Original(A_PATH, 10, 20, 30, [15]))]
    assert list(journal.newest_first(txn)) == [
        (2, Touch(2, 2, b"/inbox", A_PATH, A, 20, 30, "1", "order")),
        (1, Touch(1, 1, b"/inbox", A_PATH, A, 10, 20, "1", "order")),
    ]


def test_open_earlier_store_decodes_images(txn: Txn) -> None:
    assert list(traits.iter_all(txn)) == [
        (
            A,
            Traits(
                width=4, height=3, format="JPEG", bytes_per_pixel=1.5, taken="2024-05-06T12:00:00"
            ),
        )
    ]
    assert vectors.get(txn, "an-embedder", A) == b"abcd"
    assert vectors.get(txn, "an-embedder", B) == b"efgh"
    key = name_vectors.key("an-embedder", "an-encoder", A_PATH)
    assert key is not None and name_vectors.get(txn, key) == b"name"
    assert list(failures.iter_all(txn)) == [
        Failure(b"/inbox/b.png", SEEN, b"", "why", "what to do", 1)
    ]


def test_open_earlier_store_decodes_heads_and_scores(txn: Txn) -> None:
    head = HeadRecord("1", "default", "an-embedder", 1, 2, 2, True, {"auc": 0.5})
    assert heads.current(txn, "default") == head
    assert heads.last_under(txn, "default", "an-embedder") == head
    assert scores.get(txn, "default", "1", A) == (0.75, 0.25)
    assert settings.ties(txn, b"/inbox", "1") == Ties("1", 2, [0.25, 0.5])


def test_open_earlier_store_decodes_the_rest(txn: Txn) -> None:
    assert settings.get(txn, "paused_until_ns") == "7"
    assert unwatched_files.find(txn, b"/elsewhere/c.png") == UnwatchedFile(
        SEEN, A, "why", "what to do", 2
    )
    assert list(trashed_files.iter_all(txn)) == [
        TrashedFile(b"/trash/files/d.png", SEEN, B, b"/inbox/d.png", b"/trash", 5)
    ]
    assert counts.files(txn, b"/inbox", "inbox") == 1
    assert counts.scored(txn, b"/inbox", "default", "1") == 1


def test_open_store_of_schema_3_keeps_its_labels_and_takes_grades(tmp_path: Path) -> None:
    c, trashed = bytes(range(64, 96)), b"/inbox/trash/\xff.png"
    with _opened(SCHEMA_3_FILE, tmp_path) as txn:
        assert migrations.schema(txn) == SCHEMA_VERSION
        assert [
            (number, event.digest, event.label, event.grade, event.source)
            for number, event in labels.newest_first(txn)
        ] == [
            (6, c, "keep", 1, "cli"),
            (5, c, "clear", None, "undo"),
            (4, c, "trash", 0, "import"),
            (3, B, "trash", 0, "place"),
            (2, B, "keep", 1, "xdg_trash"),
            (1, A, "keep", 1, "place"),
        ]
        assert dict(labels.iter_all(txn, "default")) == {
            A: Label("keep", 1, 1, "place", b"/inbox/keep/a.jpg"),
            B: Label("trash", 3, 3, "place", trashed),
        }
        assert labels.totals(txn, "default") == {"keep": 1, "trash": 1}
        assert counts.iter_all(txn) == migrations.recount(txn)
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: labels.append(txn, LabelEvent(7, "memes", c, 0.5, "cli", b"")))
    with Store(tmp_path / "store") as store, store.read() as txn:
        current = labels.current(txn, "memes", c)
        assert current is not None and (current.grade, current.label) == (0.5, "undecided")
        assert labels.totals(txn, "memes") == {"keep": 0, "trash": 0}
        findings = list(checks.iter_all(txn, store.file))
        assert not [finding for finding in findings if finding.problems]
