"""Renames a file without ever replacing another file. Both folders are open file descriptors."""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from typing import cast

RENAME_NOREPLACE = 1
"""The flag of renameat2(2) with which an existing file is an error."""
# The errors of a system or a file system that does not support this flag.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


Rename = Callable[[int, bytes, int, bytes], None]
"""A function that renames: (folder, name) of the file, then (folder, name) after the move."""


class NeedsLinkError(OSError):
    """The file system cannot rename without replacing. `link_and_unlink` may be possible."""


def rename(source_folder: int, source: bytes, target_folder: int, target: bytes) -> None:
    """Rename a file. Raises FileExistsError if the new name exists.

    Raises NeedsLinkError if the file system does not support this call, and another OSError if the
    file cannot be renamed.
    """
    call = _renameat2()
    if call is None:
        raise NeedsLinkError(errno.ENOSYS, os.strerror(errno.ENOSYS), source)
    if call(source_folder, source, target_folder, target, RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    kind = NeedsLinkError if number in _UNSUPPORTED else OSError
    raise kind(number, os.strerror(number), source)


def link_and_unlink(source_folder: int, source: bytes, target_folder: int, target: bytes) -> None:
    """Rename a file by a hard link. Raises FileExistsError if the new name exists.

    After a crash, the file may have both names. Raises another OSError if the file system has no
    hard links, or if the old name cannot be removed. The file then has only its old name.
    """
    os.link(
        source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder, follow_symlinks=False
    )
    try:
        os.unlink(source, dir_fd=source_folder)
    except OSError:
        os.unlink(target, dir_fd=target_folder)
        raise


@cache
def _renameat2() -> "ctypes._NamedFuncPointer | None":
    """Return the function renameat2 of the C library, or None if the library lacks it."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return None
    call.argtypes = (
        ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint
    )  # fmt: skip
    call.restype = ctypes.c_int
    return cast("ctypes._NamedFuncPointer", call)
