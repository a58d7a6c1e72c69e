"""A table that comes in: what nobody waits for any longer is not kept."""

from imgscore.verbs.base import find
from imgscore.work.tasks import Studied
from tests.engine.conftest import World

PART = Studied([{"sha256": b"x" * 32, "vector": None, "label": "keep"}], last=False)


def test_whoever_breaks_an_import_off_leaves_nothing_in_memory(world: World) -> None:
    run, request = find("import", {"file": "/a/table.parquet"})
    with world.engine() as engine:
        steps = run(engine, request)
        next(steps)
        (ticket,) = engine.learner._studies
        engine.learner.take_study(PART)
        assert ticket.rows
        next(steps)
        assert not ticket.rows
        steps.close()  # the client is gone; the worker reads on
        engine.learner.take_study(PART)
        assert not ticket.rows
