"""This module backs up the store and the trained heads, and restores backups.

A backup can be made while the daemon writes to the store. The daemon writes automatic backups to
the folder `paths.backups_folder()`. The command `imgscore db backup` writes a backup to any folder.
The name of an incomplete backup ends with `.partial`.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imgscore import paths
from imgscore.errors import ImgscoreError, StoreError, UsageError
from imgscore.fsutil import sync
from imgscore.store import originals, verify
from imgscore.store.backup_folders import kept, moment, name
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

_PARTIAL = ".partial"
# Two seconds, in nanoseconds. Every date that imgscore sets is a multiple of this value.
_EVEN_NS = 2 * 10**9


def back_up(folder: Path) -> int:
    """Copy the store and the heads into a new or empty folder.

    Return the number of copied bytes.
    """
    try:
        lock = StoreLock(paths.data_folder())
    except BusyError:
        # Another process writes to the store, usually the daemon. LMDB allows readers during a
        # write.
        with Store(paths.store_folder(), readonly=True) as store:
            return write(store, paths.heads_folder(), folder)
    with lock:
        verify.before_use(lock, paths.store_folder())
        with Store(paths.store_folder()) as store:
            return write(store, paths.heads_folder(), folder)


def write(store: Store, heads: Path, folder: Path) -> int:
    """Copy an open store and the trained heads into a new or empty folder.

    Wait until all copied files are on disk. Return the number of copied bytes.

    `store`: the open store. `heads`: the folder of the heads. `folder`: the target. Raises
    UsageError if the target is not empty. Raises ImgscoreError if the target cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} is not an empty folder", "give a new folder: imgscore db backup DIR"
            )
        store.backup(folder)
        if heads.is_dir():
            shutil.copytree(heads, folder / "heads", copy_function=_copy_if_present)
        files = [file for file in folder.rglob("*") if file.is_file()]
        for path in (*files, folder):
            sync(path)
        return sum(file.stat().st_size for file in files)
    except OSError as error:
        raise ImgscoreError(
            f"{folder}: cannot be written: {error.strerror or error}",
            "check the permissions of the folder and the free space on the disk, or choose "
            "another folder",
        ) from None


def _copy_if_present(source: str, target: str) -> None:
    """Copy the file of a head from `source` to `target`.

    Do nothing if `source` no longer exists: the daemon can delete the file of a head at any time.
    """
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def partial(folder: Path, now: datetime) -> Path:
    """Return the path at which a new backup must be written.

    `finish` renames the backup when it is complete. This function also deletes all incomplete
    backups that an interrupted run left in `folder`.
    """
    for unfinished in folder.glob(f"*{_PARTIAL}"):
        shutil.rmtree(unfinished, ignore_errors=True)
    backup = folder / name(now)
    # A backup with this name already exists if two backups are made within one second, or if the
    # clock was set back.
    while backup.exists():
        now += timedelta(seconds=1)
        backup = folder / name(now)
    return backup.with_name(backup.name + _PARTIAL)


def finish(written: Path, limit: int) -> Path:
    """Give a complete backup its final name, and delete the oldest backups.

    `written`: the path from `partial`. The files at this path must already be on disk. `limit`: the
    number of backups that are not deleted. Return the final path of the backup.
    """
    backup = written.with_name(written.name.removesuffix(_PARTIAL))
    written.rename(backup)
    for old in kept(backup.parent, moment(backup))[:-limit]:
        shutil.rmtree(old, ignore_errors=True)
    return backup


def restore(
    backup: Path, store: Path, heads: Path, mtime_ns: Callable[[bytes], int | None]
) -> Path | None:
    """Replace the store with a backup, and copy the heads of the backup to `heads`.

    `mtime_ns`: a function that returns the present mtime of the file at a path, or None if there is
    no file. Returns the folder to which the old store was moved, or None if there was no old store.
    Raises StoreError if the backup cannot be read. In this case, the store is not changed.
    """
    new = store.with_name("store.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True, mode=0o700)
        shutil.copyfile(backup / "data.mdb", new / "data.mdb")
        with Store(new) as opened:
            opened.commit(lambda txn: _adopt_dates(txn, mtime_ns))
        if (backup / "heads").is_dir():
            shutil.copytree(backup / "heads", heads, dirs_exist_ok=True)
        aside = None
        if (store / "data.mdb").exists():
            aside = store.with_name(f"store.set-aside-{name(datetime.now(UTC))}")
            _set_aside(store, aside)
        store.mkdir(exist_ok=True, mode=0o700)
        # Replace the database in one step. If the process is killed at any moment, either the old
        # or the new database remains.
        (new / "data.mdb").replace(store / "data.mdb")
        for folder in (store, store.parent):
            sync(folder)
        shutil.rmtree(new)
    except OSError as error:
        raise StoreError(f"{backup} cannot be restored: {error}", "choose another backup") from None
    return aside


def _set_aside(store: Path, aside: Path) -> None:
    aside.mkdir(mode=0o700)
    try:
        os.link(store / "data.mdb", aside / "data.mdb")
    except OSError:
        # The file system does not support hard links.
        shutil.copyfile(store / "data.mdb", aside / "data.mdb")
    (store / "lock.mdb").unlink(missing_ok=True)


def _adopt_dates(txn: Txn, mtime_ns: Callable[[bytes], int | None]) -> None:
    """Record the dates that imgscore set after the backup was made.

    The backup does not contain these dates. A date is recorded if it is a multiple of two seconds,
    because imgscore sets only such dates. Without the record, imgscore would treat the date as a
    date that the user set.
    """
    for digest, original in list(originals.iter_all(txn)):
        now_ns = mtime_ns(original.path)
        if (
            now_ns is not None
            and now_ns % _EVEN_NS == 0
            and not originals.belongs(original, now_ns)
        ):
            originals.record(
                txn, digest, originals.touched(original, original.path, now_ns, now_ns)
            )
