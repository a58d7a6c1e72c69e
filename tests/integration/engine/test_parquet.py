"""A table that comes in: what nobody waits for any longer is not kept; all of it is one undo."""

from imgscore.engine.engine import Engine
from imgscore.messages import Progress
from imgscore.store import labels
from imgscore.store.schema import LabelEvent, LabelName
from imgscore.verbs import registry
from imgscore.workers.queries import ParquetRow, QueryRows
from tests.integration.engine.conftest import World, ask

PART = QueryRows([ParquetRow(b"x" * 32, None, "keep")], last=False)


def test_whoever_breaks_an_import_off_leaves_nothing_in_memory(world: World) -> None:
    request = registry.parse("import", {"file": "/a/table.parquet"})
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


def test_one_undo_takes_a_table_back(world: World) -> None:
    known, new = [number.to_bytes(32, "big") for number in range(2)]
    event = LabelEvent(0, "default", known, "trash", "cli", b"/a.png")

    def part(*rows: tuple[bytes, LabelName]) -> QueryRows:
        return QueryRows([ParquetRow(digest, None, label) for digest, label in rows], last=False)

    with world.engine() as engine:
        engine.ctx.store.commit(lambda txn: labels.append(txn, event))
        request = registry.parse("import", {"file": "/a/table.parquet"})
        steps = registry.run(engine, request)
        next(steps)
        (ticket,) = engine.queries.tickets
        for rows in (((known, "keep"), (new, "keep"), (new, "trash")), ((new, "keep"),)):
            engine.queries.take(ticket.task, part(*rows))
            assert isinstance(next(steps), Progress)
            next(steps)
        steps.close()
        assert said(engine) == {known: "keep", new: "keep"}
        (undone,) = ask(engine, "undo", what="label")
        assert undone["others"] == 3 and said(engine) == {known: "trash"}
        ask(engine, "undo", what="label")
        assert said(engine) == {}


def said(engine: Engine) -> dict[bytes, str]:
    with engine.ctx.store.read() as txn:
        return {digest: one.label for digest, one in labels.iter_all(txn, "default")}
