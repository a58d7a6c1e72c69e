"""Chooses the names of the files in a folder of links. These functions read no files."""

import os
import re
import unicodedata
from collections.abc import Callable, Sequence

PREFIX_DIGITS = 4
"""The smallest number of digits of a rank. Names sort by rank only if all ranks have the same
number of digits."""
# The characters that FAT, exFAT and NTFS forbid in a name, and control characters.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]')


def plain_name(image: bytes, *, portable: bool) -> bytes:
    """Return the file name of an image, as far as a folder of links can contain it.

    A hidden name would be shown by no viewer, so it loses its dots. `portable`: whether to replace
    each character that a disk for Windows, cameras and photo frames forbids.
    """
    name = os.path.basename(image).lstrip(b".") or b"image"
    if not portable:
        return name
    text = _FORBIDDEN.sub("_", name.decode("utf-8", "replace").replace("\ufffd", "_"))
    stem, suffix = os.path.splitext(text)
    return (f"{stem.rstrip('. ') or 'image'}{suffix.rstrip('. ')}").encode()


def with_rank(name: bytes, rank: int, top: int) -> bytes:
    """Return "0001 name.jpg". `top`: the largest rank that the folder may have.

    The number of digits depends on `top` only, so that names stay when images come or go.
    """
    digits = max(PREFIX_DIGITS, len(str(top)))
    return b"%0*d %s" % (digits, rank, name)


def key(name: bytes) -> str:
    """Return a text that is equal for names that some file systems treat as one name."""
    return unicodedata.normalize("NFC", os.fsdecode(name)).casefold()


def fitted(name: bytes, limit: int, addition: bytes = b"") -> bytes:
    """Return a name of at most `limit` bytes, with `addition` before its suffix.

    A name that is too long is cut before its suffix, and never within a character of UTF-8.
    """
    stem, suffix = os.path.splitext(name)
    suffix = suffix[: max(0, limit - len(addition) - 1)]
    room = limit - len(addition) - len(suffix)
    if len(stem) > room:
        cut = stem[:room]
        text = cut.decode("utf-8", "ignore").encode()
        # If the name is not UTF-8, cut it at the byte.
        stem = text if cut.startswith(text) and len(cut) - len(text) < 4 else cut
    return stem + addition + suffix


def unique(name: bytes, is_taken: Callable[[str], bool], limit: int) -> bytes:
    """Return `name`, or a name such as `a (2).jpg` that is not taken.

    `is_taken`: a function that gets the result of `key`. `limit`: the largest number of bytes.
    """
    found, number = fitted(name, limit), 1
    while is_taken(key(found)):
        number += 1
        found = fitted(name, limit, b" (%d)" % number)
    return found


def chosen_names(
    images: Sequence[bytes],
    present: Sequence[bytes | None],
    foreign: Sequence[bytes],
    *,
    top: int | None,
    portable: bool,
    limit: int,
) -> list[bytes]:
    """Return a name for each image. All names differ, and none is in `foreign`.

    `images`: the paths, best image first. `present`: the present name of each image in the folder,
    or None. An image keeps its name if it can. `foreign`: the names that other files have.
    `top`: the largest rank; None means that the names contain no rank.
    """
    taken = set(map(key, foreign))
    names: list[bytes | None] = [None] * len(images)
    wanted = [plain_name(image, portable=portable) for image in images]
    if top is not None:
        wanted = [with_rank(name, rank, top) for rank, name in enumerate(wanted, 1)]
    for at, name in enumerate(present):
        if name is not None and key(name) not in taken and _is_kept(name, wanted[at], limit):
            names[at] = name
            taken.add(key(name))
    for at, name in enumerate(wanted):
        if names[at] is None:
            names[at] = unique(name, taken.__contains__, limit)
            taken.add(key(names[at] or b""))
    return [name for name in names if name is not None]


def _is_kept(name: bytes, wanted: bytes, limit: int) -> bool:
    """Return whether a present name is the wanted name, perhaps with a number such as " (2)"."""
    if name == fitted(wanted, limit):
        return True
    numbered = re.search(rb" \(\d+\)(?=(\.[^.]*)?$)", name)
    return numbered is not None and name == fitted(wanted, limit, numbered[0])
