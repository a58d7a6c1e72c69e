"""The kernel lock of a store. It ensures that only one process writes to the store.

The kernel releases the lock when the process ends.
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from imgscore.errors import StoreError

# The largest number of bytes in the lock file: a process id, or the state of a closed store.
_MAX_SIZE = 128
# The content of the lock file if the store must be verified, and no process has done so yet.
_UNVERIFIED = b"unverified"


_MAX_HOLDER = 4200
"""The largest number of bytes that describe the holder of the lock: a process id, and a path of at
most 4,096 bytes."""


BUSY_SECONDS = 5.0
"""The longest time in seconds to wait for another command that has locked the store. Most commands
lock it for a few seconds."""
RETRY_SECONDS = 0.05
"""The time between two tries to lock the store, in seconds."""


class BusyError(StoreError):
    """The error raised if another process has locked the store."""

    daemon_starts = False
    """whether this process is a daemon that does not accept calls yet"""


class StoreLock:
    """The lock of a store. The constructor locks the store, and close() unlocks it.

    The constructor raises BusyError if another process has locked the store.
    """

    def __init__(self, folder: Path, descriptor: int | None = None) -> None:
        """`descriptor`: from `hand_over`, if this program was started by the holder of the lock."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if descriptor is None:
                self._descriptor = os.open(
                    folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
                )
            else:
                os.set_inheritable(descriptor, False)
                self._descriptor = descriptor
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written: {error.strerror}", "check the folder's permissions"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, socket = os.pread(self._descriptor, _MAX_HOLDER, 0).partition(b"\n")
            os.close(self._descriptor)
            holder = _process(pid.decode(errors="replace").strip())
            remedy = "wait until that process has finished its work, then try again"
            if socket:
                remedy = (
                    "stop this daemon: imgscore stop; or wait until it answers on "
                    f"{os.fsdecode(socket)}"
                )
            busy = BusyError(f"another imgscore ({holder}) is using the store in {folder}", remedy)
            busy.daemon_starts = not socket and (not pid.isdigit() or "imgscored" in holder)
            raise busy from None
        self._data = folder / "store" / "data.mdb"
        last = os.pread(self._descriptor, _MAX_SIZE, 0)
        self.is_unverified = last != b"" and last != _closed(self._data)
        """Whether the store must be verified before it is used.

        This is true if the last process that locked the store ended without a call of close(), or
        if the file of the store has changed since then. A process that has verified the store sets
        this attribute to False.
        """
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def publish(self, socket: Path) -> None:
        """Write the path of the daemon's socket into the lock file, for `published_socket`."""
        content = f"{os.getpid()}\n".encode() + os.fsencode(socket)
        os.pwrite(self._descriptor, content, 0)

    def hand_over(self) -> int:
        """Let the next program of this process inherit the lock. Return the descriptor of the lock.

        The caller must have closed the store.
        """
        self._write_state()
        os.set_inheritable(self._descriptor, True)
        return self._descriptor

    def take_back(self) -> None:
        """Undo `hand_over`, because the next program could not be started."""
        os.set_inheritable(self._descriptor, False)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Unlock the store. The caller must have closed it. A second call has no effect."""
        if self._descriptor >= 0:
            self._write_state()
            os.close(self._descriptor)
            self._descriptor = -1

    def _write_state(self) -> None:
        os.ftruncate(self._descriptor, 0)
        state = _UNVERIFIED if self.is_unverified else _closed(self._data)
        os.pwrite(self._descriptor, state, 0)

    def __enter__(self) -> "StoreLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def _closed(data: Path) -> bytes:
    """Return the content of the lock file after a call of close(): the state of the data file."""
    try:
        status = data.stat()
    except OSError:
        return b"closed"
    return b"closed %d %d %d %d" % (
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def lock_soon(folder: Path) -> StoreLock:
    """Lock the store in `folder`. If a command has locked it, wait up to BUSY_SECONDS.

    Raises BusyError if the wait is too long, or if a daemon has locked the store.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return StoreLock(folder)
        except BusyError:
            if time.monotonic() >= deadline or published_socket(folder) is not None:
                raise
        time.sleep(RETRY_SECONDS)


def published_socket(folder: Path) -> Path | None:
    """Return the path of the socket of the daemon that has locked the store in `folder`.

    A client uses it if the daemon was started with another XDG_RUNTIME_DIR. Return None if no
    daemon has written a path. After a crash of the daemon, the path may be stale.
    """
    try:
        content = (folder / "lock").read_bytes()[:_MAX_HOLDER]
    except OSError:
        return None
    socket = content.partition(b"\n")[2]
    return Path(os.fsdecode(socket)) if socket.startswith(b"/") else None


def _process(pid: str) -> str:
    """Return the id and the command of the process that has locked the store.

    `pid`: the content of the lock file, which is the id of that process.
    """
    try:
        words = Path(f"/proc/{int(pid)}/cmdline").read_text(errors="replace").split("\0")
    except (OSError, ValueError):
        return f"process {pid or 'unknown'}"
    names = [Path(word).name for word in words if not word.startswith("-")]
    start = next((at for at, name in enumerate(names) if name.startswith("imgscore")), None)
    command = "" if start is None else " ".join(names[start : start + 2]).strip()
    return f"process {pid}: {command}" if command else f"process {pid}"
