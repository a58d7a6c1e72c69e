"""The watched folders: can they be read, can dates be set, does the kernel tell of changes?"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from imgscore import paths
from imgscore.doctor.finding import Finding
from imgscore.images.formats import is_image_name
from imgscore.reconcile import xdg_trash
from imgscore.system import mounts
from imgscore.system.sync_markers import find_markers
from imgscore.watches import Watch, Watches

# So many files of an inbox are asked whose they are.
MAX_FILES = 2000
PERMISSIONS = "check its permissions"


def watch(one: Watch) -> Iterator[Finding]:
    """Each folder of a watch, and who else looks at the dates in it."""
    for folder, role in one.folders():
        yield _folder(folder, role)
    for marker in find_markers(Path(os.fsdecode(one.inbox))):
        yield Finding("sync", "warning", marker.sentence, "see docs/viewers.md, Things to know")


def _folder(folder: bytes, role: str) -> Finding:
    name = os.fsdecode(folder)
    if not os.path.isdir(folder):
        return Finding(role, "problem", f"{name} is missing", f"make it: mkdir -p '{name}'")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Finding(role, "problem", f"{name} cannot be read", PERMISSIONS)
    kind = mounts.kind(folder)
    where = f"{name} on {kind or 'an unknown file system'}"
    if mounts.is_remote(folder):
        where += " (no events; it is polled)"
    if role != "inbox":
        return Finding(role, "ok", where)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return Finding(role, "problem", f"{where} is mounted read-only", "mount it read-write")
    strangers = _of_others(folder)
    if strangers:
        first = os.fsdecode(strangers[0])
        detail = f"{where}; {len(strangers)} files are somebody else's, such as {first}"
        return Finding(role, "warning", f"{detail}: their dates cannot be set", "chown them")
    return Finding(role, "ok", where)


def _of_others(folder: bytes) -> list[bytes]:
    """Images whose date only their owner may set, among the first few."""
    me = os.geteuid()
    if me == 0:
        return []
    return [
        path
        for path in islice(_images(folder), MAX_FILES)
        if os.path.lexists(path) and os.lstat(path).st_uid != me
    ]


def _images(folder: bytes) -> Iterator[bytes]:
    for root, _, names in os.walk(folder):
        yield from (os.path.join(root, name) for name in names if is_image_name(name))


def desktop_trash(watches: Watches) -> Iterator[Finding]:
    """Where images are looked for that were deleted, if that is to teach."""
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
            yield Finding("desktop trash", "ok", f"{name} holds {count}")
    if not trashes:
        yield Finding("desktop trash", "ok", f"{home}, not there yet")


def inotify(watches: Watches) -> Iterator[Finding]:
    """Whether the kernel lets us watch every folder, beside what else runs."""
    limits = {name: _limit(name) for name in ("max_user_watches", "max_user_instances")}
    watch_limit, instance_limit = limits["max_user_watches"], limits["max_user_instances"]
    if watch_limit is None or instance_limit is None:
        return
    folders = sum(1 for root in watches.roots() for _ in os.walk(root))
    instances, used = _in_use(Path("/proc").glob("[0-9]*"))
    detail = f"{folders} folders to watch; in use {used} of {watch_limit} watches"
    detail += f", {instances} of {instance_limit} instances"
    if max(folders, used) > watch_limit // 2:
        wanted = 4 * max(folders, used)
        remedy = f"sudo sysctl fs.inotify.max_user_watches={wanted}"
        yield Finding("inotify", "warning", detail, remedy)
    elif instances + 1 >= instance_limit:
        remedy = f"sudo sysctl fs.inotify.max_user_instances={4 * instance_limit}"
        yield Finding("inotify", "warning", detail, remedy)
    else:
        yield Finding("inotify", "ok", detail)


def _limit(name: str) -> int | None:
    try:
        return int(Path(f"/proc/sys/fs/inotify/{name}").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _in_use(processes: Iterable[Path]) -> tuple[int, int]:
    """(instances, watches) of inotify in those of the processes that are this user's."""
    found = [
        held
        for process in processes
        for descriptor in _descriptors(process)
        if (held := _watches(process, descriptor)) is not None
    ]
    return len(found), sum(found)


def _descriptors(process: Path) -> list[str]:
    """Of a process that is ours; none of another's, or of one that ended meanwhile."""
    try:
        return os.listdir(process / "fd") if process.stat().st_uid == os.getuid() else []
    except OSError:
        return []


def _watches(process: Path, descriptor: str) -> int | None:
    """How many watches an inotify descriptor holds; None where it is another kind, or closed."""
    try:
        if os.readlink(process / "fd" / descriptor) != "anon_inode:inotify":
            return None
        text = (process / "fdinfo" / descriptor).read_text(encoding="ascii")
    except OSError:
        return None
    return text.count("inotify wd:")
