"""A worker loads the model while a new file settles."""

import os
import time

from imgscore.engine.stage import Conditions
from tests.integration.engine.conftest import World, until_idle


def test_indexer_warms_up_only_for_files_to_be_indexed(world: World) -> None:
    known, deleted = world.put("a.jpg", 0.5), world.put("b.jpg", 0.6)
    with world.engine() as engine:
        pool, indexer = world.pool, engine.indexer
        world.settle(engine)
        before = pool.warmed
        deleted.unlink()
        for path in (known, deleted, world.put("text.txt", 0.1)):
            indexer.hint(os.fsencode(path))
        until_idle(engine)
        assert pool.warmed == before
        indexer.hint(os.fsencode(world.put("new.jpg", 0.7)))
        indexer.advance(Conditions(time.monotonic(), paused=True))
        assert pool.warmed == before
        indexer.advance(Conditions(time.monotonic()))
        assert pool.warmed == before + 1 and not indexer.indexing
        until_idle(engine)
        assert pool.warmed == before + 1


def test_indexer_saving_power_does_not_warm_up(world: World) -> None:
    with world.engine() as engine:
        engine.indexer.hint(os.fsencode(world.put("new.jpg", 0.7)))
        engine.indexer.advance(Conditions(time.monotonic(), saving=True))
        assert not world.pool.warmed
