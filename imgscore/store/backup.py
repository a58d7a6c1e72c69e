"""A copy of the store and the heads, while others may write.

To wherever the user wants it, it is made by whoever asks for it, and never by the daemon, which may
write to its own folders only.
"""

import contextlib
import os
import shutil
from pathlib import Path

from imgscore import paths
from imgscore.errors import ImgscoreError, UsageError
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.store import Store


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


def sync(path: Path) -> None:
    """Wait until a file, or what a folder says of its files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
