"""This module migrates a store of an older schema when the store is opened.

A migration has one step for each version. A step has one or more parts, and each part is one
transaction. If the process is killed, the next start continues with the next part.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import NamedTuple

from imgscore.errors import StoreError
from imgscore.failpoints import step
from imgscore.store import comparisons, counts, labels, sightings
from imgscore.store.checksums import REMEDY, TABLES, Seal
from imgscore.store.schema import SCHEMA_VERSION
from imgscore.store.transaction import Txn

SEALED_SCHEMA = 3
"""The first schema in which records have checksums."""
SEAL_BATCH = 10_000
"""The largest number of records that get their checksum in one transaction. They use 5 MB."""
_SCHEMA = b"schema"
"""The key of the schema version. The value has no checksum, because older versions of imgscore read
it to find that they do not support the store."""
_SCHEMA_COPY = b"schema copy"
"""The key of a copy of the schema version with a checksum. It shows whether the value at _SCHEMA is
damaged."""
_PROGRESS = b"migration"
"""The key of the progress of a step that has several parts. While the step runs, the schema is
already that of the end of the step, so that no older version of imgscore opens the store."""
_PLAIN = frozenset({_SCHEMA, _PROGRESS})
"""The keys in the table `meta` whose values have no checksum."""

Step = Callable[[Txn, bytes], bytes | None]
"""A function that carries out one part of a step.

Its second argument is the progress that the last part returned; b"" for the first part. It returns
the new progress, or None after the last part.
"""


class State(NamedTuple):
    """The schema of a store.

    `schema`: the version; 0 if the store is new. `progress`: the progress of the step that leads to
    this version; None if the step is complete.
    """

    schema: int
    progress: bytes | None


def _count(txn: Txn, progress: bytes) -> None:
    """Compute all counters and write them to the table `counts`, which is new in schema 2."""
    counts.replace(txn, recount(txn))


def _seal(txn: Txn, progress: bytes) -> bytes | None:
    """Add checksums to SEAL_BATCH records of the tables that have checksums since schema 3.

    `progress`: the name of the table, a zero byte, and the key of the first record of this part.
    """
    name, _, first = progress.partition(b"\0")
    names = sorted(TABLES)
    current = name.decode() or names[0]
    table, seal = txn.raw_table(current), Seal(current, strict=False)
    batch = list(islice(table.scan_from(first), SEAL_BATCH + 1))
    for key, value in batch[:SEAL_BATCH]:
        if not (is_plain(current, key) or seal.is_sealed(key, value)):
            table.put(key, seal.add(key, value))
    if len(batch) > SEAL_BATCH:
        return current.encode() + b"\0" + batch[SEAL_BATCH][0]
    following = names[names.index(current) + 1 :]
    return following[0].encode() + b"\0" if following else None


def is_plain(table: str, key: bytes) -> bool:
    """Return whether the record at `key` has no checksum, although its table has checksums."""
    return table == "meta" and key in _PLAIN


def recount(txn: Txn) -> dict[bytes, int]:
    """Return all counters, computed from the records of the store."""
    named = (
        (taste, label.grade)
        for taste in labels.tastes(txn)
        for _, label in labels.iter_all(txn, taste)
    )
    compared = (
        taste
        for taste in comparisons.tastes(txn)
        for comparison in comparisons.iter_all(txn, taste)
        if comparison.teaches
    )
    return counts.recount(txn, sightings.iter_all(txn), named, compared)


def _allow_grades(txn: Txn, progress: bytes) -> None:
    """Change nothing: since schema 4, a label may have a grade between trash and keep.

    The new number keeps older versions of imgscore, which cannot read such a label, from opening
    the store.
    """


STEPS: dict[int, Step] = {1: _count, 2: _seal, 3: _allow_grades}
"""STEPS[n] is the step that migrates a store from schema n to schema n + 1."""


def schema(txn: Txn) -> int:
    """Return the schema version of a store; 0 if the store is new.

    Raises StoreError if the version is damaged.
    """
    return state(txn).schema


def state(txn: Txn) -> State:
    """Return the schema version of a store, and the progress of its migration.

    Raises StoreError if the version is damaged.
    """
    meta = txn.raw_table("meta")
    value, copy = meta.get(_SCHEMA) or b"0", meta.get(_SCHEMA_COPY)
    checked = None if copy is None else Seal("meta", strict=True).verify(_SCHEMA_COPY, copy)
    if not value.isdigit() or checked not in (value, None):
        raise StoreError("the store is damaged: its schema version cannot be read", REMEDY)
    if checked is None and int(value) >= SEALED_SCHEMA:
        raise StoreError("the store is damaged: it lacks the copy of its schema version", REMEDY)
    return State(int(value), meta.get(_PROGRESS))


def is_sealed(txn: Txn) -> bool:
    """Return whether each record of the tables with checksums has a checksum."""
    current = state(txn)
    return current.schema >= SEALED_SCHEMA and (
        current.progress is None or current.schema > SEALED_SCHEMA
    )


def migrate(
    commit: Callable[[Callable[[Txn], bool]], bool],
    steps: Mapping[int, Step] = STEPS,
    version: int = SCHEMA_VERSION,
) -> None:
    """Migrate the store from its schema to the schema `version`.

    `commit`: a function that runs a function in a write transaction, such as `Store.commit`.
    `steps`: the steps that migrate a store by one schema version. Raises StoreError if a newer
    version of imgscore wrote the store.
    """
    while commit(lambda txn: _advance(txn, steps, version)):
        pass


def _advance(txn: Txn, steps: Mapping[int, Step], version: int) -> bool:
    """Carry out one part of a step. Return whether the store needs another part."""
    current, progress = state(txn)
    if current > version:
        raise StoreError(
            f"the store has schema {current}, and this imgscore supports only {version}",
            "upgrade imgscore (this run did not change the store)",
        )
    if current == version and progress is None:
        return False
    if current == 0:
        _write(txn, version, None)
        return False
    target = current if progress is not None else current + 1
    _write(txn, target, steps[target - 1](txn, progress or b""))
    step("in migration")
    return True


def _write(txn: Txn, version: int, progress: bytes | None) -> None:
    meta, value = txn.raw_table("meta"), str(version).encode()
    meta.put(_SCHEMA, value)
    if version >= SEALED_SCHEMA:
        meta.put(_SCHEMA_COPY, Seal("meta", strict=True).add(_SCHEMA_COPY, value))
    if progress is None:
        meta.delete(_PROGRESS)
    else:
        meta.put(_PROGRESS, progress)
