"""The watcher turns file events of the kernel into hints. It uses the package watchdog.

Folders for which the kernel sends no events are polled. Four kinds of events are used: "created",
"moved", "deleted" and "closed after writing". An event only names a path to check. A comparison
with the store shows whether the file has changed. When imgscore reads a file or sets its date, the
kernel sends none of these events.
"""

import ctypes
import errno
import logging
import os
import stat
import threading
from collections.abc import Iterable

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
from watchdog.observers.inotify_c import InotifyFD

from imgscore.system import mounts
from imgscored.mailbox import Mailbox

logger = logging.getLogger(__name__)

_limit_reached = threading.Event()
_raise_error = InotifyFD._raise_error


def _note_limit(**about: bool) -> None:
    if ctypes.get_errno() == errno.ENOSPC:
        _limit_reached.set()
    _raise_error(**about)


InotifyFD._raise_error = staticmethod(_note_limit)  # type: ignore[method-assign]

EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]


class Watcher:
    """The watcher of all watched folders. It posts hints to the mailbox.

    `polled`: the folders that are polled. Maps each folder to the reason for polling it.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._observer: _Observer | None = None
        self.polled: dict[bytes, str] = {}
        self._roots: dict[bytes, tuple[int, int] | None] = {}
        self._listed: dict[bytes, tuple[int, int] | None] = {}

    def watch(self, roots: Iterable[bytes], listed: Iterable[bytes] = ()) -> bool:
        """Watch these folders and no others. Poll each folder that is missing.

        If a folder was deleted, created again or mounted, call this method again. Return whether
        the watched or polled folders have changed since the last call. `listed`: the desktop's
        trash folders. They are watched without their subfolders and are never polled.
        """
        wanted = {root: _identity(root) for root in roots}
        trash = {folder: _identity(folder) for folder in listed}
        if (wanted, trash) == (self._roots, self._listed):
            return self._poll_unwatched()
        self.close()
        self._roots, self._listed = wanted, trash
        self.polled = {}
        handler = _Handler(self._mailbox)
        self._observer = observer = _Observer(self._mailbox)
        for root, identity in wanted.items():
            if identity is None:
                self.polled[root] = "the folder is missing"
                continue
            if mounts.is_remote(root):
                self.polled[root] = "a network or FUSE file system sends no events"
                continue
            observer.schedule(handler, os.fsdecode(root), recursive=True, event_filter=EVENTS)
        for folder, identity in trash.items():
            if identity is not None and not mounts.is_remote(folder):
                trash_handler = _TrashHandler(self._mailbox)
                observer.schedule(trash_handler, os.fsdecode(folder), event_filter=EVENTS)
        try:
            observer.start()
        except OSError as error:
            # The most frequent cause is a limit: fs.inotify.max_user_watches or max_user_instances.
            logger.warning(
                "the kernel reports no events for these folders, so the daemon polls them: %s",
                error,
            )
            self.polled = dict.fromkeys(wanted, f"the kernel refuses to watch: {error.strerror}")
        return True

    def _poll_unwatched(self) -> bool:
        """Poll all watched folders if the kernel has no inotify watches left.

        In this case, the package watchdog skips some folders without an error. Return whether this
        call has begun to poll another folder.
        """
        if not _limit_reached.is_set():
            return False
        _limit_reached.clear()
        why = "the kernel watches no more folders: fs.inotify.max_user_watches"
        fresh = {root: why for root in self._roots if root not in self.polled}
        self.polled |= fresh
        return bool(fresh)

    def is_alive(self) -> bool:
        """Return whether all threads of the watcher run.

        A thread that was asked to stop need not run.
        """
        if self._observer is None:
            return True
        threads = [self._observer, *self._observer.emitters]
        return not any(
            thread.ident is not None and thread.should_keep_running() and not thread.is_alive()
            for thread in threads
        )

    def close(self) -> None:
        """Stop watching. Return after the threads have ended."""
        if self._observer is not None:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join()
            self._observer = None
        self._roots, self._listed = {}, {}


def _identity(folder: bytes) -> tuple[int, int] | None:
    """Return (device, inode) of the folder at a path, or None if there is no folder."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


class _Handler(FileSystemEventHandler):
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if not path:
                continue
            raw = os.fsencode(path)
            if event.is_directory:
                self._mailbox.hint_tree(raw)
            else:
                # If the file is no image, the indexer only counts it.
                self._mailbox.hint(raw)


class _TrashHandler(FileSystemEventHandler):
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._mailbox.job("trash")


class _Emitter(InotifyEmitter):
    """A thread of the package watchdog. It requests a full scan after the kernel has lost events.

    After such a loss, the package watchdog repairs its own watches.
    """

    mailbox: Mailbox

    def on_thread_start(self) -> None:
        super().on_thread_start()
        group, mailbox = self._inotify, self.mailbox
        if group is None:
            return
        repair = group.on_queue_overflow

        def repair_and_rescan() -> None:
            repair()
            mailbox.hint_all()

        group.on_queue_overflow = repair_and_rescan  # type: ignore[method-assign]


class _Observer(InotifyObserver):
    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__()
        self._emitter_class = type("Emitter", (_Emitter,), {"mailbox": mailbox})
