"""A store whose values were damaged: the engine goes on, and its status is answered.

If a record that the engine needs at its start is damaged, the engine does not start, and the error
names the way back.
"""

import os
import random
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import lmdb
import pytest

from imgscore.errors import ImgscoreError, StoreError
from imgscore.store.store import TABLES, Store
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask

STEPS = 12


def changed(value: bytes, chance: random.Random) -> bytes:
    """A value with other bytes, which may also be shorter."""
    bytes_of = bytearray(value)
    for _ in range(chance.choice((1, 3, 20))):
        bytes_of[chance.randrange(len(bytes_of))] = chance.randrange(256)
    return bytes(bytes_of[: chance.choice((None, len(value) // 2))])


def damage(folder: Path, table: str, chance: random.Random) -> int:
    """Change the values of a table, as a failing disk does; returns how many values there are."""
    with closing(lmdb.open(os.fspath(folder), map_size=2**30, max_dbs=128)) as environment:
        database = environment.open_db(table.encode())
        with environment.begin(write=True) as txn:
            entries = [(key, value) for key, value in txn.cursor(database) if value]
            for key, value in entries:
                txn.put(key, changed(value, chance), db=database)
    return len(entries)


def rewrite(folder: Path, table: str, chance: random.Random) -> int:
    """Change the values of a table, as a defect of imgscore would: their checksums are right."""
    with Store(folder) as store, store.write() as txn:
        names = list(txn.table(table).keys())
        keys = [key for key in names if not key.startswith(b"schema")]
        for key in keys:
            if value := txn.table(table).get(key):
                txn.table(table).put(key, changed(value, chance))
    return len(keys)


@pytest.fixture
def used(world: World) -> World:
    """A world with files in order, labels, a failure, and a file that has left the inbox."""
    for number in range(6):
        world.put(f"{number}.png", 6 - number)
    world.put("sidecar.png", 0.5)
    world.settled()
    (world.inbox / "0.png").rename(world.inbox / "keep" / "0.png")
    (world.inbox / "1.png").rename(world.inbox / "trash" / "1.png")
    world.settled()
    return world


@pytest.mark.parametrize("spoil", [damage, rewrite])
@pytest.mark.parametrize("table", TABLES)
def test_engine_damaged_values_leave_the_status_answered(
    used: World, table: str, spoil: Callable[[Path, str, random.Random], int]
) -> None:
    if not spoil(used.folder / "store", table, random.Random(table)):
        return  # no scenario of this test writes to the table
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(used.engine())
        except StoreError as error:
            assert error.remedy  # the daemon ends with a sentence and exit code 5
            return
        used.put("new.png", 3)
        for _ in range(STEPS):
            engine.step(0.01)
            with engine.ctx.problems.errors_of("status"):  # as the loop does
                status(engine)
        assert not any("defect" in text for text in engine.ctx.problems.values())
        for verb, arguments in VERBS:
            # A verb that gives a wrong answer would be worse than one that fails.
            with suppress(ImgscoreError):
                ask(engine, verb, **arguments)


VERBS = [("status", {}), ("history", {}), ("order", {}), ("restore-times", {})]
