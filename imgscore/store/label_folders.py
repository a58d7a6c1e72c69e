"""The identities (device, inode) of the keep and trash folders, as they were last seen.

A folder that has the identity of a label folder, but another path, is the renamed label folder.
"""

import os

from imgscore.store import settings
from imgscore.store.schema import path_key
from imgscore.store.transaction import Txn

Identity = tuple[int, int]


def identity(folder: bytes) -> Identity | None:
    """Return the device and inode of a folder on disk, or None if there is no such folder."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def get(txn: Txn, folder: bytes) -> Identity | None:
    """Return the recorded device and inode of a label folder, or None."""
    value = settings.get(txn, _name(folder))
    if value is None:
        return None
    device, _, inode = value.partition(":")
    return int(device), int(inode)


def record(txn: Txn, folder: bytes, seen: Identity) -> None:
    """Record the device and inode of a label folder."""
    settings.put(txn, _name(folder), f"{seen[0]}:{seen[1]}")


def _name(folder: bytes) -> str:
    return f"folder:{path_key(folder).hex()}"
