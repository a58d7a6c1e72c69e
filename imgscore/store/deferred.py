"""Writes that the engine has made in memory, and that later commits write to the store.

An order changes three records of each file: the sighting, the original and the entry in the index
of dates. Their keys are hashes. Written with the journal of each batch, every record would need a
page of its own, and LMDB writes whole pages. The engine therefore defers these writes, and writes
many of them at once, sorted by key, so that neighbours share a page.

The journal of a batch is on disk before its files are touched. It contains the path, the digest,
the old and the new date of each file, so also the original date of a file that is touched for the
first time. This is all that is needed to repeat the deferred writes. They are repeated when the
store is opened after a crash (store/replay.py). The table `unsettled` contains one record for
each batch whose writes were deferred.

All transactions of the same `Store` read deferred writes as if they were on disk. If a transaction
itself writes to one of the three tables, it first writes everything that is deferred.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.table import Table

TABLES = ("dates", "originals", "sightings")
"""The tables whose writes can be deferred. A deferred write of `sightings` replaces a record that
exists. In `originals` it may add a record, and in `dates` it adds or deletes an empty one."""
MAX_FILES = 16_384
"""The largest number of files whose writes are deferred. Then a part of the writes is made. The
writes of a file use 1.2 kB of memory."""
FLUSH_WRITES = 4_096
"""The number of deferred writes that one commit makes. It takes about 10 ms."""

MAX_ADDED_FILES = 2_048
"""The largest number of files whose deferred writes a commit for another purpose may make, too.
They take at most 15 ms of CPU time."""
FLUSH_PARTS = 3
"""The number of parts that `Store.flush_until_few` writes in a step. An order that sets dates
between these steps defers the writes of fewer files than these parts make."""

Values = dict[bytes, bytes | None]
"""The new record at each key. None: the key is to be deleted."""


TableOf = Callable[[str], Table]
"""returns a table of a write transaction as it is on disk, by name"""


class Part(NamedTuple):
    """Some of the deferred writes, which one commit makes.

    `entries`: the sorted writes of each table. `last`: the number of the last batch all of whose
    writes are made after this commit; 0 if only later parts complete a batch.
    """

    entries: dict[str, list[tuple[bytes, bytes | None]]]
    last: int

    def write(self, table_of: TableOf) -> None:
        """Make the writes in a transaction."""
        for name, entries in self.entries.items():
            _write(table_of(name), entries)
        if self.last:
            unsettled, last = table_of("unsettled"), self.last.to_bytes(8, "big")
            for key in list(takewhile(last.__ge__, unsettled.keys())):
                unsettled.delete(key)


class Deferred:
    """The deferred writes of a store."""

    def __init__(self) -> None:
        self.values: dict[str, Values] = {name: {} for name in TABLES}
        self._by_digest: dict[bytes, tuple[bytes, ...]] = {}
        """the keys of `values["originals"]`, by the digest with which they begin"""
        self._pass: list[tuple[str, list[bytes]]] | None = None
        """the tables and the sorted keys that the present pass of `next_part` still has to write,
        the last ones first"""
        self._pass_ends_at = 0
        """the number of the last unsettled batch whose writes the present pass makes"""
        self._last = 0
        self.touched = b""
        """the states of the files of the last batch, for the record of the next one (replay.py)"""

    def __len__(self) -> int:
        """Return the number of files with a deferred write."""
        return len(self.values["sightings"])

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is deferred."""
        return not self._last

    @property
    def is_full(self) -> bool:
        """Return whether a part of the writes must be made before more are deferred."""
        return self._pass is not None or len(self) >= MAX_FILES

    def add(self, number: int, writes: Mapping[str, Values], touched: bytes) -> None:
        """Defer writes, which belong to the batch with this number in the table `unsettled`.

        `touched`: the states of the touched files.
        """
        self._last, self.touched = number, touched
        for name, values in writes.items():
            self.values[name].update(values)
        by_digest = self._by_digest
        for key in writes.get("originals", ()):
            known = by_digest.get(key[:DIGEST_SIZE])
            if known is None:
                by_digest[key[:DIGEST_SIZE]] = (key,)
            elif key not in known:
                by_digest[key[:DIGEST_SIZE]] = (*known, key)

    def keys_under(self, name: str, prefix: bytes) -> list[bytes]:
        """Return the keys of the deferred writes of a table that begin with `prefix`."""
        if name == "originals" and len(prefix) >= DIGEST_SIZE:
            # All other keys are not compared: an order asks for the records of each digest.
            found = self._by_digest.get(prefix[:DIGEST_SIZE], ())
            return [key for key in found if key.startswith(prefix)]
        return [key for key in list(self.values[name]) if key.startswith(prefix)]

    def write_all(self, table_of: TableOf) -> None:
        """Make all deferred writes in a transaction. Call `clear` after its commit."""
        for name, values in self.values.items():
            _write(table_of(name), ((key, values[key]) for key in sorted(values)))
        table_of("unsettled").delete_all(b"")

    def clear(self) -> None:
        """Forget all deferred writes, because they were made."""
        for values in self.values.values():
            values.clear()
        self._by_digest.clear()
        self._pass, self._last, self.touched = None, 0, b""

    def next_part(self) -> Part:
        """Return the next FLUSH_WRITES deferred writes, sorted by key.

        After their commit, call `made`. If the commit fails, call `repeat`.
        """
        if self._pass is None:
            self._pass_ends_at = self._last
            self._pass = [(name, sorted(values)) for name, values in reversed(self.values.items())]
        entries: dict[str, list[tuple[bytes, bytes | None]]] = {}
        left = FLUSH_WRITES
        while self._pass and left > 0:
            name, keys = self._pass.pop()
            values = self.values[name]
            part = [(key, values[key]) for key in keys[:left] if key in values]
            if part:
                entries[name] = part
            if len(keys) > left:
                self._pass.append((name, keys[left:]))
            left -= len(keys)
        return Part(entries, 0 if self._pass else self._pass_ends_at)

    def repeat(self) -> None:
        """Repeat the present pass, because a part of its writes was not made."""
        self._pass = None

    def made(self, part: Part) -> None:
        """Forget the writes of a part, because they were made.

        A record that was deferred again since then is kept.
        """
        for name, entries in part.entries.items():
            values = self.values[name]
            for key, value in entries:
                if key in values and values[key] is value:
                    del values[key]
                    if name == "originals":
                        self._forget(key)
        if part.last:
            self._pass = None
            if self._last == part.last:
                self.clear()

    def _forget(self, key: bytes) -> None:
        digest = key[:DIGEST_SIZE]
        known = self._by_digest.pop(digest)
        if len(known) > 1:
            self._by_digest[digest] = tuple(other for other in known if other != key)


def _write(table: Table, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
    puts: list[tuple[bytes, bytes]] = []
    for key, value in entries:
        if value is None:
            table.delete(key)
        else:
            puts.append((key, value))
    table.put_many(puts)


def overlay(
    entries: Iterable[tuple[bytes, bytes]], values: Values, keys: Iterable[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the sorted entries of a table, with the deferred writes to `keys`.

    `values`: the deferred writes of the table. `keys`: those that are in the range of `entries`.
    """
    pending = [(key, values.get(key)) for key in keys]
    added = sorted((key, value) for key, value in pending if value is not None)
    kept = (entry for entry in entries if entry[0] not in values)
    return heapq.merge(kept, added) if added else kept
