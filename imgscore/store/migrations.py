"""From an older schema to this one, a step a version, inside the transaction that opens the store.

A step that fails leaves the store as it was.
"""

from collections.abc import Callable

from imgscore.errors import StoreError
from imgscore.failpoints import step
from imgscore.store import counts, labels, sightings
from imgscore.store.schema import SCHEMA_VERSION
from imgscore.store.transaction import Txn


def _count(txn: Txn) -> None:
    """What is kept in `counts` since schema 2."""
    counts.replace(txn, recount(txn))


def recount(txn: Txn) -> dict[bytes, int]:
    """What `counts` must hold."""
    named = (
        (taste, label.label)
        for taste in labels.tastes(txn)
        for _, label in labels.iter_all(txn, taste)
    )
    return counts.recount(txn, sightings.iter_all(txn), named)


# STEPS[n] turns schema n into schema n + 1.
STEPS: dict[int, Callable[[Txn], None]] = {1: _count}


def schema(txn: Txn) -> int:
    """The version that a store has; 0 for a new one."""
    return int(txn.table("meta").get(b"schema") or 0)


def migrate(
    txn: Txn, steps: dict[int, Callable[[Txn], None]] = STEPS, version: int = SCHEMA_VERSION
) -> None:
    """Bring the store to `version`. Raises StoreError for a store from a newer imgscore."""
    meta = txn.table("meta")
    found = schema(txn) or version
    if found > version:
        raise StoreError(
            f"the store has schema {found}, and this imgscore knows {version}",
            "upgrade imgscore; the store is left as it is",
        )
    for number in range(found, version):
        steps[number](txn)
        step("in migration")
    if schema(txn) != version:
        meta.put(b"schema", str(version).encode())
