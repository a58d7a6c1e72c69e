"""A copy of the store and the heads, while others may write.

Made by whoever asks for it, never by the daemon, which may write to its own folders only.
"""

import contextlib
import shutil
from pathlib import Path

from imgscore import places
from imgscore.errors import ImgscoreError, UsageError
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.store import Store


def back_up(folder: Path) -> int:
    """Copy all of it into a new or empty folder; returns how many bytes that are."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} is not an empty folder", "give a new one: imgscore db backup DIR"
            )
        _copy_store(folder)
        if places.heads_folder().is_dir():
            shutil.copytree(places.heads_folder(), folder / "heads", copy_function=_copy_if_there)
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except OSError as error:
        raise ImgscoreError(
            f"{folder}: cannot be written: {error.strerror or error}",
            "give another folder, and check its permissions and the space on its disk",
        ) from None


def _copy_store(folder: Path) -> None:
    try:
        lock = StoreLock(places.data_folder())
    except BusyError:  # a daemon runs: LMDB lets others read meanwhile
        with Store(places.store_folder(), readonly=True) as store:
            store.backup(folder)
        return
    with lock, Store(places.store_folder()) as store:
        store.backup(folder)


def _copy_if_there(source: str, target: str) -> None:
    """An old head may be forgotten while others are copied."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)
