"""Reads the events of the kernel, and posts changed dates without the package watchdog.

Each date that imgscore sets causes one event: an order of a large inbox causes 100,000 of them.
A thread that waits for the next event would wake up for each of them, which takes longer than the
change of the date itself. So the thread pauses after it has read changed dates. The kernel keeps
the events until the next read.
"""

import os
import struct
import time
from collections.abc import Callable

from watchdog.observers.inotify_c import (
    DEFAULT_EVENT_BUFFER_SIZE,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

PAUSE_SECONDS = 0.03
"""The seconds between two reads after changed dates. imgscore sets at most some 2,000 dates in this
time, and the kernel keeps 16,384 events."""
_HEADER = struct.Struct("iIII")
"""the descriptor of the watch, the mask, the cookie, and the length of the name that follows"""


class EventReader(InotifyFD):
    """The thread of the package watchdog that reads the events of one inotify instance."""

    def __init__(self, post: Callable[[list[bytes]], None]) -> None:
        """`post`: receives the paths of files whose date, or another attribute, has changed."""
        super().__init__()
        self._post = post
        self._folders: list[dict[WatchDescriptor, bytes]] = []
        self._must_pause = False

    def add(self, folders: dict[WatchDescriptor, bytes]) -> None:
        """Add watched folders, by their descriptors. The package watchdog changes this dict."""
        self._folders.append(folders)

    def read_events(
        self, *, event_buffer_size: int = DEFAULT_EVENT_BUFFER_SIZE
    ) -> list[InotifyEvent]:
        """Wait for events. Post the files with changed attributes, and return the other events.

        A changed attribute of a folder is dropped.
        """
        if self._must_pause:
            time.sleep(PAUSE_SECONDS)
        buffer = self._read_event_buffer(event_buffer_size)
        changed, others = self._split(buffer)
        if changed:
            self._post(changed)
        # If many events wait, the kernel could lose some of them during a pause.
        self._must_pause = bool(changed) and 2 * len(buffer) < event_buffer_size
        return others

    def _split(self, buffer: bytes) -> tuple[list[bytes], list[InotifyEvent]]:
        """Return the paths of the files with changed attributes, and the other events."""
        changed: list[bytes] = []
        others: list[InotifyEvent] = []
        folders: dict[int, bytes | None] = {}
        at = 0
        while at + _HEADER.size <= len(buffer):
            watch, mask, cookie, length = _HEADER.unpack_from(buffer, at)
            start, at = at + _HEADER.size, at + _HEADER.size + length
            name = buffer[start:at].rstrip(b"\0")
            if mask == InotifyConstants.IN_ATTRIB:
                if watch not in folders:
                    folders[watch] = self._folder(watch)
                folder = folders[watch]
                if folder is not None:
                    changed.append(folder + name)
            elif not mask & InotifyConstants.IN_ATTRIB and (
                watch != -1 or mask & InotifyConstants.IN_Q_OVERFLOW
            ):
                others.append(InotifyEvent(WatchDescriptor(watch), Mask(mask), cookie, name))
        return changed, others

    def _folder(self, watch: int) -> bytes | None:
        """Return the path of a watched folder, with a slash at its end."""
        for folders in self._folders:
            folder = folders.get(WatchDescriptor(watch))
            if folder is not None:
                return os.path.join(folder, b"")
        return None
