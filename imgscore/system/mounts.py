"""Reads /proc/self/mountinfo: the mount points, and the type of a folder's file system."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_ESCAPE = re.compile(rb"\\(\d{3})")
# On these, inotify reports no change that another machine makes.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "ncpfs", "glusterfs", "lustre",
     "virtiofs", "vboxsf", "prl_fs", "drvfs"}
)  # fmt: skip


def kind(path: bytes, mountinfo: bytes | None = None) -> str:
    """Return the type of the file system of `path`: "ext4", "fuse.sshfs"; "" if unknown."""
    resolved = os.path.realpath(path).rstrip(b"/") + b"/"
    longest, innermost = -1, b""
    for mount, type_name in _mounts(mountinfo):
        # A later line with the same mount point is mounted over the earlier one.
        if resolved.startswith(mount.rstrip(b"/") + b"/") and len(mount) >= longest:
            longest, innermost = len(mount), type_name
    return innermost.decode()


def mount_points(mountinfo: bytes | None = None) -> list[bytes]:
    """Return the mount points, sorted, each once."""
    return sorted({mount for mount, _ in _mounts(mountinfo)})


def _mounts(mountinfo: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield (mount point, type) of each line; nothing if they cannot be read."""
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
    """Whether a folder's files can change without an inotify event: a network or FUSE mount."""
    file_system = kind(path)
    return file_system in NETWORK or file_system.startswith("fuse")
