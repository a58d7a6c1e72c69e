"""Import of a table: an abandoned import keeps nothing in memory, and one undo undoes all."""

import os

from imgscore.engine.engine import Engine
from imgscore.messages import Progress
from imgscore.store import labels
from imgscore.store.schema import LabelEvent
from imgscore.verbs import registry
from imgscore.workers.queries import ParquetRow, QueryRows
from tests.integration.engine.conftest import World, ask

PART = QueryRows([ParquetRow(b"x" * 32, None, 1.0)], last=False)


def _table(world: World) -> str:
    """Make an empty file. The answers of a worker about it are made up."""
    path = world.inbox.parent / "table.parquet"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return os.fspath(path)


def test_import_abandoned_keeps_no_rows(world: World) -> None:
    request = registry.parse("import", {"file": _table(world)})
    with world.engine() as engine:
        steps = registry.run(engine, request)
        next(steps)
        (ticket,) = engine.queries.tickets
        engine.queries.take(ticket.task, PART)
        assert ticket.rows
        next(steps)
        assert not ticket.rows
        steps.close()  # the client is gone; the worker reads on
        engine.queries.take(ticket.task, PART)
        assert not ticket.rows


def test_import_is_undone_by_one_undo(world: World) -> None:
    known, new = [number.to_bytes(32, "big") for number in range(2)]
    event = LabelEvent(0, "default", known, "trash", "cli", b"/a.png")

    def part(*rows: tuple[bytes, float]) -> QueryRows:
        return QueryRows([ParquetRow(digest, None, grade) for digest, grade in rows], last=False)

    with world.engine() as engine:
        engine.ctx.store.commit(lambda txn: labels.append(txn, event))
        request = registry.parse("import", {"file": _table(world)})
        steps = registry.run(engine, request)
        next(steps)
        (ticket,) = engine.queries.tickets
        for rows in (((known, 1.0), (new, 1.0), (new, 0.3)), ((new, 1.0),)):
            engine.queries.take(ticket.task, part(*rows))
            assert isinstance(next(steps), Progress)
            next(steps)
        steps.close()
        assert current_labels(engine) == {known: "keep", new: "keep"}
        (undone,) = ask(engine, "undo", what="label")
        assert undone["others"] == 3 and current_labels(engine) == {known: "trash"}
        ask(engine, "undo", what="label")
        assert current_labels(engine) == {}


def current_labels(engine: Engine) -> dict[bytes, str]:
    with engine.ctx.store.read() as txn:
        return {digest: label.label for digest, label in labels.iter_all(txn, "default")}
