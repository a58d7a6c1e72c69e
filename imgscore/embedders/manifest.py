"""What was downloaded: the revision and every file's sha256, in one file beside them.

The first download records the sums; from then on the files must be what they were.
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
_CHUNK = 1 << 20


class FileFacts(msgspec.Struct, frozen=True):
    """One file: bytes, and sha256 in hex."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model folder's origin and contents. `revision` is the hub's commit, never a branch."""

    repository: str
    revision: str
    files: dict[str, FileFacts]


def read(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none. ConfigError where it is damaged."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{folder / NAME} cannot be read: {error}", "delete the folder and download it again"
        ) from None


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    write_atomic(folder / NAME, text)


def sha256_of(file: Path) -> str:
    """The sha256 of a file in hex; an unchanged file is read once a process. Raises OSError."""
    status = file.stat()
    return _sha256_of(os.fspath(file), status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _sha256_of(file: str, _inode: int, _size: int, _mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with open(file, "rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
