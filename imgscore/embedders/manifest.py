"""The manifest of a downloaded model: its revision and the sha256 of each file.

The manifest is a file in the folder of the model. The first download stores the checksums. Each
later download and each loading of the model compares the files with these checksums.
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
_READ_BYTES = 1 << 20


class FileFacts(msgspec.Struct, frozen=True):
    """The size of one file in bytes, and its sha256 in hex."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The origin and the files of a downloaded model.

    `revision`: a commit of the hub, never a branch.
    """

    repository: str
    revision: str
    files: dict[str, FileFacts]


def read(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, or None if the folder has no manifest.

    Raises ConfigError if the manifest cannot be read.
    """
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{folder / NAME} cannot be read: {error}",
            "move the folder elsewhere and download the model again",
        ) from None


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder atomically."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    write_atomic(folder / NAME, text)


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file, in hex. Raises OSError if the file cannot be read.

    The result is cached: a process reads an unchanged file only once.
    """
    status = file.stat()
    return _sha256_of(os.fspath(file), status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _sha256_of(file: str, _inode: int, _size: int, _mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with open(file, "rb", buffering=0) as stream:
        while chunk := stream.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
