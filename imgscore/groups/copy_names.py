"""This module recognises the names that programs give to copies. It reads no files."""

import re

# The names that file managers and browsers give to a copy of `a.jpg`, without the suffix.
_COPY = re.compile(
    rb"""^(copy|kopie)\ (\(\d+\)\ )?(of|von)\ .     # Copy of a
    | .\ -\ (copy|kopie)(\ \(\d+\))?$               # a - Copy, a - Copy (2)
    | .[ _-](copy|kopie)([ _-]?\d+)?$               # a copy, a copy 2, a_copy
    | .\ \((\w+\ )?(copy|kopie)(\ \d+)?\)$          # a (copy), a (another copy), a (3rd copy)
    | .\ ?\(\d+\)$                                  # a (1), a(1)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_copy_name(path: bytes) -> bool:
    """Return whether the name of a file looks like the name of a copy, such as `a (1).jpg`."""
    name = path.rpartition(b"/")[2]
    stem, dot, _ = name.rpartition(b".")
    return _COPY.search(stem if dot else name) is not None


def original_first(path: bytes) -> tuple[bool, int, bytes]:
    """Return a key that sorts files with equal bytes: probable originals first.

    A name that does not look like the name of a copy comes first, then the path with fewer folders,
    then the path that sorts first.
    """
    return is_copy_name(path), path.count(b"/"), path
