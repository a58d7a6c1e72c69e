"""This module reads the original path of a trashed file from its .trashinfo file.

The functions get the content of the .trashinfo file as bytes. The FreeDesktop trash specification
defines the format. A [Trash Info] group contains a line Path= with a percent-encoded path. If the
trash folder is not in the user's home, the path may be relative to the top folder of the volume.
"""

import os
from urllib.parse import unquote_to_bytes

SUFFIX = b".trashinfo"
# The largest number of bytes that are read from a .trashinfo file. A path has at most 4,096 bytes,
# and each percent-encoded byte takes three characters.
MAX_BYTES = 1 << 16


def origin(text: bytes, base: bytes) -> bytes | None:
    """Return the absolute path that a file had before it was trashed.

    `text`: the content of the .trashinfo file. `base`: the absolute folder from which a relative
    path starts. Returns None if the text is invalid.
    """
    lines = iter(text.splitlines())
    if next(lines, b"").strip() != b"[Trash Info]":
        return None
    for line in lines:
        key, equals, value = line.partition(b"=")
        if line.startswith(b"["):
            return None
        if equals and key.strip() == b"Path":
            # If there are several lines with Path=, use the first.
            return _absolute(unquote_to_bytes(value.strip()), base)
    return None


def _absolute(path: bytes, base: bytes) -> bytes | None:
    if not path or b"\0" in path or b".." in path.split(b"/"):
        return None
    # normpath keeps two leading slashes, because POSIX requires it. In a .trashinfo file, two
    # leading slashes mean one slash.
    return b"/" + os.path.normpath(os.path.join(base, path)).lstrip(b"/")
