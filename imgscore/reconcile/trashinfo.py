"""Reads from a .trashinfo file where a trashed file came from. Pure, on bytes.

The format is that of the FreeDesktop trash specification: a [Trash Info] group whose Path= is
percent-encoded, and on volumes relative to the top folder.
"""

import os
from urllib.parse import unquote_to_bytes

SUFFIX = b".trashinfo"
# A path has at most 4,096 bytes, and each can take three when percent-encoded.
MAX_BYTES = 1 << 16


def origin(text: bytes, base: bytes) -> bytes | None:
    """Return the absolute path that a file was trashed from; None if the text is invalid.

    `base`: the absolute folder of a relative path.
    """
    lines = iter(text.splitlines())
    if next(lines, b"").strip() != b"[Trash Info]":
        return None
    for line in lines:
        key, equals, value = line.partition(b"=")
        if line.startswith(b"["):
            return None
        if equals and key.strip() == b"Path":  # of several, the first counts
            return _absolute(unquote_to_bytes(value.strip()), base)
    return None


def _absolute(path: bytes, base: bytes) -> bytes | None:
    if not path or b"\0" in path or b".." in path.split(b"/"):
        return None
    # normpath keeps two leading slashes, as POSIX demands; here they mean one.
    return b"/" + os.path.normpath(os.path.join(base, path)).lstrip(b"/")
