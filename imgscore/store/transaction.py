"""Transactions. The modules of the store use them to get the tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from imgscore.store.checksums import DamagedRecordError, Seal
from imgscore.store.deferred import Deferred
from imgscore.store.deferred_table import DeferrableTable
from imgscore.store.table import NoTable, Table

if TYPE_CHECKING:
    import lmdb
    from lmdb import _Database


class _SealedTable(Table):
    """A table whose records have checksums.

    The methods return and accept records without their checksums. A method that reads a damaged
    record raises DamagedRecordError.
    """

    def __init__(self, txn: "lmdb.Transaction[bytes]", database: "_Database", seal: Seal) -> None:
        super().__init__(txn, database)
        self._seal = seal

    def get(self, key: bytes) -> bytes | None:
        value = super().get(key)
        return None if value is None else self._seal.verify(key, value)

    def getter(self) -> Callable[[bytes, bytes], bytes]:
        get_value, verify = partial(self._txn.get, db=self._database), self._seal.verify

        def get(key: bytes, default: bytes) -> bytes:
            value = get_value(key)
            return default if value is None else verify(key, value)

        return get

    def put(self, key: bytes, value: bytes) -> None:
        self._txn.put(key, self._seal.add(key, value), db=self._database)

    def append(self, value: bytes) -> int:
        number = self.last_number() + 1
        key = number.to_bytes(8, "big")
        self._txn.put(key, self._seal.add(key, value), db=self._database, append=True)
        return number

    def last(self) -> tuple[bytes, bytes] | None:
        return self._verified(super().last())

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        return self._verified(super().first_from(key))

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        verify = self._seal.verify
        with self._txn.cursor(db=self._database) as cursor:
            if not (cursor.set_range(prefix) if prefix else cursor.first()):
                return
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                yield key, verify(key, value)

    def scan_from(self, first: bytes) -> Iterator[tuple[bytes, bytes]]:
        verify = self._seal.verify
        return ((key, verify(key, value)) for key, value in super().scan_from(first))

    def scan_undamaged(
        self, prefix: bytes = b"", after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._scan_raw(prefix, after):
            try:
                yield key, self._seal.verify(key, value)
            except DamagedRecordError:
                self._seal.damaged.add(key)

    def backwards(self, below: int | None = None) -> Iterator[tuple[bytes, bytes]]:
        verify = self._seal.verify
        return ((key, verify(key, value)) for key, value in super().backwards(below))

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        add = self._seal.add
        super().put_many((key, add(key, value)) for key, value in entries)

    def last_under(self, prefix: bytes, length: int) -> tuple[bytes, bytes] | None:
        found = super().last_under(prefix, length)
        return found and (found[0], self._seal.verify(prefix + found[0], found[1]))

    def _verified(self, entry: tuple[bytes, bytes] | None) -> tuple[bytes, bytes] | None:
        return entry and (entry[0], self._seal.verify(*entry))


class Txn:
    """One transaction. While it is open, commits of other transactions do not change its data.

    All writes of a transaction take effect together. If the transaction is aborted, no write takes
    effect.
    """

    def __init__(
        self,
        handles: "Mapping[str, _Database | None]",
        txn: "lmdb.Transaction[bytes]",
        seals: Mapping[str, Seal],
        deferred_writes: Deferred,
    ) -> None:
        self._handles = handles
        self._txn = txn
        self._seals = seals
        self._tables: dict[str, Table] = {}
        self._deferred = deferred_writes
        self.has_flushed = False
        """whether the transaction has made all deferred writes"""

    def table(self, name: str) -> Table:
        """Return the table `name`, which is one of `store.TABLES`."""
        table = self._tables.get(name)
        if table is None:
            table = self._make_table(name)
            if not self.has_flushed and self._deferred.values.get(name):
                table = DeferrableTable(table, name, self._deferred, self._flush)
            self._tables[name] = table
        return table

    def own_table(self, name: str) -> Table:
        """Return the table `name` as it is on disk, without deferred writes.

        A write to this table makes no deferred writes, so its key must not be a deferred one.
        """
        table = self.table(name)
        return table.own if isinstance(table, DeferrableTable) else table

    def _flush(self) -> None:
        self._deferred.write_all(self.own_table)
        self.has_flushed = True
        for table in self._tables.values():
            if isinstance(table, DeferrableTable):
                table.flushed()

    def _make_table(self, name: str) -> Table:
        handle, seal = self._handles[name], self._seals.get(name)
        if handle is None:
            return NoTable()
        return Table(self._txn, handle) if seal is None else _SealedTable(self._txn, handle, seal)

    @property
    def number(self) -> int:
        """The number of the commit whose data a read transaction reads."""
        return self._txn.id()

    def root(self, name: str) -> bytes:
        """Return LMDB's record of a table, with the number of its root page; see snapshot.py.

        Deferred writes are not in it.
        """
        return self._txn.get(name.encode()) or b""

    def raw_table(self, name: str) -> Table:
        """Return the table `name` with its stored values.

        In a table with checksums, a stored value is a record followed by its checksum.
        """
        handle = self._handles[name]
        return NoTable() if handle is None else Table(self._txn, handle)
