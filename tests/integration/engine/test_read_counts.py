"""A verb for which a person waits reads no more records if the store contains more files.

The tests count records, not seconds.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imgscore.embedders.base import sections_of
from imgscore.embedders.registry import Spec
from imgscore.engine.engine import Engine
from imgscore.store import sightings, vectors
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers import run_queries
from imgscore.workers.context import Context
from imgscore.workers.queries import NextQuery
from tests.integration.engine.conftest import World, ask, until_idle

FEW, MANY = 20, 200
SLACK = 60
"""the records that a verb may read in addition, if there are more files"""

PLAN = "plan"
"""a plan reads all files of an inbox; in an inbox with many files, a worker makes it"""


class CountingTable:
    """A table of the store that counts the records that are read from it."""

    def __init__(self, table: Any, name: str, reads: Counter[str]) -> None:
        self._table, self._name, self._reads = table, name, reads

    def __len__(self) -> int:
        return len(self._table)

    def __getattr__(self, method: str) -> Any:
        value = getattr(self._table, method)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            self._reads[self._name] += 1
            result = value(*arguments, **options)
            if isinstance(result, Iterator):
                return self._counted(result)
            return self._counting(result) if method == "getter" else result

        return call

    def _counted(self, rows: Iterator[Any]) -> Iterator[Any]:
        for row in rows:
            self._reads[self._name] += 1
            yield row

    def _counting(self, get: Callable[[bytes, bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
        def counting_get(key: bytes, default: bytes) -> bytes:
            self._reads[self._name] += 1
            return get(key, default)

        return counting_get


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of records that were read, by table."""
    reads: Counter[str] = Counter()
    make = Txn._make_table
    monkeypatch.setattr(
        Txn, "_make_table", lambda self, name: CountingTable(make(self, name), name, reads)
    )
    return reads


def use_all_verbs(world: World, engine: Engine) -> Iterator[str]:
    """Use each verb once, and yield its name after it."""
    first, second = (os.fspath(path) for path in sorted(world.inbox.glob("*.jpg"))[:2])
    ask(engine, "status")
    yield "status"
    world.put("new.jpg", 0.55)
    engine.indexer.hint(os.fsencode(world.inbox / "new.jpg"))
    until_idle(engine)
    yield "new file"
    (world.inbox / "new.jpg").unlink()
    engine.indexer.hint(os.fsencode(world.inbox / "new.jpg"))
    until_idle(engine)
    yield "deleted file"
    ask(engine, "label", label="keep", files=[first])
    yield "label"
    engine.step(0)
    yield PLAN
    row = ask(engine, "score", files=[second])[0]
    yield "score"
    labelled = ask(
        engine, "review", taste="default", sha256=row["sha256"], path=second, label="trash"
    )[0]
    yield "review"
    ask(engine, "review", taste="default", sha256=row["sha256"], path=second,
        undo=labelled["number"])  # fmt: skip
    yield "undo in the review"
    ask(engine, "undo", what="label")
    yield "undo"
    ask(engine, "history", limit=5)
    yield "history"
    engine.ctx.event_log.since(0)
    yield "watch-log"


def counted(folder: Path, files: int, reads: Counter[str]) -> dict[str, Counter[str]]:
    world = World(folder)
    for number in range(files):
        world.put(f"{number:04}.jpg", (number + 0.5) / files)
    found = {}
    with world.engine() as engine:
        world.settle(engine)
        engine.step(0)
        reads.clear()
        for verb in use_all_verbs(world, engine):
            found[verb] = Counter(reads)
            reads.clear()
    return found


def test_verbs_with_ten_times_the_files_read_no_more_records(
    tmp_path: Path, reads: Counter[str]
) -> None:
    few = counted(tmp_path / "few", FEW, reads)
    many = counted(tmp_path / "many", MANY, reads)
    grown = {
        f"{verb}: {table}": (few[verb][table], count)
        for verb, tables in many.items()
        for table, count in tables.items()
        if verb != PLAN and count > few[verb][table] + SLACK
    }
    assert not grown, "more records are read if there are more files"
    assert all(sum(few[verb].values()) for verb in ("status", "label", "undo", "new file"))


def test_next_many_files_reads_the_vectors_of_the_candidates_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_queries, "MAX_CANDIDATES", 10)
    spec = Spec("tiny", 2, sections_of(("embedding", 2)), "tiny")
    digests = [bytes([number]) * 32 for number in range(100)]
    context = Context(tmp_path, tmp_path, "efficientnet-lite0", "cpu")
    monkeypatch.setattr(context, "spec", spec)
    with Store(tmp_path) as store:

        def write(txn: Txn) -> None:
            vectors.append(txn, "tiny", [(digest, digest[:4]) for digest in digests[:95]])
            for number, digest in enumerate(digests):
                seen = Fingerprint(1, number, 1, 1, 1)
                inbox = b"/other" if number < 15 else b"/in"
                path = b"%s/%d" % (inbox, number)
                sightings.record(txn, Sighting(path, seen, digest, inbox, "inbox"))

        store.commit(write)
        wanted: list[bytes] = []
        get_many = vectors.get_many

        def spy(txn: Txn, embedder: str, chosen: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
            wanted.extend(chosen)
            return get_many(txn, embedder, chosen)

        monkeypatch.setattr(vectors, "get_many", spy)
        with store.read() as txn:
            found, matrix = run_queries._candidates(context, txn, NextQuery("x", [b"/in"], 5))
    assert wanted == found == digests[15:95:8]
    assert matrix.tobytes() == b"".join(digest[:4] for digest in found)
