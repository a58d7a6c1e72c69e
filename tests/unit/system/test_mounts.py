"""The type of a folder's file system, from mountinfo."""

from imgscore.system import mounts

MOUNTS = b"""\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:40 / /mnt rw shared:1 - nfs4 server:/x rw
31 30 0:41 / /mnt/with\\040space rw - fuse.sshfs host: rw
32 22 0:42 / /over rw - ext4 /dev/vdb rw
33 22 0:43 / /over rw - tmpfs none rw
"""


def test_kind_takes_the_longest_and_last_mount() -> None:
    kinds = {
        path: mounts.kind(path, MOUNTS)
        for path in (b"/home", b"/mnt/a", b"/mnt/with space/a", b"/mntx", b"/over/a")
    }
    assert kinds == {
        b"/home": "ext4",
        b"/mnt/a": "nfs4",
        b"/mnt/with space/a": "fuse.sshfs",
        b"/mntx": "ext4",
        b"/over/a": "tmpfs",
    }
