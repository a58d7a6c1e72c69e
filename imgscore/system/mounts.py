"""This module reads the mount points and the types of file systems from /proc/self/mountinfo."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_ESCAPE = re.compile(rb"\\(\d{3})")
# The types of network file systems. On such a file system, inotify does not report a change that
# another machine makes.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "ncpfs", "glusterfs", "lustre",
     "virtiofs", "vboxsf", "prl_fs", "drvfs"}
)  # fmt: skip


def kind(path: bytes, mountinfo: bytes | None = None) -> str:
    """Return the type of the file system of `path`, such as "ext4" or "fuse.sshfs".

    Return "" if the type is unknown. `mountinfo`: the content of /proc/self/mountinfo. None means
    that the function reads this file.
    """
    resolved = os.path.realpath(path).rstrip(b"/") + b"/"
    longest, innermost = -1, b""
    for mount, type_name in _mounts(mountinfo):
        # If two lines have the same mount point, the file system of the later line covers the
        # earlier one.
        if resolved.startswith(mount.rstrip(b"/") + b"/") and len(mount) >= longest:
            longest, innermost = len(mount), type_name
    return innermost.decode()


def mount_points(mountinfo: bytes | None = None) -> list[bytes]:
    """Return the mount points, sorted and without duplicates."""
    return sorted({mount for mount, _ in _mounts(mountinfo)})


def _mounts(mountinfo: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield (mount point, type) for each line of mountinfo.

    Yield nothing if /proc/self/mountinfo cannot be read.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_bytes()
        except OSError:
            return
    for line in mountinfo.splitlines():
        left, _, right = line.partition(b" - ")
        fields, types = left.split(), right.split()
        if len(fields) >= 5 and types:
            yield _ESCAPE.sub(lambda code: bytes([int(code[1], 8)]), fields[4]), types[0]


def is_remote(path: bytes) -> bool:
    """Return whether a folder's files can change without an inotify event.

    This is possible on a network file system or a FUSE mount.
    """
    file_system = kind(path)
    return file_system in NETWORK or file_system.startswith("fuse")
