"""Read the ratings of one image: from its sidecars, from the file itself, and from its xattrs."""

import errno
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Literal, NamedTuple

from imgscore.fsutil import open_regular
from imgscore.images.ratings import names, xmp
from imgscore.images.ratings.containers import metadata_of
from imgscore.images.ratings.tiff_tags import RATING, RATING_PERCENT
from imgscore.images.ratings.values import Scale, UnreadableError, value_of
from imgscore.images.ratings.window import Window

XATTR = b"user.baloo.rating"
"""The extended attribute in which Dolphin and other programs of KDE store a rating: 2 per star."""
OWN_XATTR = b"user.imgscore.rating"
"""The extended attribute in which imgscore repeats the rating that it wrote itself."""
MAX_XATTR = 16
"""The largest number of bytes of such an attribute. A rating has one or two."""

SourceName = Literal["sidecar", "stem", "file", "xattr"]
"""The sources of a rating: `a.jpg.xmp`, `a.xmp`, the image file, and its extended attribute."""


class Source(NamedTuple):
    """One source of a rating.

    `path`: the sidecar, or the image. `status`: the state of this file. `value`: a grade, UNRATED,
    or None if the source contains no rating. `problem`: the reason why it cannot be read; "" if it
    can be read.
    """

    name: SourceName
    path: bytes
    status: os.stat_result
    value: float | None
    problem: str = ""


def read(image: bytes) -> tuple[os.stat_result, list[Source]]:
    """Return the state of an image file, and the sources of its rating that exist.

    A source that cannot be read has a problem. Raises OSError if the image cannot be opened.
    """
    with open_regular(image) as file:
        descriptor = file.fileno()
        status = os.fstat(descriptor)
        sources = list(_sidecars(image))
        sources.append(_guarded("file", image, status, partial(_in_file, descriptor)))
        sources.append(Source("xattr", image, status, _in_attribute(descriptor)))
    return status, sources


def _sidecars(image: bytes) -> Iterator[Source]:
    exact = _sidecar("sidecar", names.exact_sidecars(image))
    if exact is not None:
        yield exact
    stem = _sidecar("stem", names.stem_sidecars(image))
    if stem is not None and not any(map(os.path.lexists, names.raw_siblings(image))):
        yield stem


def _sidecar(name: SourceName, paths: Iterable[bytes]) -> Source | None:
    """Return the first of these sidecars that exists. A link, or a folder, is no sidecar."""
    for path in paths:
        try:
            with open_regular(path) as file:
                status = os.fstat(file.fileno())
                data = file.read(xmp.MAX_BYTES + 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EIO):
                return Source(name, path, os.lstat(path), None, f"cannot be read: {error.strerror}")
            continue
        return _guarded(name, path, status, partial(_in_packet, data))
    return None


def _guarded(
    name: SourceName,
    path: bytes,
    status: os.stat_result,
    properties: Callable[[], Mapping[Scale, str]],
) -> Source:
    """Return a source with its value, or with the reason why it cannot be read."""
    try:
        return Source(name, path, status, value_of(properties()))
    except UnreadableError as error:
        return Source(name, path, status, None, error.message)
    except (struct.error, OSError, ValueError) as error:
        return Source(name, path, status, None, f"its metadata are damaged: {error}")


def _in_packet(packet: bytes) -> dict[Scale, str]:
    return xmp.ratings(xmp.properties(packet))


def _in_file(descriptor: int) -> dict[Scale, str]:
    metadata = metadata_of(Window(descriptor))
    found: dict[Scale, str] = {}
    if metadata.xmp:
        properties = xmp.properties(metadata.xmp)
        found = xmp.ratings(properties)
        more = metadata.more_xmp.get(properties.get(xmp.EXTENSION, "").strip().encode())
        if more is not None:
            found = xmp.ratings(xmp.properties(bytes(more))) | found
    tags: tuple[tuple[int, Scale], ...] = ((RATING, "exif"), (RATING_PERCENT, "exif_percent"))
    return found | {scale: str(metadata.tags[tag]) for tag, scale in tags if tag in metadata.tags}


def _in_attribute(descriptor: int) -> float | None:
    rating = attribute(descriptor, XATTR)
    if rating is None or rating == attribute(descriptor, OWN_XATTR):
        return None
    return value_of({"stars": str(rating / 2)}) if 0 <= rating <= 10 else None


def attribute(file: int | bytes, name: bytes) -> int | None:
    """Return the whole number in an extended attribute of a file. Return None if it has none."""
    try:
        text = os.getxattr(file, name)
    except OSError:
        return None
    return int(text) if len(text) <= MAX_XATTR and text.strip().isdigit() else None
