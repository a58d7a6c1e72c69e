"""Backups: copies the store and the heads while the daemon writes, and restores such a copy.

The daemon writes automatic backups to its own folder; `db backup` writes to any folder. An
automatic backup is a folder named by its time (UTC). While it is incomplete, it has another name.
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
from imgscore.store import originals
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

_FORM = "%Y-%m-%dT%H-%M-%SZ"
_PARTIAL = ".partial"
# Nanoseconds: every date that we set is a whole number of these.
_EVEN_NS = 2 * 10**9


def back_up(folder: Path) -> int:
    """Copy the store and the heads into a new or empty folder; return the number of bytes."""
    try:
        lock = StoreLock(paths.data_folder())
    except BusyError:  # a daemon runs: LMDB allows readers beside its writer
        with Store(paths.store_folder(), readonly=True) as store:
            return write(store, paths.heads_folder(), folder)
    with lock, Store(paths.store_folder()) as store:
        return write(store, paths.heads_folder(), folder)


def write(store: Store, heads: Path, folder: Path) -> int:
    """Copy an open store and the heads into a new or empty folder, and wait until all is on disk.

    Returns the number of bytes. Raises ImgscoreError if the folder cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} is not an empty folder", "give a new one: imgscore db backup DIR"
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
            "choose another folder, or check its permissions and the free space on its disk",
        ) from None


def _copy_if_present(source: str, target: str) -> None:
    """Copy a head, unless the daemon has deleted it since the folder was listed."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def name(now: datetime) -> str:
    """Return the name of a backup made now."""
    return now.astimezone(UTC).strftime(_FORM)


def moment(folder: Path) -> datetime:
    """Return when a backup was made, from its name."""
    return datetime.strptime(folder.name, _FORM).replace(tzinfo=UTC)


def kept(folder: Path, now: datetime) -> list[Path]:
    """Return the complete backups in a folder, oldest first.

    A backup from the future was made before the clock was set back. Its age is unknown, so it
    counts as the oldest.
    """
    try:
        backups = [path for path in folder.iterdir() if _is_moment(path.name)]
    except OSError:
        return []
    complete = [backup for backup in backups if (backup / "data.mdb").is_file()]
    return sorted(complete, key=lambda backup: (moment(backup) <= now, moment(backup)))


def _is_moment(text: str) -> bool:
    try:
        datetime.strptime(text, _FORM)
    except ValueError:
        return False
    return True


def partial(folder: Path, now: datetime) -> Path:
    """Return where to write a backup until it is complete; delete what an interrupted one left."""
    for unfinished in folder.glob(f"*{_PARTIAL}"):
        shutil.rmtree(unfinished, ignore_errors=True)
    backup = folder / name(now)
    while backup.exists():  # made in the same second, or before the clock was set back
        now += timedelta(seconds=1)
        backup = folder / name(now)
    return backup.with_name(backup.name + _PARTIAL)


def finish(written: Path, limit: int) -> Path:
    """Name a backup that is complete and on disk, and delete the oldest beyond `limit`."""
    backup = written.with_name(written.name.removesuffix(_PARTIAL))
    written.rename(backup)
    for old in kept(backup.parent, moment(backup))[:-limit]:
        shutil.rmtree(old, ignore_errors=True)
    return backup


def restore(
    backup: Path, store: Path, heads: Path, mtime_ns: Callable[[bytes], int | None]
) -> Path | None:
    """Replace the store with a backup; return the folder that keeps the replaced store.

    `mtime_ns`: returns the present date of a file, or None if there is no file.
    Raises StoreError if the backup cannot be read; nothing is changed then.
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
        # One rename: a kill at any moment leaves either the old store or the new one.
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
    except OSError:  # a file system without hard links
        shutil.copyfile(store / "data.mdb", aside / "data.mdb")
    (store / "lock.mdb").unlink(missing_ok=True)


def _adopt_dates(txn: Txn, mtime_ns: Callable[[bytes], int | None]) -> None:
    """Record the dates that we set after the backup was made, so that none counts as the user's."""
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
