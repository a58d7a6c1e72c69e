"""Waits for changes of files in a folder, without checking them again and again (inotify)."""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_READ_BYTES = 1 << 16
"""The number of bytes that one read takes, enough for 2,000 events."""


class FolderEvents:
    """The changes of the files in one folder since the object was created, or last waited.

    Another thread may call `end`, which ends all waits. Raises OSError if the kernel allows no
    further inotify instance or watch, or if the folder does not exist.
    """

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = _checked(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), folder)
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        try:
            name, mask = os.fsencode(folder), _MODIFY | _MOVED_TO | _CREATE
            _checked(libc.inotify_add_watch(self._events, name, mask), folder)
            for descriptor in (self._events, self._end):
                self._poll.register(descriptor, select.POLLIN)
        except OSError:
            self.close()
            raise

    def wait(self, seconds: float) -> bool:
        """Wait until a file changes, at most `seconds`. Return False if `end` was called."""
        ready = {descriptor for descriptor, _ in self._poll.poll(max(0, seconds * 1000))}
        if self._events in ready:
            os.read(self._events, _READ_BYTES)
        return self._end not in ready

    def end(self) -> None:
        """End the present wait, and all later ones."""
        os.eventfd_write(self._end, 1)

    def close(self) -> None:
        """Close the descriptors. No thread may wait now."""
        os.close(self._events)
        os.close(self._end)


def _checked(result: int, folder: Path) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(folder))
    return result
