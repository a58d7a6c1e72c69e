"""The checks of the store: its file system, its contents, the free space on its disk, and the
process that has locked it.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from imgscore import client, paths
from imgscore.config import Config
from imgscore.doctor import stored_facts
from imgscore.doctor.finding import Finding
from imgscore.store import backup_folders, verify
from imgscore.system import mounts

# The size in bytes of the largest store whose contents are checked. For a larger store, the finding
# names the command `imgscore db check`, because the check would take too long.
MAX_READ = 500_000_000


def store() -> Iterator[Finding]:
    """Check the store: the file system, the permissions and the contents."""
    folder = paths.data_folder()
    existing = _existing(folder)
    kind = mounts.kind(os.fsencode(existing))
    if kind in mounts.NETWORK:
        remedy = "set XDG_DATA_HOME to a local disk"
        yield Finding("store", "problem", f"{folder} lies on {kind}", remedy)
        return
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(
            "store",
            "problem",
            f"{existing} cannot be written",
            "check the permissions of the folder",
        )
        return
    data = paths.store_folder() / "data.mdb"
    if not data.exists():
        where = f"{folder} on {kind or 'an unknown file system'}"
        yield Finding("store", "ok", f"{where}: no store yet")
        return
    yield _health(data, kind)


def _health(data: Path, kind: str) -> Finding:
    size = data.stat().st_size
    place = f"{data} on {kind or 'an unknown file system'}, {size / 1e6:.1f} MB"
    if size > MAX_READ:
        detail = f"{place}: not checked, because it is large. To check it: imgscore db check"
        return Finding("store", "ok", detail)
    tables = verify.findings(data.parent)
    problems = [f"{table.what}: {problem}" for table in tables for problem in table.problems]
    if problems:
        remedy = f"imgscore db check lists all of them; {backup_folders.remedy()}"
        detail = f"{place}; {len(problems)} problem{'s' * (len(problems) > 1)}: {problems[0]}"
        return Finding("store", "problem", detail, remedy)
    entries = sum(table.entries for table in tables)
    vanished = stored_facts.read().vanished
    kept = (
        f"; {vanished:,} vanished files have records, for 90 days if unlabelled" if vanished else ""
    )
    return Finding("store", "ok", f"{place}; {entries} entries, no errors{kept}")


def disk(settings: Config) -> Iterator[Finding]:
    """Check the free space on the store's disk.

    If less than the setting `free_mb` is free, the daemon pauses.
    """
    free, minimum = shutil.disk_usage(_existing(paths.data_folder())).free, settings.daemon.free_mb
    if free < minimum * 10**6:
        detail = f"{free / 1e6:.0f} MB free; below {minimum} MB the daemon waits"
        yield Finding("disk", "problem", detail, "free some disk space")
    elif free < 5 * minimum * 10**6:
        yield Finding("disk", "warning", f"only {free / 1e6:.0f} MB free", "free some disk space")
    else:
        yield Finding("disk", "ok", f"{free / 1e9:.1f} GB free")


def lock() -> Iterator[Finding]:
    """Report the process that has locked the store.

    The check reads /proc/locks. It does not try to lock the store, because it could then prevent
    the start of a daemon.
    """
    file = paths.data_folder() / "lock"
    holders = _holders(file) if file.exists() else []
    if not holders:
        yield Finding("lock", "ok", "no process holds the store")
        return
    holder = f"process {holders[0]}"
    connection = client.connect_to_daemon()
    if connection is not None:
        connection.close()
        yield Finding("lock", "ok", f"the daemon ({holder}) holds the store")
        return
    yield Finding(
        "lock",
        "warning",
        f"{holder} has locked the store, and no daemon answers",
        f"wait until this process ends; if it hangs, end it: kill {holders[0]}",
    )


def _holders(file: Path) -> list[int]:
    """Return the process ids of the processes that have a lock (flock) on a file.

    The source is /proc/locks.
    """
    status = file.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    locks = [line.split() for line in lines if "->" not in line]
    return [int(fields[4]) for fields in locks if fields[5] == f"{device}:{status.st_ino}"]


def _existing(folder: Path) -> Path:
    """Return `folder` if it exists.

    If it does not exist, return the nearest folder above it that exists.
    """
    while not folder.exists():
        folder = folder.parent
    return folder
