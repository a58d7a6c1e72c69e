"""The watcher turns file events of the kernel into hints. It uses the package watchdog.

Folders for which the kernel sends no events are polled. Five kinds of events are used: "created",
"moved", "deleted", "closed after writing" and "attributes changed". An event only names a path to
check. A comparison with the store shows whether the file has changed. When imgscore reads a file,
the kernel sends none of these events. When imgscore sets a date, it sends only "attributes
changed", and the comparison is cheap.
"""

import contextlib
import ctypes
import errno
import logging
import os
import stat
import threading
import time
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
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask

from imgscore.system import mounts
from imgscored.date_events import EventReader
from imgscored.mailbox import Mailbox
from imgscored.root_changes import RootChanges

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


RETRY_SECONDS = 3600.0
"""The seconds after which the watcher tries again to watch all folders, if the kernel had no
inotify watches left. Each attempt walks all folders. If a limit of the kernel changes, the watcher
tries again at once."""


class Watcher:
    """The watcher of all watched folders. It posts hints to the mailbox.

    `polled`: the folders that are polled. Maps each folder to the reason for polling it.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._observer: _Observer | None = None
        self._root_changes = RootChanges(lambda: mailbox.job("roots"))
        self.polled: dict[bytes, str] = {}
        self._roots: dict[bytes, tuple[int, int] | None] = {}
        self._listed: dict[bytes, tuple[int, int] | None] = {}
        self._readable: set[bytes] = set()
        """the folders that no scan has listed, but that can be read now"""
        self._refused = False
        """whether the kernel gave no inotify instance, so that all folders are polled"""
        self._full: tuple[str, float] | None = None
        """if the kernel had no inotify watches left: the limit, and the time"""

    def watch(
        self,
        roots: Iterable[bytes],
        listed: Iterable[bytes] = (),
        unlisted: Iterable[bytes] = (),
    ) -> bool:
        """Watch these folders and no others. Poll each folder that is missing.

        If a folder was deleted, created again or mounted, call this method again. Return whether
        the watched or polled folders have changed since the last call. `listed`: the desktop's
        trash folders. They are watched without their subfolders and are never polled. `unlisted`:
        folders that a scan could not list. When such a folder can be read, all folders are watched
        again, because the package watchdog skipped this folder.
        """
        roots, listed = list(roots), list(listed)
        self._root_changes.follow([*roots, *listed])
        wanted = {root: _identity(root) for root in roots}
        trash = {folder: _identity(folder) for folder in listed}
        readable = {path for path in unlisted if os.access(path, os.R_OK | os.X_OK)}
        # Do not try again for a folder that stays unlisted, for example because its disk is broken.
        opened, self._readable = readable - self._readable, readable
        unchanged = (wanted, trash) == (self._roots, self._listed) and not self._is_full_no_more()
        if unchanged and self._refused and not _has_instances():
            return bool(opened)
        if unchanged and not opened and not self._refused:
            return self._poll_unwatched()
        self._stop()
        _limit_reached.clear()
        self._roots, self._listed = wanted, trash
        self.polled = {}
        try:
            self._observe(wanted, trash)
        except OSError as error:
            # The most frequent cause is a limit: fs.inotify.max_user_watches or max_user_instances.
            logger.warning(
                "the kernel reports no events for these folders, so the daemon polls them: %s",
                error,
            )
            self._stop_observer()
            self._refused = error.errno in (errno.EMFILE, errno.ENFILE)
            why = f"the kernel refuses to watch: {error.strerror}"
            self.polled = dict.fromkeys(wanted, why) | self.polled
        return True

    def _observe(
        self,
        wanted: dict[bytes, tuple[int, int] | None],
        trash: dict[bytes, tuple[int, int] | None],
    ) -> None:
        """Start to watch folders. The values are the identities of the folders.

        Raises OSError if the kernel refuses. Then some threads may run already.
        """
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
        observer.start()

    def _poll_unwatched(self) -> bool:
        """Poll all watched folders if the kernel has no inotify watches left.

        In this case, the package watchdog skips some folders without an error. Return whether this
        call has begun to poll another folder.
        """
        if not _limit_reached.is_set():
            return False
        _limit_reached.clear()
        self._full = (_watch_limits(), time.monotonic())
        why = "the kernel watches no more folders: fs.inotify.max_user_watches"
        fresh = {root: why for root in self._roots if root not in self.polled}
        self.polled |= fresh
        return bool(fresh)

    def _is_full_no_more(self) -> bool:
        """Return whether the kernel may have inotify watches again, after it had none left."""
        if self._full is None:
            return False
        limits, since = self._full
        return limits != _watch_limits() or time.monotonic() - since >= RETRY_SECONDS

    def is_alive(self) -> bool:
        """Return whether all threads of the watcher run.

        A thread that was asked to stop need not run.
        """
        if not self._root_changes.is_alive():
            return False
        if self._observer is None:
            return True
        threads = [self._observer, *self._observer.emitters]
        return not any(
            thread.ident is not None and thread.should_keep_running() and not thread.is_alive()
            for thread in threads
        )

    @property
    def must_ask_again(self) -> bool:
        """Whether `watch` must be called again and again, because not every change is reported."""
        return not self._root_changes.complete or self._refused or self._full is not None

    def close(self) -> None:
        """Stop watching. Return after the threads have ended."""
        self._stop()
        self._root_changes.close()

    def _stop(self) -> None:
        self._stop_observer()
        self._refused = False
        self._full = None
        self._roots, self._listed = {}, {}

    def _stop_observer(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join()
            self._observer = None


def _watch_limits() -> str:
    """Return the limits of the kernel for inotify watches, as text."""
    limits = ""
    for name in ("fs/inotify/max_user_watches", "user/max_inotify_watches"):
        with contextlib.suppress(OSError), open(f"/proc/sys/{name}", encoding="ascii") as file:
            limits += file.read()
    return limits


def _has_instances() -> bool:
    """Return whether the kernel gives this process another inotify instance."""
    try:
        os.close(InotifyFD._create_inotify_fd())
    except OSError:
        return False
    return True


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

    After such a loss, the package watchdog repairs its own watches. Changes of attributes, such as
    the date, are posted before the package watchdog makes events of them (see date_events.py).
    """

    mailbox: Mailbox
    reader: EventReader

    def get_event_mask_from_filter(self) -> Mask:
        mask = super().get_event_mask_from_filter()
        return Mask(mask | InotifyConstants.IN_ATTRIB) if self.watch.is_recursive else mask

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
        self.reader.add(group._active_callbacks_by_watch)


class _Observer(InotifyObserver):
    def __init__(self, mailbox: Mailbox) -> None:
        # The reader must be there before the first event, so InotifyObserver does not create its
        # own one.
        self._inotify_fd = reader = EventReader(mailbox.hint_dates)
        reader.start()
        emitter = type("Emitter", (_Emitter,), {"mailbox": mailbox, "reader": reader})
        BaseObserver.__init__(self, emitter, inotify_fd=reader)
