"""Files that are moved or deleted before a worker has read them."""

import os

from tests.integration.engine.conftest import World, until


def test_indexer_file_gone_while_it_waits_is_not_pending(world: World) -> None:
    """On battery, files of the inbox wait for hours."""
    paths = [world.put(f"{number}.png", number) for number in range(3)]
    with world.engine() as engine:
        engine.save_power("on battery")
        engine.indexer.hint_all()
        until(engine, lambda: engine.indexer.queued == 3)
        target = world.inbox / "trash" / paths[0].name
        paths[0].rename(target)
        paths[1].unlink()
        for path in (paths[0], paths[1], target):
            engine.indexer.hint(os.fsencode(path))
        until(engine, lambda: engine.indexer.pending == 1)
        assert engine.indexer.queued == 1
        engine.save_power(None)
        until(engine, lambda: engine.idle)
        assert sum(path.exists() for path in paths) == 1
