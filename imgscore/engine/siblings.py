"""RAW, JPEG and sidecar of one name: which sidecars stand beside images, and who shares a label.

A sidecar (.xmp …) is no image and has no sighting: it is found by listing folders, when needed.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from imgscore.order.entries import (
    JPEG_SUFFIXES,
    RAW_SUFFIXES,
    SIDECAR_SUFFIXES,
    basename_key,
    suffix,
)
from imgscore.store import labels, sightings
from imgscore.store.schema import EventName, Label, LabelEvent, Sighting
from imgscore.store.store import Txn

_ENDINGS = tuple(SIDECAR_SUFFIXES)


def _spelled(suffixes: Iterable[bytes]) -> list[bytes]:
    """`.xmp`, `.XMP` and `.Xmp`."""
    return [spelling for one in suffixes for spelling in (one, one.upper(), one.title())]


_SPELLINGS = _spelled(RAW_SUFFIXES | JPEG_SUFFIXES)
_SPELLINGS_OF_RAW = _spelled(RAW_SUFFIXES)
_SPELLINGS_OF_SIDECARS = _spelled(SIDECAR_SUFFIXES)


def sidecars_of(images: Iterable[bytes]) -> list[bytes]:
    """Paths of the sidecars beside these images; a folder that cannot be listed has none."""
    folders: dict[bytes, list[bytes]] = defaultdict(list)
    for image in images:
        folders[os.path.dirname(image)].append(image)
    found: list[bytes] = []
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
            keys = {basename_key(image) for image in members}
            found += [path for path in beside if basename_key(path) in keys]
    return sorted(found)


def digest_of(path: bytes) -> bytes | None:
    """sha256 of a sidecar, or of a file outside of every watch; None where it cannot be read."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def has_family(path: bytes) -> bool:
    """Whether an image is a RAW, or has a RAW or a sidecar of its name beside it.

    Asks for names, as they are usually spelled, so that a large folder need not be listed.
    """
    if suffix(path) in RAW_SUFFIXES:
        return True
    stem = path[: len(path) - len(suffix(path))]
    names = [stem + one for one in (*_SPELLINGS_OF_RAW, *_SPELLINGS_OF_SIDECARS)]
    names += [path + one for one in _SPELLINGS_OF_SIDECARS]
    return any(os.path.lexists(name) for name in names)


def append_label(txn: Txn, event: LabelEvent, *, share: bool) -> int:
    """Log a label; with `share`, for the RAW or JPEG of the same name too, wherever it was.

    Returns the event's number.
    """
    number = labels.append(txn, event)
    if not share:
        return number
    paths = {event.path, *(one.path for one in sightings.of_digest(txn, event.digest))}
    digests = {one.digest for path in paths for one in _beside(txn, path)} - {event.digest}
    for digest in sorted(digests):
        current = labels.current(txn, event.taste, digest)
        if (current.label if current else "clear") != event.label:
            labels.append(txn, msgspec.structs.replace(event, digest=digest))
    return number


def one_stays(path: bytes) -> bool:
    """Whether a RAW or JPEG of the same name lies on the disk where an image was deleted."""
    there = [name for name in _names(path) if name != path and os.path.lexists(name)]
    return bool(there) and _is_family(path, there)


def shares_place(path: bytes, event: EventName, before: Label | None) -> bool:
    """Whether a label by place, or that it is cleared, is one for all.

    Who parts with a RAW need not mean its JPEG.
    """
    said = before.label if before and event == "clear" else event
    return said != "trash" or suffix(path) not in RAW_SUFFIXES


def _beside(txn: Txn, path: bytes) -> list[Sighting]:
    """The RAW and JPEG files of one name in one folder, if there is a RAW among them."""
    there = [sightings.find(txn, name) for name in _names(path)]
    present = [one for one in there if one is not None and not one.gone_ns]
    return present if _is_family(path, (one.path for one in present)) else []


def _names(path: bytes) -> list[bytes]:
    """What the RAW and JPEG files of one name can be called."""
    stem = path[: len(path) - len(suffix(path))]
    return [stem + spelling for spelling in _SPELLINGS]


def _is_family(path: bytes, others: Iterable[bytes]) -> bool:
    """Whether there is a RAW among files of one name."""
    return not RAW_SUFFIXES.isdisjoint(map(suffix, (path, *others)))
