"""The manifest of a downloaded model: its revision and each file's sha256, stored beside the files.

The first download records the checksums; later downloads and loads compare the files with them.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import msgspec

from imgscore.errors import ConfigError
from imgscore.fsutil import write_atomic

NAME = "imgscore.json"
_CHUNK_BYTES = 1 << 20


class FileFacts(msgspec.Struct, frozen=True):
    """One file: its size in bytes, and its sha256 in hex."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model folder's origin and files. `revision` is a commit of the hub, never a branch."""

    repository: str
    revision: str
    files: dict[str, FileFacts]


def read(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None if it has none. Raises ConfigError if it is damaged."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{folder / NAME} cannot be read: {error}", "delete the folder and download it again"
        ) from None


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    write_atomic(folder / NAME, text)


def sha256_of(file: Path) -> str:
    """The sha256 of a file, in hex. A process reads an unchanged file only once. Raises OSError."""
    status = file.stat()
    return _sha256_of(os.fspath(file), status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _sha256_of(file: str, _inode: int, _size: int, _mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with open(file, "rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
