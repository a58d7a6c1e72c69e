"""This module finds the files that share an image's name: a RAW, a JPEG and sidecars (.xmp …).

A sidecar is not an image and has no sighting. These functions therefore search for sidecars on the
disk.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable

from imgscore.fsutil import open_regular
from imgscore.order import json_sidecars
from imgscore.order.entries import (
    JPEG_SUFFIXES,
    RAW_SUFFIXES,
    SIDECAR_SUFFIXES,
    basename_key,
    keys_of,
    suffix,
)

_ENDINGS = tuple(SIDECAR_SUFFIXES)


def _spellings(suffixes: Iterable[bytes]) -> list[bytes]:
    """Return the usual spellings of each suffix, for example `.xmp`, `.XMP` and `.Xmp`."""
    return [
        spelling for ending in suffixes for spelling in (ending, ending.upper(), ending.title())
    ]


_IMAGE_SPELLINGS = _spellings(RAW_SUFFIXES | JPEG_SUFFIXES)
_RAW_SPELLINGS = _spellings(RAW_SUFFIXES)
_SIDECAR_SPELLINGS = _spellings(SIDECAR_SUFFIXES)


def sidecars_of(images: Iterable[bytes]) -> list[bytes]:
    """Return the paths of the sidecars beside these images. Skip a folder that cannot be listed."""
    folders: dict[bytes, list[bytes]] = defaultdict(list)
    for image in images:
        folders[os.path.dirname(image)].append(image)
    sidecars: list[bytes] = []
    for folder, members in folders.items():
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        beside = [
            os.path.join(folder, name)
            for name in names
            if name.lower().endswith(_ENDINGS) and not name.startswith(b".")
        ]
        if beside:
            keys = {key for image in members for key in keys_of(image)}
            sidecars += [path for path in beside if basename_key(path) in keys]
    return sorted(sidecars)


def digest_of(path: bytes) -> bytes | None:
    """Return the sha256 of a file that has no sighting. Return None if the file cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def shares_date(path: bytes) -> bool:
    """Return whether an image and other files must get one common date.

    This is the case if the image is a RAW, or if a RAW or a sidecar with the image's name is in the
    folder of the image. The function checks only the usual spellings of the names, because listing
    a large folder is slow.
    """
    if suffix(path) in RAW_SUFFIXES:
        return True
    stem = path[: len(path) - len(suffix(path))]
    names = [stem + ending for ending in (*_RAW_SPELLINGS, *_SIDECAR_SPELLINGS)]
    names += [path + ending for ending in _SIDECAR_SPELLINGS]
    folder, name = os.path.split(path)
    names += [os.path.join(folder, other) for other in json_sidecars.names_for(name)]
    return any(os.path.lexists(name) for name in names)


def sibling_names(path: bytes) -> list[bytes]:
    """Return all possible paths of RAW and JPEG siblings: same folder and basename as `path`.

    `path` itself is one of these paths.
    """
    stem = path[: len(path) - len(suffix(path))]
    return [stem + spelling for spelling in _IMAGE_SPELLINGS]


def has_raw(paths: Iterable[bytes]) -> bool:
    """Return whether one of these paths is the path of a RAW."""
    return not RAW_SUFFIXES.isdisjoint(map(suffix, paths))


def sibling_exists(path: bytes) -> bool:
    """Return whether the other file of a RAW and JPEG pair is still on disk.

    `path`: the file of the pair that was deleted.
    """
    present = [name for name in sibling_names(path) if name != path and os.path.lexists(name)]
    return bool(present) and has_raw((path, *present))
