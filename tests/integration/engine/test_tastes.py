"""Several tastes, among them a taste of no watch."""

import os
from collections.abc import Iterator

import pytest

from imgscore.engine.engine import Engine
from imgscore.paths import head_file
from imgscore.store import counts, heads, scores
from imgscore.store.schema import HeadRecord
from imgscore.workers.messages import Answer, FileFailure, FileIndexed, Task, Train, Trained
from tests.integration.engine.conftest import World, ask

REPORT: dict[str, object] = {"kind": "kernel", "reason": "the first head"}


@pytest.fixture
def engine(world: World) -> Iterator[Engine]:
    """An engine on one file, with a head of a taste that no watch has."""
    world.put("a.png", "1.0 0.25")
    with world.engine() as engine:
        head = HeadRecord("2", "memes", engine.ctx.embedder.id, 0, 0, 0, True, REPORT)
        engine.ctx.store.commit(lambda txn: heads.record(txn, head))
        yield engine


def test_indexer_two_tastes_ask_for_a_file_both_are_answered(world: World, engine: Engine) -> None:
    path = os.fsencode(world.inbox / "a.png")
    tickets = [engine.indexer.ask(path, taste) for taste in ("default", "memes")]
    world.settle(engine)
    answers = [ticket.answer for ticket in tickets]
    assert [answer.score for answer in answers if isinstance(answer, FileIndexed)] == [
        (1.0, 0.0),
        (0.25, 0.0),
    ]


def test_score_broken_file_under_a_taste_of_no_watch_reports_it(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = engine.ctx.pool.answers

    def broken(*about: float | int | None) -> list[tuple[Task, Answer]]:
        return [
            (task, FileIndexed(answer.seen, answer.digest, failure=FileFailure("broken", "")))
            for task, answer in answers(*about)  # type: ignore[arg-type]
            if isinstance(answer, FileIndexed)
        ]

    monkeypatch.setattr(engine.ctx.pool, "answers", broken)
    (row,) = ask(engine, "score", files=[os.fspath(world.inbox / "a.png")], taste="memes")
    assert row["error"] == "broken"
    world.settle(engine)


def test_heads_use_of_a_taste_of_no_watch_works(engine: Engine) -> None:
    file = head_file(engine.ctx.heads, "memes", "2")
    file.parent.mkdir(parents=True)
    file.touch()
    (row,) = ask(engine, "heads", action="use", version="2", taste="memes")
    assert row["in_use"]


def test_trainer_head_out_of_use_keeps_no_scores(engine: Engine) -> None:
    packed, store = scores.pack(b"d" * 32, 0.5, 0.1), engine.ctx.store

    def train(version: str) -> None:
        head = HeadRecord(version, "default", engine.ctx.embedder.id, 0, 0, 0, True, REPORT)
        engine.trainer.take(Train("default", "kernel"), Trained(head))
        store.commit(lambda txn: scores.record(txn, "default", version, packed))

    with store.write() as txn:
        scores.record(txn, "memes", "2", packed)
        scores.record(txn, "default", "1", packed)
    train("2")
    # A worker that got its task under the previous head answers now.
    store.commit(lambda txn: scores.record(txn, "default", "1", packed))
    train("3")
    with store.read() as txn:
        assert list(counts.score_prefixes(txn)) == [b"default\x003\0", b"memes\x002\0"]


def test_engine_watch_with_another_taste_gets_the_labels_of_its_folders(world: World) -> None:
    for name, place in (("a.png", "inbox/keep"), ("b.png", "inbox/trash"), ("c.png", "inbox")):
        world.put(name, "0.5 0.5", place)
    world.settled()
    with world.engine() as engine:  # labelled by a command, against its folder
        ask(engine, "label", label="trash", files=[os.fspath(world.inbox / "keep" / "a.png")])
    world.watch["taste"] = "other"
    for _ in range(2):  # the second start changes nothing
        with world.engine() as engine:
            world.settle(engine)
            (watch,) = ask(engine, "status")[0]["watches"]
            assert watch["taste"] == "other" and watch["labels"] == {"keep": 0, "trash": 2}
            rows = ask(engine, "history")
            events = [row for row in rows if row.get("taste") == "other"]
            assert sorted(row["label"] for row in events) == ["trash", "trash"]
