"""Which kind of file system a folder lies on, from /proc/self/mountinfo. Reads, changes nothing."""

import os
import re
from pathlib import Path

# The kernel sends no inotify events for changes made by others on these.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "ncpfs", "glusterfs", "lustre",
     "virtiofs", "vboxsf", "prl_fs", "drvfs"}
)  # fmt: skip


def kind(path: bytes, mountinfo: bytes | None = None) -> str:
    """The type of the file system that holds `path` ("ext4", "fuse.sshfs", "" when unknown)."""
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_bytes()
        except OSError:
            return ""
    resolved = os.path.realpath(path).rstrip(b"/") + b"/"
    longest, found = -1, b""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(b" - ")
        fields, types = left.split(), right.split()
        if len(fields) < 5 or not types:
            continue
        mount = re.sub(rb"\\(\d{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
        # Later lines are mounted over earlier ones.
        if resolved.startswith(mount.rstrip(b"/") + b"/") and len(mount) >= longest:
            longest, found = len(mount), types[0]
    return found.decode()


def is_remote(path: bytes) -> bool:
    """Whether changes there can come from another machine, or reach us without events."""
    found = kind(path)
    return found in NETWORK or found.startswith("fuse")
