"""The LMDB environment of the store: opening, transactions, growth and backup.

Only one process writes to the store (see lock.py). Worker processes open the store read-only. LMDB
allows one handle in each process. A child process must not inherit a handle by fork, so child
processes must be started by spawn.
"""

import contextlib
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import lmdb
import msgspec

from imgscore.errors import CorruptStoreError, StoreError
from imgscore.failpoints import step
from imgscore.store import backup_folders, checksums, deferred, migrations, replay
from imgscore.store.checksums import Seal
from imgscore.store.deferred import Deferred
from imgscore.store.snapshot import Snapshot
from imgscore.store.transaction import Txn
from imgscore.system import mounts

if TYPE_CHECKING:
    from lmdb import _Database

# The size of the memory map, in bytes. The database file is sparse, so it uses only as much disk
# space as its data need. Unused address space costs nothing.
MAP_SIZE = 64 * 2**30
TABLES = (
    "meta", "sightings", "places", "failures", "traits", "embedders", "vectors", "rows",
    "label_log", "labels", "originals", "journal", "heads", "scores", "names", "archive",
    "deletions", "counts", "dates", "foreign_dates", "shifts", "comparison_log", "comparisons",
    "ratings", "unread_ratings", "sidecars", "written_ratings",
    "groups", "grouped", "qualities", "group_index", "similar", "ungrouped", "unsettled",
    "fine_grids",
)  # fmt: skip

Result = TypeVar("Result")


