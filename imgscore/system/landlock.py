"""This module uses Landlock to limit where this process and its child processes can write.

Landlock is a security feature of the Linux kernel (see landlock(7)). The process can still read all
files and set file dates. A limit cannot be removed later. If the kernel lacks Landlock, there is no
limit.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

# The numbers of the system calls of Landlock. They are equal on every architecture except alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH, _PR_SET_NO_NEW_PRIVS = 1, 1, 38

_WRITE_FILE = 1 << 1
# The rights to delete or create entries of a folder: REMOVE_DIR (bit 4) to MAKE_SYM (bit 12).
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
# The first versions of Landlock that have the rights REFER and TRUNCATE.
_REFER_SINCE, _TRUNCATE_SINCE = 2, 3


# Writing to these devices changes nothing.
_HARMLESS_DEVICES = (Path("/dev/null"), Path("/dev/zero"), Path("/dev/full"))


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def kernel_support() -> int:
    """Return the version of Landlock in the kernel. Return 0 if the kernel lacks Landlock."""
    try:
        return _system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def confine_writes(allowed: Iterable[Path], existing: Iterable[Path] = ()) -> bool:
    """Block every later write outside of `allowed`, for this process and its child processes.

    `allowed`: files, and folders with all their contents. `existing`: files that may be written,
    and folders whose existing files may be written, but in which nothing may be created or deleted.
    A path that does not exist yet is skipped. If the kernel lacks Landlock, the function blocks
    nothing and returns False.
    """
    version = kernel_support()
    if not version:
        return False
    files, folders = _WRITE_FILE, _CHANGE_FOLDER
    if version >= _TRUNCATE_SINCE:
        files |= _TRUNCATE
    if version >= _REFER_SINCE:
        folders |= _REFER
    rules = _Ruleset(files | folders)
    ruleset = _system_call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    try:
        for path in allowed:
            _allow(ruleset, path, files | folders, files)
        for path in (*_HARMLESS_DEVICES, *existing):
            # A rule holds an inode. The kernel can forget the inode of a folder in /proc and make
            # another one later, so keep the folder open until the process ends.
            _allow(ruleset, path, files, files, keeps_open=path.parts[:2] == ("/", "proc"))
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            return False
        _system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(
    ruleset: int, path: Path, access: int, file_access: int, *, keeps_open: bool = False
) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= file_access
        rule = _PathBeneath(access, descriptor)
        _system_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        if not keeps_open:
            os.close(descriptor)


def _system_call(number: int, *arguments: object) -> int:
    """Call the kernel and return the result. Raises OSError if the call fails."""
    library = ctypes.CDLL(None, use_errno=True)
    result = int(library.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
