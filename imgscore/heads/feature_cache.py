"""Store the unit rows of images between two scorings, in a file of the cache.

The rows depend on the Features, which trainings after each other share, and on no label. With the
rows, the scores of a new head need a third of the time. The file contains parts of up to 512
images. Rows of further images are appended to it. A part that is damaged, or was not written to its
end, is left out; the rows of its images are computed again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import struct
import zlib
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Floats, Half
from imgscore.heads.extras import NAMES
from imgscore.heads.features import Features

DIGEST_SIZE = sha256().digest_size
VERSION = 1
"""The version of the file, and of the computation of the rows."""
ROW_BATCH = 512
"""The largest number of images in one part. They use 0.4 MB."""
MIN_FREE_BYTES = 1 << 30
"""The number of bytes that must be free on the disk, so that the file can grow. The store needs
space before a cache does."""
NOT_FINITE = 0x7C00
"""The exponent bits of a float16. If all of them are set, the value is not a finite number."""

_HEADER = struct.Struct("<8s32s")
_PART = struct.Struct("<II")
_MAGIC = b"imgrows\n"


class Rows(NamedTuple):
    """The unit rows of n images.

    `digests`: n digests as one bytes object. `extras`: float32 [n, k], the numbers from their
    traits that were used. `rows`: float16 [n, r].
    """

    digests: bytes
    extras: Floats
    rows: Half

    def __len__(self) -> int:
        return len(self.rows)


class _Place(NamedTuple):
    """The place of a part in the file. `at`: the offset of its checksummed bytes."""

    at: int
    images: int
    checksum: int


def key_of(features: Features, *facts: object) -> bytes:
    """Return the key of a file. `facts`: all further facts on which the rows depend."""
    arrays, values = features.state()
    key = sha256(json.dumps([VERSION, *map(str, facts), values]).encode())
    for name, array in sorted(arrays.items()):
        key.update(f"{name} {array.dtype} {array.shape}".encode())
        key.update(np.ascontiguousarray(array).data)
    return key.digest()


class FeatureCache:
    """The open file. Used as a context manager, it closes the file.

    `key`: the result of `key_of`. A file with another key is not read, and `begin` deletes its
    content. `width`: the number r of values in a row.
    """

    def __init__(self, file: Path, key: bytes, width: int) -> None:
        self._key, self._width = key, width
        self._size = DIGEST_SIZE + 4 * len(NAMES) + 2 * width
        self._places: list[_Place] = []
        self._digests: list[bytes] = []
        self._end = 0
        """the offset behind the last usable part; 0 if the file has another key"""
        self._descriptor = -1
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = _open(file)
            self._index()

    def _index(self) -> None:
        """Read the header of each part, and its digests."""
        if os.pread(self._descriptor, _HEADER.size, 0) != _HEADER.pack(_MAGIC, self._key):
            return
        self._end = _HEADER.size
        length = os.fstat(self._descriptor).st_size
        while len(header := os.pread(self._descriptor, _PART.size, self._end)) == _PART.size:
            count, checksum = _PART.unpack(header)
            at = self._end + _PART.size
            if not 0 < count <= ROW_BATCH or at + count * self._size > length:
                return
            self._digests.append(os.pread(self._descriptor, count * DIGEST_SIZE, at))
            self._places.append(_Place(at, count, checksum))
            self._end = at + count * self._size

    def digests(self) -> list[bytes]:
        """Return the digests of each part, as one bytes object a part."""
        return self._digests

    def read(self, number: int) -> bytes:
        """Return the bytes of a part, which `checked` turns into rows."""
        place = self._places[number]
        with suppress(OSError):
            return os.pread(self._descriptor, place.images * self._size, place.at)
        return b""

    def without_extras(self, number: int, data: bytes) -> list[int]:
        """Return the places of the images of a part whose traits were unknown."""
        place = self._places[number]
        if len(data) != place.images * self._size:
            return []
        extras = np.frombuffer(
            data, np.float32, place.images * len(NAMES), place.images * DIGEST_SIZE
        )
        found: list[int] = np.flatnonzero(np.isnan(extras[:: len(NAMES)])).tolist()
        return found

    def checked(self, number: int, data: bytes) -> Rows | None:
        """Return the rows of a part from its bytes, or None if it is damaged."""
        place, digests = self._places[number], self._digests[number]
        if len(data) != place.images * self._size or zlib.crc32(data) != place.checksum:
            return None
        extras = np.frombuffer(data, np.float32, place.images * len(NAMES), len(digests))
        rows = np.frombuffer(data, np.float16, offset=len(digests) + extras.nbytes)
        exponents = rows.view(np.uint16) & NOT_FINITE
        if exponents.max(initial=0) == NOT_FINITE or not data.startswith(digests):
            return None
        shape = place.images, -1
        return Rows(digests, extras.reshape(shape), rows.reshape(shape))

    def begin(self) -> bool:
        """Prepare `append`. Return False if the file cannot grow.

        The disk may be nearly full, or another process may append to the file.
        """
        if self._descriptor < 0:
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            disk = os.fstatvfs(self._descriptor)
            if disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES:
                return False
            os.ftruncate(self._descriptor, self._end)
            if not self._end:
                header = _HEADER.pack(_MAGIC, self._key)
                self._end = os.pwrite(self._descriptor, header, 0)
        except OSError:
            return False
        return True

    def append(self, part: Rows) -> bool:
        """Write a part of at most ROW_BATCH images. Return False if that is not possible."""
        data = b"".join((part.digests, part.extras.tobytes(), part.rows.tobytes()))
        data = _PART.pack(len(part), zlib.crc32(data)) + data
        with suppress(OSError):
            if os.pwrite(self._descriptor, data, self._end) == len(data):
                self._end += len(data)
                return True
            os.ftruncate(self._descriptor, self._end)
        return False

    def clear(self) -> None:
        """Let the next `begin` delete the whole content."""
        self._end = 0
        self._places, self._digests = [], []

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _open(file: Path) -> int:
    """Open or create a regular file. Symbolic links are not followed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(file, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    return descriptor
