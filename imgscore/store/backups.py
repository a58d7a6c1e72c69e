"""Backups: a copy of the store and the heads while others write, and the way back from it.

The daemon writes the automatic ones to its own folder. Only the command writes one where the user
wants it. An automatic backup is a folder named by its moment (UTC); one that is not complete has
another name and does not count.
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
from imgscore.store.schema import Original
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

_FORM = "%Y-%m-%dT%H-%M-%SZ"
_PARTIAL = ".partial"
# Dates of ours are whole, even seconds.
_EVEN = 2 * 10**9


def back_up(folder: Path) -> int:
    """Copy all of it into a new or empty folder; returns how many bytes that are."""
    try:
        lock = StoreLock(paths.data_folder())
    except BusyError:  # a daemon runs: LMDB lets others read meanwhile
        with Store(paths.store_folder(), readonly=True) as store:
            return write(store, paths.heads_folder(), folder)
    with lock, Store(paths.store_folder()) as store:
        return write(store, paths.heads_folder(), folder)


def write(store: Store, heads: Path, folder: Path) -> int:
    """Copy an open store and the heads into a new or empty folder, down to the disk.

    Returns how many bytes that are. Raises ImgscoreError where they cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} is not an empty folder", "give a new one: imgscore db backup DIR"
            )
        store.backup(folder)
        if heads.is_dir():
            shutil.copytree(heads, folder / "heads", copy_function=_copy_if_there)
        files = [file for file in folder.rglob("*") if file.is_file()]
        for path in (*files, folder):
            sync(path)
        return sum(file.stat().st_size for file in files)
    except OSError as error:
        raise ImgscoreError(
            f"{folder}: cannot be written: {error.strerror or error}",
            "give another folder, and check its permissions and the space on its disk",
        ) from None


def _copy_if_there(source: str, target: str) -> None:
    """An old head may be forgotten while others are copied."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def name(now: datetime) -> str:
    """The name of a backup made now."""
    return now.astimezone(UTC).strftime(_FORM)


def moment(folder: Path) -> datetime:
    """When a backup was made, by its name."""
    return datetime.strptime(folder.name, _FORM).replace(tzinfo=UTC)


def kept(folder: Path, now: datetime) -> list[Path]:
    """The whole backups in a folder, oldest first.

    One of the future was made before the clock was set back: nobody knows how old it is, and it
    counts as the oldest.
    """
    try:
        found = [one for one in folder.iterdir() if _is_moment(one.name)]
    except OSError:
        return []
    whole = [one for one in found if (one / "data.mdb").is_file()]
    return sorted(whole, key=lambda one: (moment(one) <= now, moment(one)))


def _is_moment(text: str) -> bool:
    try:
        datetime.strptime(text, _FORM)
    except ValueError:
        return False
    return True


def partial(folder: Path, now: datetime) -> Path:
    """Where a backup is written until it is whole; what an earlier one left there is removed."""
    for left in folder.glob(f"*{_PARTIAL}"):
        shutil.rmtree(left, ignore_errors=True)
    whole = folder / name(now)
    while whole.exists():  # of the same second, or from before a clock was set back
        now += timedelta(seconds=1)
        whole = folder / name(now)
    return whole.with_name(whole.name + _PARTIAL)


def finish(written: Path, most: int) -> Path:
    """A backup is whole and on disk: give it its name, and remove the oldest beyond `most`."""
    whole = written.with_name(written.name.removesuffix(_PARTIAL))
    written.rename(whole)
    for old in kept(whole.parent, moment(whole))[:-most]:
        shutil.rmtree(old, ignore_errors=True)
    return whole


def restore(
    backup: Path, store: Path, heads: Path, mtime_ns: Callable[[bytes], int | None]
) -> Path | None:
    """Put a backup in the store's place; returns where the store that was there is kept.

    `mtime_ns`: the date that a file carries now; None where there is no file.
    Raises StoreError where the backup cannot be read; then nothing is changed.
    """
    new = store.with_name("store.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True, mode=0o700)
        shutil.copyfile(backup / "data.mdb", new / "data.mdb")
        with Store(new) as opened:
            opened.commit(lambda txn: _take_up(txn, mtime_ns))
        if (backup / "heads").is_dir():
            shutil.copytree(backup / "heads", heads, dirs_exist_ok=True)
        aside = None
        if (store / "data.mdb").exists():
            aside = store.with_name(f"store.set-aside-{name(datetime.now(UTC))}")
            _set_aside(store, aside)
        store.mkdir(exist_ok=True, mode=0o700)
        # One rename: whenever this is killed, there is the one store or the other, and never none.
        (new / "data.mdb").replace(store / "data.mdb")
        for folder in (store, store.parent):
            sync(folder)
        shutil.rmtree(new)
    except OSError as error:
        raise StoreError(
            f"{backup} cannot be restored: {error}", "give the folder of another backup"
        ) from None
    return aside


def _set_aside(store: Path, aside: Path) -> None:
    aside.mkdir(mode=0o700)
    try:
        os.link(store / "data.mdb", aside / "data.mdb")
    except OSError:  # a file system without links
        shutil.copyfile(store / "data.mdb", aside / "data.mdb")
    (store / "lock.mdb").unlink(missing_ok=True)


def _take_up(txn: Txn, mtime_ns: Callable[[bytes], int | None]) -> None:
    """Dates that we set after the backup was made are ours still, and no new originals."""
    for digest, held in list(originals.iter_all(txn)):
        now_ns = mtime_ns(held.path)
        if now_ns is not None and now_ns % _EVEN == 0 and not originals.belongs(held, now_ns):
            ours: Original = originals.touched(held, held.path, now_ns, now_ns)
            originals.record(txn, digest, ours)
