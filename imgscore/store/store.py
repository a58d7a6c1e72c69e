"""The LMDB environment: opening, transactions, tables, growth and backup.

One process writes (see lock.py); workers open it read-only. Spawned children only, never forked
ones, and one handle a process: LMDB allows no more.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

import lmdb
import msgspec

from imgscore.errors import StoreError
from imgscore.failpoints import step
from imgscore.store.schema import SCHEMA_VERSION
from imgscore.system import mounts

if TYPE_CHECKING:
    from lmdb import _Database

# Sparse: the file grows as it is filled, and address space costs nothing.
MAP_SIZE = 64 * 2**30
TABLES = (
    "meta", "sightings", "places", "failures", "traits", "embedders", "vectors", "rows",
    "label_log", "labels", "originals", "journal", "heads", "scores", "names", "archive",
    "deletions", "counts",
)  # fmt: skip
RESTORE_REMEDY = (
    "it is left as it is; go back to the newest automatic backup with `imgscore db restore`, "
    "or to one of yours with `imgscore db restore DIR`"
)

Result = TypeVar("Result")


class Table:
    """One named table within one transaction."""

    def __init__(self, txn: "lmdb.Transaction[bytes]", database: "_Database") -> None:
        self._txn = txn
        self._database = database

    def get(self, key: bytes) -> bytes | None:
        """The value at `key`."""
        return self._txn.get(key, db=self._database)

    def getter(self) -> Callable[[bytes, bytes], bytes]:
        """`get` with a default, without a call of ours between: for a hundred thousand keys."""
        get = partial(self._txn.get, db=self._database)
        return cast("Callable[[bytes, bytes], bytes]", get)

    def put(self, key: bytes, value: bytes) -> None:
        """Write `value` at `key`."""
        self._txn.put(key, value, db=self._database)

    def append(self, value: bytes) -> int:
        """Write `value` under the next sequence number, counted from 1, and return the number."""
        last = self.last()
        number = int.from_bytes(last[0], "big") + 1 if last else 1
        self._txn.put(number.to_bytes(8, "big"), value, db=self._database, append=True)
        return number

    def delete(self, key: bytes) -> bool:
        """Remove `key`; False where it was not there."""
        return bool(self._txn.delete(key, db=self._database))

    def last(self) -> tuple[bytes, bytes] | None:
        """The entry with the greatest key."""
        with self._txn.cursor(db=self._database) as cursor:
            return cursor.item() if cursor.last() else None

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        """The entry with the least key that is not below `key`."""
        with self._txn.cursor(db=self._database) as cursor:
            there = cursor.set_range(key) if key else cursor.first()
            return cursor.item() if there else None

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All entries whose key starts with `prefix`, in key order."""
        with self._txn.cursor(db=self._database) as cursor:
            if not (cursor.set_range(prefix) if prefix else cursor.first()):
                return
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                yield key, value

    def keys(self) -> Iterator[bytes]:
        """Every key, in order: twice as fast as a scan."""
        with self._txn.cursor(db=self._database) as cursor:
            yield from cursor.iternext(keys=True, values=False)

    def keys_under(self, prefixes: Iterable[bytes]) -> Iterator[bytes]:
        """The keys that start with each of these, of one after the other."""
        with self._txn.cursor(db=self._database) as cursor:
            for prefix in prefixes:
                there = cursor.set_range(prefix)
                while there and (key := cursor.key()).startswith(prefix):
                    yield key
                    there = cursor.next()

    def backwards(self) -> Iterator[tuple[bytes, bytes]]:
        """All entries, greatest key first."""
        with self._txn.cursor(db=self._database) as cursor:
            if cursor.last():
                yield from cursor.iterprev()

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Write many entries at the speed of C."""
        with self._txn.cursor(db=self._database) as cursor:
            cursor.putmulti(entries)

    def delete_all(self, prefix: bytes) -> None:
        """Remove every entry whose key starts with `prefix`."""
        with self._txn.cursor(db=self._database) as cursor:
            if not cursor.set_range(prefix):
                return
            while (key := cursor.key()) and key.startswith(prefix):
                cursor.delete()  # and on to the next

    def last_under(self, prefix: bytes, length: int) -> tuple[bytes, bytes] | None:
        """The last entry whose key is `prefix` and `length` more bytes; the key without prefix."""
        with self._txn.cursor(db=self._database) as cursor:
            if cursor.set_range(prefix + b"\xff" * length):
                there = cursor.key().startswith(prefix) or cursor.prev()
            else:
                there = cursor.last()
            if not there or not cursor.key().startswith(prefix):
                return None
            return cursor.key()[len(prefix) :], cursor.value()

    def __len__(self) -> int:
        return int(self._txn.stat(self._database)["entries"])


class _NoTable(Table):
    """What an older imgscore did not make is empty to whoever only reads."""

    def __init__(self) -> None:
        """Nothing to hold."""

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
    """One transaction: a consistent view, and, when writing, all or nothing."""

    def __init__(self, store: "Store", txn: "lmdb.Transaction[bytes]") -> None:
        self._store = store
        self._txn = txn

    def table(self, name: str) -> Table:
        """One of TABLES."""
        handle = self._store.handles[name]
        return _NoTable() if handle is None else Table(self._txn, handle)


class Store:
    """The open store. Use as a context manager; transactions belong to the thread that began."""

    def __init__(self, folder: Path, *, readonly: bool = False, map_size: int = MAP_SIZE) -> None:
        """Open, or make, the store in `folder`. Raises StoreError, which says what to do."""
        self.folder = folder
        self.handles: dict[str, _Database | None] = {}
        if not readonly:
            _prepare(folder)
        try:
            self.environment = lmdb.open(
                os.fspath(folder),
                map_size=max(map_size, _size(folder)),
                max_dbs=128,
                max_readers=1024,
                readonly=readonly,
                create=not readonly,
                metasync=True,
                sync=True,
                writemap=False,
                readahead=False,
                mode=0o600,
            )
        except (lmdb.Error, OSError) as error:
            raise _opening(folder, error) from None
        try:
            with _translated():
                self.environment.reader_check()
                # All at once, and before any transaction: a reader sees no table opened after it.
                for name in TABLES:
                    self.handles[name] = self._open_table(name.encode(), create=not readonly)
            if not readonly:
                from imgscore.store import migrations

                self.commit(migrations.migrate)
        except BaseException:
            self.close()
            raise

    def _open_table(self, name: bytes, *, create: bool) -> "_Database | None":
        try:
            return self.environment.open_db(name, create=create)
        except lmdb.NotFoundError:
            return None

    @contextmanager
    def read(self) -> Iterator[Txn]:
        """A read transaction. Keep it short: it pins the pages that it sees."""
        with self._transaction(write=False) as txn:
            yield txn

    @contextmanager
    def write(self) -> Iterator[Txn]:
        """A write transaction: committed at the end of the block, dropped on an exception.

        Raises StoreError when the disk or the map is full; nothing of the block is then written.
        """
        with self._transaction(write=True) as txn:
            yield txn

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Txn]:
        with _translated():
            try:
                raw = self.environment.begin(write=write)
            except lmdb.MapResizedError:
                self.environment.set_mapsize(0)  # another process grew it; adopt its size
                raw = self.environment.begin(write=write)
            with raw:
                yield Txn(self, raw)

    def grow(self) -> None:
        """Double the map. Only with no transaction open in this process (py-lmdb#379)."""
        self.environment.set_mapsize(2 * self.environment.info()["map_size"])

    def commit(self, work: Callable[[Txn], Result]) -> Result:
        """Run `work` in a write transaction; if the map is full, grow it and run it once more."""
        try:
            result = self._commit(work)
        except MapFullError:
            self.grow()
            result = self._commit(work)
        step("after commit")
        return result

    def _commit(self, work: Callable[[Txn], Result]) -> Result:
        with self.write() as txn:
            result = work(txn)
            step("before commit")
            return result

    def release_dead_readers(self) -> int:
        """Free the slots of readers that were killed; returns how many."""
        return int(self.environment.reader_check())

    def free_bytes(self) -> int:
        """Free disk space where the store lies, in bytes."""
        return shutil.disk_usage(self.folder).free

    def used_bytes(self) -> int:
        """How much of the file is in use, free pages within it included."""
        return int((self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"])

    def last_transaction(self) -> int:
        """The number of the last commit: the same as long as nothing is written."""
        return int(self.environment.info()["last_txnid"])

    def backup(self, folder: Path) -> None:
        """A compact copy into the empty or absent `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with _translated():
            self.environment.copy(os.fspath(folder), compact=True)

    def close(self) -> None:
        """Close the environment. Safe to call twice."""
        self.environment.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


class MapFullError(StoreError):
    """The memory map is too small; Store.commit grows it."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except lmdb.MapFullError:
        raise MapFullError("the store's map is full", "run the command again") from None
    except lmdb.DiskError as error:
        raise StoreError(f"the disk is full: {error}", "free some space and try again") from None
    except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError) as error:
        raise StoreError(f"the store is damaged: {error}", RESTORE_REMEDY) from None
    except (msgspec.DecodeError, struct.error) as error:
        raise StoreError(f"the store is damaged: {error}", RESTORE_REMEDY) from None
    except lmdb.Error as error:
        raise StoreError(f"the store failed: {error}", "see: imgscore doctor") from None


def _size(folder: Path) -> int:
    try:
        return (folder / "data.mdb").stat().st_size
    except OSError:
        return 0


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be made: {error.strerror}", "check the folder's permissions"
        ) from None
    if mounts.kind(os.fsencode(folder)) in mounts.NETWORK:
        raise StoreError(
            f"{folder} lies on a network file system, where LMDB is not safe",
            "set XDG_DATA_HOME to a folder on a local disk",
        )


def _opening(folder: Path, error: Exception) -> StoreError:
    if isinstance(error, lmdb.InvalidError | lmdb.CorruptedError | lmdb.VersionMismatchError):
        return StoreError(f"{folder}/data.mdb is damaged: {error}", RESTORE_REMEDY)
    if isinstance(error, lmdb.ReadonlyError | lmdb.DiskError) or "No space" in str(error):
        return StoreError(f"{folder}: {error}", "free some space, or check the permissions")
    return StoreError(f"{folder}: the store cannot be opened: {error}", "see: imgscore doctor")


__all__ = ["MAP_SIZE", "SCHEMA_VERSION", "MapFullError", "Store", "Table", "Txn"]
