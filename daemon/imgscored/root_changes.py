"""Reports when another folder appears at the path of a watched folder, or when it disappears.

inotify reports nothing about a watched folder that is moved, mounted over or created again. So this
module watches the folders above it for changes of the names in its path, and the list of mounts. A
thread waits for both, so that no timer has to check the paths.
"""

import ctypes
import errno
import os
import select
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable

MOUNTS = "/proc/self/mountinfo"
MAX_LINKS = 40
"""The largest number of symbolic links in a path that are followed, as in the kernel."""
_NAMES = 0x4 | 0x40 | 0x80 | 0x100 | 0x200  # IN_ATTRIB, MOVED_FROM, MOVED_TO, CREATE, DELETE
_OVERFLOW = 0x4000
_ONLY_DIRECTORIES = 0x1000000
_event = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_BUFFER = 1 << 16
"""The number of bytes of one read: at least 240 events."""
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class RootChanges:
    """Calls `report` from its thread after each possible change.

    `complete`: whether the kernel reports all changes of the paths that were passed to `follow`.
    """

    def __init__(self, report: Callable[[], None]) -> None:
        self._report = report
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self._mounts = _open_mounts()
        self._names: dict[int, set[bytes]] = {}
        """the names in each watched folder that belong to a path, by the number of the watch"""
        self.complete = False
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._wait, name="root changes", daemon=True)
        self._thread.start()

    def follow(self, paths: Iterable[bytes]) -> None:
        """Report changes of these paths, and of no others.

        Call this method before the folders at the paths are examined, so that no change is lost.
        """
        names: defaultdict[int, set[bytes]] = defaultdict(set)
        complete = self._inotify >= 0 and self._mounts >= 0
        for path in paths if self._inotify >= 0 else ():
            for folder, name in _steps(path):
                watch = self._libc.inotify_add_watch(
                    self._inotify, folder, _NAMES | _ONLY_DIRECTORIES
                )
                if watch >= 0:
                    names[watch].add(name)
                    # The thread may read an event of this watch at once.
                    self._names = {**self._names, watch: self._names.get(watch, set()) | {name}}
                elif ctypes.get_errno() not in _MISSING:
                    complete = False
        for watch in self._names.keys() - names.keys():
            self._libc.inotify_rm_watch(self._inotify, watch)
        self._names, self.complete = dict(names), complete

    def is_alive(self) -> bool:
        """Return whether the thread runs, or was asked to end."""
        return self._end < 0 or self._thread.is_alive()

    def close(self) -> None:
        """End the thread, and close all descriptors. A second call has no effect."""
        if self._end < 0:
            return
        os.eventfd_write(self._end, 1)
        self._thread.join()
        for descriptor in (self._end, self._inotify, self._mounts):
            if descriptor >= 0:
                os.close(descriptor)
        self._end = -1

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        if self._inotify >= 0:
            poll.register(self._inotify, select.POLLIN)
        if self._mounts >= 0:
            poll.register(self._mounts, select.POLLPRI)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._end in ready:
                return
            concerns = self._mounts in ready
            if self._inotify in ready:
                concerns |= self._read_events()
            if concerns:
                self._report()

    def _read_events(self) -> bool:
        """Read events. Return whether one of them concerns a name in a followed path."""
        try:
            data = os.read(self._inotify, _BUFFER)
        except OSError:
            return True
        concerns, at = False, 0
        while at < len(data):
            watch, mask, _, length = _event.unpack_from(data, at)
            at += _event.size + length
            name = data[at - length : at].rstrip(b"\0")
            concerns |= bool(mask & _OVERFLOW) or name in self._names.get(watch, ())
        return concerns


def _open_mounts() -> int:
    """Return a descriptor for the list of mounts, or -1 if it cannot be opened."""
    try:
        return os.open(MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _steps(path: bytes) -> list[tuple[bytes, bytes]]:
    """Return (folder, name) for each name that the kernel looks up in an absolute path.

    The folders contain no symbolic links; the names of the links are among the results.
    """
    steps: list[tuple[bytes, bytes]] = []
    folder, names, links = b"/", path.split(b"/"), 0
    while names:
        name = names.pop(0)
        if name in (b"", b"."):
            continue
        if name == b"..":
            folder = os.path.dirname(folder)
            continue
        steps.append((folder, name))
        found = os.path.join(folder, name)
        try:
            target = os.readlink(found) if links < MAX_LINKS else None
        except OSError:
            target = None
        if target is None:
            folder = found
            continue
        links += 1
        names = target.split(b"/") + names
        folder = b"/" if target.startswith(b"/") else folder
    return steps
