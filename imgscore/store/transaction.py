"""Transactions and tables, with which the modules of the store read and write records."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import lmdb
    from lmdb import _Database


class Table:
    """One named table within one transaction."""

    def __init__(self, txn: "lmdb.Transaction[bytes]", database: "_Database") -> None:
        self._txn = txn
        self._database = database

    def get(self, key: bytes) -> bytes | None:
        """Return the value at `key`."""
        return self._txn.get(key, db=self._database)

    def getter(self) -> Callable[[bytes, bytes], bytes]:
        """Return LMDB's own `get`, with a default: saves a Python call for each of 100,000 keys."""
        get = partial(self._txn.get, db=self._database)
        return cast("Callable[[bytes, bytes], bytes]", get)

    def put(self, key: bytes, value: bytes) -> None:
        """Write `value` at `key`."""
        self._txn.put(key, value, db=self._database)

    def append(self, value: bytes) -> int:
        """Write `value` under the next sequence number, from 1; return the number."""
        last = self.last()
        number = int.from_bytes(last[0], "big") + 1 if last else 1
        self._txn.put(number.to_bytes(8, "big"), value, db=self._database, append=True)
        return number

    def delete(self, key: bytes) -> bool:
        """Delete `key`; False if there was none."""
        return bool(self._txn.delete(key, db=self._database))

    def last(self) -> tuple[bytes, bytes] | None:
        """Return the entry with the greatest key."""
        with self._txn.cursor(db=self._database) as cursor:
            return cursor.item() if cursor.last() else None

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        """Return the entry with the smallest key that is not less than `key`."""
        with self._txn.cursor(db=self._database) as cursor:
            positioned = cursor.set_range(key) if key else cursor.first()
            return cursor.item() if positioned else None

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose key starts with `prefix`, in key order."""
        with self._txn.cursor(db=self._database) as cursor:
            if not (cursor.set_range(prefix) if prefix else cursor.first()):
                return
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                yield key, value

    def keys(self) -> Iterator[bytes]:
        """Yield every key, in order: twice as fast as a scan."""
        with self._txn.cursor(db=self._database) as cursor:
            yield from cursor.iternext(keys=True, values=False)

    def keys_under(self, prefixes: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the keys that start with each of these prefixes, prefix by prefix."""
        with self._txn.cursor(db=self._database) as cursor:
            for prefix in prefixes:
                positioned = cursor.set_range(prefix)
                while positioned and (key := cursor.key()).startswith(prefix):
                    yield key
                    positioned = cursor.next()

    def backwards(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all entries, greatest key first."""
        with self._txn.cursor(db=self._database) as cursor:
            if cursor.last():
                yield from cursor.iterprev()

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Write many entries in one call of LMDB."""
        with self._txn.cursor(db=self._database) as cursor:
            cursor.putmulti(entries)

    def delete_all(self, prefix: bytes) -> None:
        """Delete every entry whose key starts with `prefix`."""
        with self._txn.cursor(db=self._database) as cursor:
            if not cursor.set_range(prefix):
                return
            while (key := cursor.key()) and key.startswith(prefix):
                cursor.delete()  # moves the cursor to the next entry

    def last_under(self, prefix: bytes, length: int) -> tuple[bytes, bytes] | None:
        """Return the last entry whose key is `prefix` and `length` more bytes: (these, value)."""
        with self._txn.cursor(db=self._database) as cursor:
            if cursor.set_range(prefix + b"\xff" * length):
                positioned = cursor.key().startswith(prefix) or cursor.prev()
            else:
                positioned = cursor.last()
            if not positioned or not cursor.key().startswith(prefix):
                return None
            return cursor.key()[len(prefix) :], cursor.value()

    def __len__(self) -> int:
        return int(self._txn.stat(self._database)["entries"])


class _NoTable(Table):
    """A table that the store lacks, as an older imgscore wrote it: empty, and only read."""

    def __init__(self) -> None:
        """Override the database handle: there is none."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def getter(self) -> Callable[[bytes, bytes], bytes]:
        return lambda key, default: default

    def last(self) -> tuple[bytes, bytes] | None:
        return None

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        return None

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def keys(self) -> Iterator[bytes]:
        return iter(())

    def keys_under(self, prefixes: Iterable[bytes]) -> Iterator[bytes]:
        return iter(())

    def backwards(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def last_under(self, prefix: bytes, length: int) -> tuple[bytes, bytes] | None:
        return None

    def __len__(self) -> int:
        return 0


class Txn:
    """One transaction: a consistent view; its writes take effect together or not at all."""

    def __init__(
        self, handles: "Mapping[str, _Database | None]", txn: "lmdb.Transaction[bytes]"
    ) -> None:
        self._handles = handles
        self._txn = txn

    def table(self, name: str) -> Table:
        """Return one of `store.TABLES`."""
        handle = self._handles[name]
        return _NoTable() if handle is None else Table(self._txn, handle)
