"""From an older schema to this one, a step a version, inside the transaction that opens the store.

A step that fails leaves the store as it was.
"""

from collections.abc import Callable

from imgscore.errors import StoreError
from imgscore.steps import step
from imgscore.store.schema import SCHEMA_VERSION
from imgscore.store.store import Txn

# STEPS[n] turns schema n into schema n + 1.
STEPS: dict[int, Callable[[Txn], None]] = {}


def migrate(
    txn: Txn, steps: dict[int, Callable[[Txn], None]] = STEPS, version: int = SCHEMA_VERSION
) -> None:
    """Bring the store to `version`. Raises StoreError for a store from a newer imgscore."""
    meta = txn.table("meta")
    raw = meta.get(b"schema")
    found = int(raw) if raw else version
    if found > version:
        raise StoreError(
            f"the store has schema {found}, and this imgscore knows {version}",
            "upgrade imgscore; the store is left as it is",
        )
    for number in range(found, version):
        steps[number](txn)
        step("in migration")
    if raw is None or found != version:
        meta.put(b"schema", str(version).encode())
