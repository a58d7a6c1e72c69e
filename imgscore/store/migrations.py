"""This module migrates a store of an older schema when the store is opened.

A migration has one step for each version. If a step fails, the store is not changed.
"""

from collections.abc import Callable

from imgscore.errors import StoreError
from imgscore.failpoints import step
from imgscore.store import counts, labels, sightings
from imgscore.store.schema import SCHEMA_VERSION
from imgscore.store.transaction import Txn


def _count(txn: Txn) -> None:
    """Compute all counters and write them to the table `counts`, which is new in schema 2."""
    counts.replace(txn, recount(txn))


def recount(txn: Txn) -> dict[bytes, int]:
    """Return all counters, computed from the records of the store."""
    named = (
        (taste, label.label)
        for taste in labels.tastes(txn)
        for _, label in labels.iter_all(txn, taste)
    )
    return counts.recount(txn, sightings.iter_all(txn), named)


# The function STEPS[n] migrates a store from schema n to schema n + 1.
STEPS: dict[int, Callable[[Txn], None]] = {1: _count}


def schema(txn: Txn) -> int:
    """Return the schema version of a store; 0 if the store is new."""
    return int(txn.table("meta").get(b"schema") or 0)


def migrate(
    txn: Txn, steps: dict[int, Callable[[Txn], None]] = STEPS, version: int = SCHEMA_VERSION
) -> None:
    """Migrate the store from its schema to the schema `version`.

    `steps`: the functions that migrate a store by one schema version. Raises StoreError if a newer
    version of imgscore wrote the store.
    """
    meta = txn.table("meta")
    current = schema(txn) or version
    if current > version:
        raise StoreError(
            f"the store has schema {current}, and this imgscore supports only {version}",
            "upgrade imgscore (this run did not change the store)",
        )
    for number in range(current, version):
        steps[number](txn)
        step("in migration")
    if schema(txn) != version:
        meta.put(b"schema", str(version).encode())
