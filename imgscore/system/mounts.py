"""Which kind of file system a folder lies on, from /proc/self/mountinfo. Reads, changes nothing."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_ESCAPE = re.compile(rb"\\(\d{3})")
# The kernel sends no inotify events for changes made by others on these.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "ncpfs", "glusterfs", "lustre",
     "virtiofs", "vboxsf", "prl_fs", "drvfs"}
)  # fmt: skip


def kind(path: bytes, mountinfo: bytes | None = None) -> str:
    """The type of the file system that holds `path` ("ext4", "fuse.sshfs", "" when unknown)."""
    resolved = os.path.realpath(path).rstrip(b"/") + b"/"
    longest, found = -1, b""
    for mount, type_name in _mounts(mountinfo):
        # Later lines are mounted over earlier ones.
        if resolved.startswith(mount.rstrip(b"/") + b"/") and len(mount) >= longest:
            longest, found = len(mount), type_name
    return found.decode()


def mount_points(mountinfo: bytes | None = None) -> list[bytes]:
    """Where file systems are mounted, sorted, each once."""
    return sorted({mount for mount, _ in _mounts(mountinfo)})


def _mounts(mountinfo: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """(mount point, type) of each line; nothing where they cannot be read."""
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
    """Whether changes there can come from another machine, or reach us without events."""
    found = kind(path)
    return found in NETWORK or found.startswith("fuse")
