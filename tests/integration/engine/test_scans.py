"""Scans when many hints come at once."""

import os

import pytest

from imgscore.engine import folder_scans
from imgscore.store import sightings
from tests.integration.engine.conftest import World, until_idle


@pytest.mark.usefixtures("prompt_orders")
def test_indexer_many_new_folders_are_one_scan(world: World) -> None:
    folders = [world.put("a.jpg", 0.5, f"inbox/{number}").parent for number in range(100)]
    with world.engine() as engine:
        for folder in folders:
            engine.indexer.hint_tree(os.fsencode(folder))
            assert engine.indexer.scans <= folder_scans.MAX_SCANS
        world.settle(engine)
        with engine.ctx.store.read() as txn:
            assert len(txn.table("sightings")) == 100


def test_indexer_file_replaced_by_a_folder_is_gone(world: World) -> None:
    file = world.put("a.jpg", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        file.unlink()
        inside = world.put("b.jpg", 0.6, "inbox/a.jpg")
        engine.indexer.hint_tree(os.fsencode(file))
        until_idle(engine)
        with engine.ctx.store.read() as txn:
            assert [file.path for file in sightings.iter_all(txn)] == [os.fsencode(inside)]
