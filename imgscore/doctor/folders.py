"""The checks of the folders that imgscore uses: the folders of the watches, and the trash folders
of the desktop.

They find folders that cannot be read, files whose dates cannot be set, and limits of the kernel
that are too low for the number of folders.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from imgscore import paths
from imgscore.doctor import stored_facts
from imgscore.doctor.finding import Finding
from imgscore.engine.log_text import counted
from imgscore.images.formats import is_image_name
from imgscore.reconcile import xdg_trash
from imgscore.system import mounts
from imgscore.system.sync_markers import find_markers
from imgscore.watches import Watch, Watches

# For each inbox, the check reads the owners of at most this number of images. Without this limit,
# the check would take minutes in a large inbox.
MAX_FILES = 2000
PERMISSIONS = "check the permissions of the folder"


def watch_folders(watch: Watch) -> Iterator[Finding]:
    """Check each folder of a watch.

    Also find signs of other programs that use the dates of the files in the inbox, for example sync
    programs.
    """
    for folder, role in watch.folders():
        finding = _folder(folder, role)
        if role in ("inbox", "keep", "trash"):
            yield finding
        else:
            yield finding._replace(check="stars", detail=f"{role}: {finding.detail}")
    linked = stored_facts.read().linked_outside.get(os.fsdecode(watch.inbox), 0)
    if linked:
        files = counted(linked, "file")
        yield Finding(
            "hard links",
            "warning",
            f"{files} in {os.fsdecode(watch.inbox)} with a hard link outside of the watched "
            "folders: imgscore sets no date there, because the file outside would get it, too",
            "to put such a file in order, replace it by a copy: cp a.jpg b.jpg && mv b.jpg a.jpg",
        )
    for marker in find_markers(Path(os.fsdecode(watch.inbox))):
        yield Finding("sync", "warning", marker.sentence, "see docs/viewers.md, Things to know")


def _folder(folder: bytes, role: str) -> Finding:
    name = os.fsdecode(folder)
    if not os.path.isdir(folder):
        return Finding(role, "problem", f"{name} is missing", f"create it: mkdir -p '{name}'")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Finding(role, "problem", f"{name} cannot be read", PERMISSIONS)
    kind = mounts.kind(folder)
    where = f"{name} on {kind or 'an unknown file system'}"
    if mounts.is_remote(folder):
        where += " (the kernel reports no events there, so the folder is polled)"
    if role != "inbox":
        return Finding(role, "ok", where)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return Finding(
            role, "problem", f"{where} is mounted read-only", "mount the file system read-write"
        )
    foreign = _foreign_files(folder)
    if foreign:
        first = os.fsdecode(foreign[0])
        detail = f"{where}; {len(foreign)} files belong to other users, for example {first}"
        return Finding(
            role,
            "warning",
            f"{detail}: their dates cannot be set",
            "change the owner of these files with chown",
        )
    return Finding(role, "ok", where)


def _foreign_files(folder: bytes) -> list[bytes]:
    """Find images that belong to other users, among the first MAX_FILES images in a folder.

    The dates of these images cannot be set, because only the owner of a file may set its date.
    """
    uid = os.geteuid()
    if uid == 0:
        return []
    return [
        path
        for path in islice(_images(folder), MAX_FILES)
        if os.path.lexists(path) and os.lstat(path).st_uid != uid
    ]


def _images(folder: bytes) -> Iterator[bytes]:
    for root, _, names in os.walk(folder):
        yield from (os.path.join(root, name) for name in names if is_image_name(name))


def desktop_trash(watches: Watches) -> Iterator[Finding]:
    """Check that the trash folders of the desktop can be read.

    Do nothing if no watch learns from deleted files.
    """
    watched = watches.with_trash()
    if not watched:
        return
    home = paths.trash_folder()
    trashes = xdg_trash.trashes(os.fsencode(home), watched)
    for trash in trashes:
        name = os.fsdecode(trash.folder)
        if os.path.isdir(trash.info) and not os.access(trash.info, os.R_OK | os.X_OK):
            yield Finding("desktop trash", "problem", f"{name} cannot be read", PERMISSIONS)
        else:
            count = sum(1 for _ in xdg_trash.entries(trash))
            yield Finding("desktop trash", "ok", f"{name} holds {count} items")
    if not trashes:
        yield Finding("desktop trash", "ok", f"{home} does not exist yet")


def inotify(watches: Watches) -> Iterator[Finding]:
    """Check that the kernel allows enough inotify watches and inotify instances.

    The daemon needs one inotify watch for each folder. All programs of a user share the limits.
    """
    watch_limit, instance_limit = _limit("watches"), _limit("instances")
    if watch_limit is None or instance_limit is None:
        return
    folders = sum(1 for root in watches.roots() for _ in os.walk(root))
    instances, used = _in_use(Path("/proc").glob("[0-9]*"))
    detail = f"{folders} folders to watch; in use {used} of {watch_limit} watches"
    detail += f", {instances} of {instance_limit} instances"
    if not _gives_instance():
        wanted = max(128, 4 * instance_limit)
        yield Finding(
            "inotify",
            "warning",
            f"the kernel gives no more inotify instances; the daemon polls the folders; {detail}",
            f"sudo sysctl fs.inotify.max_user_instances={wanted}",
        )
    elif max(folders, used) > watch_limit // 2:
        wanted = 4 * max(folders, used)
        remedy = f"sudo sysctl fs.inotify.max_user_watches={wanted}"
        yield Finding("inotify", "warning", detail, remedy)
    elif instances + 1 >= instance_limit:
        remedy = f"sudo sysctl fs.inotify.max_user_instances={4 * instance_limit}"
        yield Finding("inotify", "warning", detail, remedy)
    else:
        yield Finding("inotify", "ok", detail)


def _limit(name: str) -> int | None:
    """Return the limit of the kernel for `watches` or `instances`, or None if it is unknown.

    A user namespace can have a lower limit than the system.
    """
    limits = []
    for path in (f"fs/inotify/max_user_{name}", f"user/max_inotify_{name}"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(Path("/proc/sys", path).read_text(encoding="ascii")))
    return min(limits, default=None)


def _gives_instance() -> bool:
    """Return whether the kernel gives this process an inotify instance."""
    descriptor = ctypes.CDLL(None).inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True


def _in_use(processes: Iterable[Path]) -> tuple[int, int]:
    """Return (instances, watches): how many inotify instances and inotify watches `processes` have.

    `processes`: folders in /proc. Only the processes of this user are counted.
    """
    watches = [
        count
        for process in processes
        for descriptor in _descriptors(process)
        if (count := _watches(process, descriptor)) is not None
    ]
    return len(watches), sum(watches)


def _descriptors(process: Path) -> list[str]:
    """Return the file descriptors of a process.

    `process`: the folder of the process in /proc. The list is empty if the process belongs to
    another user or has ended.
    """
    try:
        return os.listdir(process / "fd") if process.stat().st_uid == os.getuid() else []
    except OSError:
        return []


def _watches(process: Path, descriptor: str) -> int | None:
    """Return the number of watches of an inotify file descriptor.

    Return None if the file descriptor is closed or is not an inotify file descriptor.
    """
    try:
        if os.readlink(process / "fd" / descriptor) != "anon_inode:inotify":
            return None
        text = (process / "fdinfo" / descriptor).read_text(encoding="ascii")
    except OSError:
        return None
    return text.count("inotify wd:")