class Store:
    """The open store, as a context manager.

    A thread may use only transactions that it began itself.
    """

    def __init__(self, folder: Path, *, readonly: bool = False, map_size: int = MAP_SIZE) -> None:
        """Open the store in `folder`, and create it if it does not exist.

        If `readonly` is true, the store is not created and cannot be changed. `map_size`: the size
        of the memory map in bytes. Raises StoreError.
        """
        self.folder = folder
        self.deferred = Deferred()
        self.handles: dict[str, _Database | None] = {}
        self._seals = _seals(strict=False)
        if not readonly:
            _prepare(folder)
        self._readonly = readonly
        self._map_size = map_size
        self._environment: lmdb.Environment | None = None
        self._parked: tuple[int, int] | None = None
        """the device and the inode of the file that `park` has closed"""
        self._snapshots: list[Snapshot] = []
        try:
            with _translated():
                self.environment.reader_check()
            if not readonly:
                migrations.migrate(self.commit)
            with self.read() as txn:
                self._seals = _seals(strict=migrations.is_sealed(txn))
                is_settled = not len(txn.table("unsettled"))
            if not (readonly or is_settled):
                self.commit(replay.settle)
        except BaseException:
            self.close()
            raise

    @property
    def environment(self) -> "lmdb.Environment":
        """The LMDB environment. It is opened if it is not open. Raises StoreError."""
        if self._environment is None:
            self._environment = self._open()
            try:
                # Open all tables now, before any other transaction begins. A read transaction
                # cannot use a table that is opened later.
                with _translated():
                    if self._readonly:
                        self._open_tables(None)
                    else:
                        # One transaction creates all tables, so that a new store waits for the
                        # disk once, not for each table.
                        with self._environment.begin(write=True) as raw:
                            self._open_tables(raw)
            except BaseException:
                self.park()
                raise
        return self._environment

    def _open(self) -> "lmdb.Environment":
        if self._parked not in (None, _identity(self.file)):
            raise StoreError(
                f"{self.file} was moved or replaced while it was in use",
                "move it back, or restart the daemon: imgscore stop, then imgscore start",
            )
        try:
            return lmdb.open(
                os.fspath(self.folder),
                map_size=max(self._map_size, _size(self.folder)),
                max_dbs=128,
                max_readers=1024,
                readonly=self._readonly,
                create=not self._readonly,
                metasync=True,
                sync=True,
                writemap=False,
                readahead=False,
                mode=0o600,
            )
        except (lmdb.Error, OSError) as error:
            raise _open_error(self.folder, error) from None

    def park(self) -> None:
        """Close the environment, until the next transaction opens it again in about 2 ms.

        LMDB keeps the memory of its largest transaction until then. No transaction may be open in
        this process. Deferred writes stay in memory; if the process is killed, the journal repeats
        them.
        """
        self._close_snapshots()
        if self._environment is not None:
            self._map_size = max(self._map_size, int(self._environment.info()["map_size"]))
            self._environment.close()
            self._environment, self._parked = None, _identity(self.file)

    def _open_tables(self, raw: "lmdb.Transaction[bytes] | None") -> None:
        """Open all tables. Create those that do not exist if `raw` is a write transaction."""
        for name in TABLES:
            self.handles[name] = None
            with contextlib.suppress(lmdb.NotFoundError):
                assert self._environment is not None
                table = self._environment.open_db(name.encode(), txn=raw, create=raw is not None)
                self.handles[name] = table

    @property
    def file(self) -> Path:
        """The path of the database file."""
        return self.folder / "data.mdb"

    @property
    def damage(self) -> dict[str, str]:
        """A text for each table from which damaged records were left out, by the table's name."""
        return {
            name: f"the store is damaged: {len(seal.damaged)} records in the table {name} cannot "
            f"be used; {checksums.REMEDY}"
            for name, seal in self._seals.items()
            if seal.damaged
        }

    @contextmanager
    def read(self) -> Iterator[Txn]:
        """Begin a read transaction. The end of the block ends the transaction.

        A read transaction must be short. LMDB cannot reuse a page while an open transaction may
        still read this page.
        """
        with self._transaction(write=False) as txn:
            yield txn

    @contextmanager
    def write(self) -> Iterator[Txn]:
        """Begin a write transaction. The end of the block commits the transaction.

        An exception in the block aborts the transaction. Raises StoreError if the disk or the
        memory map is full. In this case, nothing that the block wrote is stored.
        """
        with self._transaction(write=True) as txn:
            yield txn

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Txn]:
        with _translated():
            try:
                raw = self.environment.begin(write=write)
            except lmdb.MapResizedError:
                # Another process has increased the size of the map. set_mapsize(0) makes this
                # process use the new size. No transaction may be open.
                self._close_snapshots()
                self.environment.set_mapsize(0)
                raw = self.environment.begin(write=write)
            txn = Txn(self.handles, raw, self._seals, self.deferred)
            with raw:
                yield txn
            if txn.has_flushed:
                self.deferred.clear()

    def snapshot(self) -> Snapshot:
        """Begin a snapshot. The caller must close it."""
        snapshot = Snapshot(self.read())
        self._snapshots = [one for one in self._snapshots if one.txn is not None]
        self._snapshots.append(snapshot)
        return snapshot

    def _close_snapshots(self) -> None:
        for snapshot in self._snapshots:
            snapshot.close()
        self._snapshots.clear()

    def grow(self) -> None:
        """Double the size of the memory map.

        No transaction may be open in this process (py-lmdb#379).
        """
        self.environment.set_mapsize(2 * self.environment.info()["map_size"])

    def commit(self, work: Callable[[Txn], Result], *, grow: bool = True) -> Result:
        """Run `work` in a write transaction, and return the result of `work`.

        If the memory map is full, double its size and run `work` again. If `grow` is false, raise
        MapFullError instead: while another thread may read the store, the map must not grow.
        """
        try:
            result = self._commit(work)
        except MapFullError:
            if not grow:
                raise
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
        """Free the LMDB reader slots of processes that were killed.

        Return the number of freed slots.
        """
        return int(self.environment.reader_check())

    def free_bytes(self) -> int:
        """Return the free space on the store's disk, in bytes."""
        return shutil.disk_usage(self.folder).free

    def used_bytes(self) -> int:
        """Return the used size of the database file in bytes. This size includes free pages."""
        return int((self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"])

    def last_transaction(self) -> int:
        """Return the number of the last commit. Each commit increases this number."""
        return int(self.environment.info()["last_txnid"])

    def backup(self, folder: Path) -> None:
        """Write a compact copy of the store into `folder`. The folder must be empty or missing."""
        folder.mkdir(parents=True, exist_ok=True)
        with _translated():
            self.environment.copy(os.fspath(folder), compact=True)

    def flush(self) -> None:
        """Make all deferred writes."""
        if not self.deferred.is_empty:
            self.commit(lambda txn: self.deferred.write_all(txn.own_table))
            self.deferred.clear()

    def flush_part(self) -> None:
        """Make some of the deferred writes, in one commit."""
        part = self.deferred.next_part()
        try:
            self.commit(lambda txn: part.write(txn.own_table))
        except BaseException:
            self.deferred.repeat()
            raise
        self.deferred.made(part)

    def flush_until_few(self) -> bool:
        """Make some of the deferred writes if they are many. Return whether only few are left.

        A commit that writes to one of their tables makes all deferred writes. An order defers those
        of 16,384 files, which take 0.1 s of CPU time. Call this method before such a commit, and
        delay the commit while the result is False, so that no step takes so long.
        """
        for _ in range(deferred.FLUSH_PARTS):
            if len(self.deferred) <= deferred.MAX_ADDED_FILES:
                return True
            self.flush_part()
        return len(self.deferred) <= deferred.MAX_ADDED_FILES

    def close(self) -> None:
        """Make the deferred writes, and close the environment. A second call has no effect.

        If the writes fail, for example because the disk is full, the next opening makes them.
        """
        with suppress(StoreError):
            self.flush()
        self.deferred.clear()
        self.park()

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
    """The error raised if the memory map is too small. Store.commit then doubles the map."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except lmdb.MapFullError:
        raise MapFullError(
            "the store needs more room than was reserved for its file", "run the command again"
        ) from None
    except lmdb.DiskError as error:
        raise StoreError(
            f"the disk is full: {error}", "free some disk space and try again"
        ) from None
    except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError) as error:
        raise CorruptStoreError(f"the store is damaged: {error}", checksums.REMEDY) from None
    except msgspec.ValidationError as error:  # the bytes are intact: they have their checksum
        raise StoreError(
            f"another version of imgscore wrote a record of the store: {error}",
            "use the newest version that has used this store; if imgscore was upgraded while the "
            "daemon ran, restart the daemon: imgscore stop, then imgscore start",
        ) from None
    except (msgspec.DecodeError, struct.error, UnicodeDecodeError) as error:
        raise StoreError(f"the store is damaged: {error}", checksums.REMEDY) from None
    except lmdb.Error as error:
        raise StoreError(f"the store failed: {error}", "see: imgscore doctor") from None


def _seals(*, strict: bool) -> dict[str, Seal]:
    return {name: Seal(name, strict=strict) for name in checksums.TABLES}


def _identity(file: Path) -> tuple[int, int] | None:
    """Return the device and the inode of a file, or None if there is no file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


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
            f"{folder}: cannot be created: {error.strerror}", "check the folder's permissions"
        ) from None
    if mounts.kind(os.fsencode(folder)) in mounts.NETWORK:
        raise StoreError(
            f"{folder} is on a network file system, where LMDB can lose data",
            "set XDG_DATA_HOME to a folder on a local disk",
        )


def _open_error(folder: Path, error: Exception) -> StoreError:
    if isinstance(error, lmdb.InvalidError | lmdb.CorruptedError | lmdb.VersionMismatchError):
        return StoreError(f"{folder}/data.mdb is damaged: {error}", backup_folders.remedy())
    if isinstance(error, lmdb.ReadonlyError | lmdb.DiskError) or "No space" in str(error):
        return StoreError(f"{folder}: {error}", "free some disk space, or check the permissions")
    return StoreError(f"{folder}: the store cannot be opened: {error}", "see: imgscore doctor")
