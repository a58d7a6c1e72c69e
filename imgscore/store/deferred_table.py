"""The tables whose writes can be deferred (see deferred.py)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from imgscore.store import deferred
from imgscore.store.table import Table


class DeferrableTable(Table):
    """A table with deferred writes. Reads return them as if they were on disk.

    Only the methods that the modules of these tables call are supported.
    """

    def __init__(
        self, own: Table, name: str, writes: deferred.Deferred, flush: Callable[[], None]
    ) -> None:
        """`own`: the table as it is on disk. `flush`: makes all deferred writes."""
        self.own = own
        self._name = name
        self._writes = writes
        self._values = writes.values[name]
        self._flush = flush
        self._is_flushed = False

    @property
    def _pending(self) -> deferred.Values:
        return {} if self._is_flushed else self._values

    def flushed(self) -> None:
        """Read only from disk: the transaction has made the deferred writes itself."""
        self._is_flushed = True

    def _begin_write(self) -> None:
        if not self._is_flushed:
            self._flush()

    def get(self, key: bytes) -> bytes | None:
        pending = self._pending
        return pending[key] if key in pending else self.own.get(key)

    def getter(self) -> Callable[[bytes, bytes], bytes]:
        pending, get = self._pending, self.own.getter()
        if not pending:
            return get

        def get_value(key: bytes, default: bytes) -> bytes:
            if key not in pending:
                return get(key, default)
            value = pending[key]
            return default if value is None else value

        return get_value

    @contextmanager
    def prefix_test(self) -> Iterator[Callable[[bytes], bool]]:
        with self.own.prefix_test() as is_stored:

            def has(prefix: bytes) -> bool:
                if self._pending and self._writes.keys_under(self._name, prefix):
                    return next(self.scan(prefix), None) is not None
                return is_stored(prefix)

            yield has if self._pending else is_stored

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return self._scan(
            self.own.scan(prefix), lambda: self._writes.keys_under(self._name, prefix)
        )

    def scan_from(self, first: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._scan(self.own.scan_from(first), lambda: self._keys_from(first))

    def scan_undamaged(
        self, prefix: bytes = b"", after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._scan(
            self.own.scan_undamaged(prefix, after),
            lambda: (key for key in self._writes.keys_under(self._name, prefix) if key > after),
        )

    def _keys_from(self, first: bytes) -> list[bytes]:
        return [key for key in list(self._values) if key >= first]

    def _scan(
        self, entries: Iterator[tuple[bytes, bytes]], keys: Callable[[], Iterable[bytes]]
    ) -> Iterator[tuple[bytes, bytes]]:
        pending = self._pending
        return deferred.overlay(entries, pending, keys()) if pending else entries

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        return next(self.scan_from(key), None) if self._pending else self.own.first_from(key)

    def keys(self) -> Iterator[bytes]:
        return (key for key, _ in self.scan()) if self._pending else self.own.keys()

    def put(self, key: bytes, value: bytes) -> None:
        self._begin_write()
        self.own.put(key, value)

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        self._begin_write()
        self.own.put_many(entries)

    def delete(self, key: bytes) -> bool:
        self._begin_write()
        return self.own.delete(key)

    def delete_all(self, prefix: bytes) -> None:
        self._begin_write()
        self.own.delete_all(prefix)

    def __len__(self) -> int:
        return len(self.own)
