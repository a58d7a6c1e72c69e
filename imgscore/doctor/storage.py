"""The store: where it lies, whether it is sound, how much room is left, and who holds it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from imgscore import control, paths
from imgscore.config import Config
from imgscore.doctor.finding import Finding
from imgscore.store import checks
from imgscore.store.store import Store
from imgscore.system import mounts

# All of a store is read up to this size (bytes); beyond, `db check` does, and takes its time.
MAX_READ = 500_000_000


def store() -> Iterator[Finding]:
    """Where the store lies, and what is in it."""
    folder = paths.data_folder()
    above = _existing(folder)
    kind = mounts.kind(os.fsencode(above))
    if kind in mounts.NETWORK:
        remedy = "set XDG_DATA_HOME to a local disk"
        yield Finding("store", "problem", f"{folder} lies on {kind}", remedy)
        return
    if not os.access(above, os.W_OK | os.X_OK):
        yield Finding("store", "problem", f"{above} cannot be written", "check its permissions")
        return
    data = paths.store_folder() / "data.mdb"
    if not data.exists():
        where = f"{folder} on {kind or 'an unknown file system'}"
        yield Finding("store", "ok", f"{where}, not made yet")
        return
    yield _health(data, kind)


def _health(data: Path, kind: str) -> Finding:
    size = data.stat().st_size
    what = f"{data} on {kind or 'an unknown file system'}, {size / 1e6:.1f} MB"
    if size > MAX_READ:
        return Finding("store", "ok", f"{what}; it is large: check it with: imgscore db check")
    with Store(data.parent, readonly=True) as opened, opened.read() as txn:
        found = list(checks.iter_all(txn))
    wrong = [f"{one.what}: {problem}" for one in found for problem in one.problems]
    if wrong:
        remedy = "imgscore db check says all of it; imgscore db restore brings back a backup"
        return Finding("store", "problem", f"{what}; {len(wrong)} wrong: {wrong[0]}", remedy)
    return Finding("store", "ok", f"{what}; {sum(one.entries for one in found)} entries, sound")


def disk(settings: Config) -> Iterator[Finding]:
    """Room where the store lies: below `free_mb` the daemon pauses."""
    free, least = shutil.disk_usage(_existing(paths.data_folder())).free, settings.daemon.free_mb
    if free < least * 10**6:
        detail = f"{free / 1e6:.0f} MB free; below {least} MB the daemon pauses"
        yield Finding("disk", "problem", detail, "free some space")
    elif free < 5 * least * 10**6:
        yield Finding("disk", "warning", f"only {free / 1e6:.0f} MB free", "free some space")
    else:
        yield Finding("disk", "ok", f"{free / 1e9:.1f} GB free")


def lock() -> Iterator[Finding]:
    """Who writes the store. Read from the kernel's list: to try the lock would be to take it."""
    file = paths.data_folder() / "lock"
    holders = _holders(file) if file.exists() else []
    if not holders:
        yield Finding("lock", "ok", "nobody holds the store")
        return
    holder = f"process {holders[0]}"
    connection = control.connect(paths.socket_path())
    if connection is not None:
        connection.close()
        yield Finding("lock", "ok", f"{holder} holds the store, as the daemon does")
        return
    yield Finding(
        "lock",
        "warning",
        f"{holder} holds the store, and no daemon answers",
        f"wait for it; should it hang, end it: kill {holders[0]}",
    )


def _holders(file: Path) -> list[int]:
    """The processes that hold a lock (flock) on a file; none where the kernel does not say."""
    status = file.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    fields = [line.split() for line in held if "->" not in line]
    return [int(one[4]) for one in fields if one[5] == f"{device}:{status.st_ino}"]


def _existing(folder: Path) -> Path:
    """The folder, or the first one above it that there is."""
    while not folder.exists():
        folder = folder.parent
    return folder
