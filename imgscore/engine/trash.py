"""The desktop's trash: an image that the user deletes from a watched folder is labelled trash.

imgscore only reads the desktop's trash and never changes it. If the store has no digest of a new
image in the trash, a worker hashes the image. The record of an image that has left the trash is
marked as gone.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from imgscore import paths
from imgscore.engine import siblings
from imgscore.engine.context import EngineContext
from imgscore.engine.label_change import LabelChange
from imgscore.engine.log_text import counted
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.engine.tickets import IndexTicket
from imgscore.errors import StoreError
from imgscore.grades import TRASH
from imgscore.images.formats import is_image_name
from imgscore.reconcile import sidecars, xdg_trash
from imgscore.reconcile.label_rules import is_trashed
from imgscore.reconcile.walk import ImageFile, fingerprint_of, walk
from imgscore.reconcile.xdg_trash import Entry, Trash
from imgscore.store import labels, sightings, trashed_files
from imgscore.store.schema import Fingerprint, Label, LabelEvent, TrashedFile, path_key
from imgscore.store.transaction import Txn
from imgscore.watches import Place, grade_of, within
from imgscore.workers.messages import FileIndexed, Interrupted, ModelUnavailable, Unstable

logger = logging.getLogger(__name__)

# The number of trash entries that one step reads.
SCAN_BATCH = 200
# The largest number of trash files that wait for workers. It is small, so that a new file in an
# inbox is not delayed.
PREFETCH = 4


class TrashEntry(NamedTuple):
    """An image in the desktop's trash that is new, or that has changed after it was recorded."""

    path: bytes
    seen: Fingerprint
    origin: bytes
    """the path of the image before it was deleted"""
    place: Place
    """the watched folder from which the image was deleted, and the role of this folder"""
    trash: bytes


class TrashMonitor(AnyStage):
    """The stage that reads the desktop's trash. It does nothing if no watch has set `xdg_trash`.

    `ask`: a function that requests the indexing of a file and returns a ticket. The worker's answer
    is put into this ticket. The engine does not call `take` for this answer.
    """

    needs_space = True

    def __init__(self, ctx: EngineContext, ask: Callable[[bytes, str], IndexTicket]) -> None:
        self.ctx = ctx
        self._ask = ask
        self._watched = ctx.watches.with_trash()
        self._due: float | None = None
        self._scan: Iterator[list[TrashEntry]] | None = None
        self._unknown: deque[TrashEntry] = deque()
        self._asked: list[tuple[TrashEntry, IndexTicket]] = []
        self._under_way: set[bytes] = set()
        """the paths of the entries in `_unknown` and `_asked`"""
        self._failed: dict[bytes, Fingerprint] = {}
        """a map from each unreadable file to its fingerprint. Such a file is tried again only after
        it has changed, or after a restart."""
        self._results: list[tuple[TrashEntry, bytes]] = []
        """the entries that the next commit stores, with their digests"""
        self._unchanged: dict[bytes, int] = {}
        """the trash folders that were read completely. Maps each folder to the mtime of the folder
        with its .trashinfo files."""
        self._settled: dict[bytes, set[bytes]] = {}
        """the entries that need not be read again, by trash folder. An entry is stored as a hash of
        its name and its ctime."""

    def hint(self) -> None:
        """Schedule a reading of the trash, because files may have entered or left the trash."""
        if self._watched:
            self._due = time.monotonic() + self.ctx.config.daemon.settle

    def receive(self, effects: Effects) -> None:
        """Schedule a reading of the trash if files have disappeared from watched folders."""
        if effects.trash_changed:
            self.hint()

    def trashes(self) -> list[Trash]:
        """Return the existing trash folders that can contain files from watched folders."""
        if not self._watched:
            return []
        return xdg_trash.trashes(os.fsencode(paths.trash_folder()), self._watched)

    @property
    def remembered(self) -> int:
        """The number of trash entries that need not be read again."""
        return sum(len(entries) for entries in self._settled.values())

    @property
    def pending(self) -> int:
        """The number of files and scans that are not finished."""
        scans = (self._due is not None) + (self._scan is not None)
        return scans + len(self._unknown) + len(self._asked) + len(self._results)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the engine must call `advance` again, in monotonic seconds.

        This is the present time while the trash is being read, or if a file can be sent to a
        worker. Otherwise it is the time of the next reading. Return None if no reading is due, and
        during a pause.
        """
        if conditions.paused:
            return None
        may_ask = self._unknown and len(self._asked) < PREFETCH and not conditions.saving
        return conditions.now if may_ask or self._scan is not None else self._due

    def advance(self, conditions: Conditions) -> Effects | None:
        """Read a part of the trash, request the indexing of unknown files, and store the results.

        While the machine saves power, no indexing is requested.
        """
        if conditions.paused:
            return None
        try:
            self._take_answers()
            self._read_slice(conditions.now)
            while self._unknown and len(self._asked) < PREFETCH and not conditions.saving:
                entry = self._unknown.popleft()
                self._asked.append((entry, self._ask(entry.path, entry.place.watch.taste)))
            complete = len(self._results) >= SCAN_BATCH or not (self._asked or self._scan)
            return self._commit_results() if self._results and complete else None
        except (StoreError, OSError):
            self._read_again()
            raise

    def _read_slice(self, now: float) -> None:
        if self._scan is None and self._due is not None and self._due <= now:
            self._due, self._scan = None, self._walk()
        if self._scan is None:
            return
        part = next(self._scan, None)
        if part is None:
            self._scan = None
        for entry in part or []:
            if entry.path in self._under_way:
                continue
            digest = self._known_digest(entry)
            if digest is None:
                self._unknown.append(entry)
                self._under_way.add(entry.path)
            else:
                self._results.append((entry, digest))

    def _read_again(self) -> None:
        """Schedule a new reading of the whole trash, because an entry could not be processed.

        The reading that is in progress may already have passed this entry.
        """
        self._scan = None
        self._unchanged.clear()
        self.hint()

    def _take_answers(self) -> None:
        """Process the answers of workers in the tickets.

        If a worker was interrupted, its file is tried again. An unreadable file is not tried again.
        """
        answered = [(entry, ticket) for entry, ticket in self._asked if ticket.answer is not None]
        self._asked = [(entry, ticket) for entry, ticket in self._asked if ticket.answer is None]
        for entry, ticket in answered:
            self._under_way.discard(entry.path)
            match ticket.answer:
                case FileIndexed(seen, digest):
                    self._results.append((entry._replace(seen=seen), digest))
                case Unstable() | ModelUnavailable() | Interrupted():
                    self._read_again()
                case _:
                    self._failed[entry.path] = entry.seen

    def _known_digest(self, entry: TrashEntry) -> bytes | None:
        """Return the digest of a deleted file from the file's record in the store.

        The store contains this record under the path that the file had before its deletion. Return
        None if there is no such record, or if the file has changed.
        """
        with self.ctx.store.read() as txn:
            sighting = sightings.find(txn, entry.origin)
        if sighting is None or _content(sighting.seen) != _content(entry.seen):
            return None
        return sighting.digest

    # ---- comparing the trash with the store

    def _walk(self) -> Iterator[list[TrashEntry]]:
        """Yield the new images in the trash, in lists of limited length.

        After the last list, mark the records of images that have left the trash as gone.
        """
        for trash in self.trashes():
            listed_ns = _mtime_ns(trash.info)
            if self._unchanged.pop(trash.folder, None) == listed_ns:
                self._unchanged[trash.folder] = listed_ns
                continue
            before, settled = self._settled.get(trash.folder, set()), set[bytes]()
            complete = True
            new: list[TrashEntry] = []
            for number, entry in enumerate(xdg_trash.entries(trash), 1):
                key = path_key(entry.info + b"\0%d" % entry.status.st_ctime_ns)
                if key in before:
                    settled.add(key)
                else:
                    images, is_complete = self._new_images(trash, entry)
                    new += images
                    complete &= is_complete
                    if is_complete and not images:
                        settled.add(key)
                if number % SCAN_BATCH == 0 or len(new) >= SCAN_BATCH:
                    yield new
                    new = []
            yield new
            # The clock of a file system is coarse. If an entry is added just after the reading, the
            # mtime of the folder may stay the same. Such an mtime is reliable only if it is older
            # than one second.
            if complete and time.time_ns() - listed_ns > 10**9:
                self._unchanged[trash.folder] = listed_ns
            self._settled[trash.folder] = settled
        self._mark_gone()

    def _new_images(self, trash: Trash, entry: Entry) -> tuple[list[TrashEntry], bool]:
        """Return the new images of a trash entry, and whether the entry was read completely.

        An entry is a deleted file or a deleted folder. If its files have not settled yet, the entry
        must be read again.
        """
        origin = xdg_trash.origin(trash, entry)
        if origin is None or self.ctx.watches.locate(origin) is None:
            return [], True
        if os.path.isdir(entry.path) and not os.path.islink(entry.path):
            found = [file for file in walk(entry.path) if isinstance(file, ImageFile)]
            files = [
                (file.path, file.seen, origin + file.path[len(entry.path) :]) for file in found
            ]
        elif (seen := fingerprint_of(entry.path)) is not None:
            files = [(entry.path, seen, origin)]
        else:
            # The deleted file is not here yet: a desktop writes the .trashinfo file first and moves
            # the deleted file afterwards.
            return [], False
        images = [
            TrashEntry(path, seen, file_origin, place, trash.folder)
            for path, seen, file_origin in files
            if is_image_name(os.path.basename(file_origin))
            and self._failed.get(path) != seen
            and (place := self._place(file_origin, origin))
        ]
        with self.ctx.store.read() as txn:
            known = [trashed_files.find(txn, image.path) for image in images]
        images = [
            image
            for image, record in zip(images, known, strict=True)
            if record is None or record.gone_ns or record.seen != image.seen
        ]
        settled = [image for image in images if self._has_settled(image.seen)]
        if len(settled) < len(images):
            self.hint()
        return settled, len(settled) == len(images)

    def _place(self, path: bytes, deleted: bytes) -> Place | None:
        """Return the watched folder from which an image was deleted, with the role of this folder.

        `path`: the path of the image before the deletion. `deleted`: the path of the file or folder
        that the user deleted. Return None if the deletion must not label the image. One such case
        is the deletion of a whole inbox or keep folder.
        """
        watches = self.ctx.watches
        place, folder = watches.locate(path), watches.folder(path)
        if place is None or folder is None or watches.hides(path) or within(folder, deleted):
            return None
        return place if place.watch.xdg_trash else None

    def _has_settled(self, seen: Fingerprint) -> bool:
        age_ns = time.time_ns() - seen.ctime_ns
        return age_ns < 0 or age_ns >= self.ctx.config.daemon.settle * 1e9

    def _mark_gone(self) -> None:
        self._failed = {
            path: seen for path, seen in self._failed.items() if fingerprint_of(path) == seen
        }
        with self.ctx.store.read() as txn:
            gone = [
                file.path
                for file in trashed_files.present(txn)
                if os.path.isdir(file.trash) and not os.path.lexists(file.path)
            ]
        if gone:

            def mark(txn: Txn) -> None:
                for path in gone:
                    trashed_files.mark_gone(txn, path)

            self.ctx.store.commit(mark)

    # ---- labels of deleted images

    def _commit_results(self) -> Effects:
        results, self._results = self._results, []

        def record(txn: Txn) -> list[tuple[str, LabelChange]]:
            return [
                (entry.place.watch.taste, change)
                for entry, digest in results
                if (change := self._record(txn, entry, digest)) is not None
            ]

        labelled = self.ctx.store.commit(record)
        self.ctx.changed()
        images = counted(len(results), "new image")
        logger.info("desktop trash: %s; new trash labels: %d", images, len(labelled))
        return Effects(
            relearn={taste for taste, _ in labelled},
            label_changes=[change for _, change in labelled],
        )

    def _record(self, txn: Txn, entry: TrashEntry, digest: bytes) -> LabelChange | None:
        """Store a deleted image, and log the label that follows from the deletion.

        Return the logged label, or None if no label was logged.
        """
        file = TrashedFile(entry.path, entry.seen, digest, entry.origin, entry.trash)
        trashed_files.record(txn, file)
        taste = entry.place.watch.taste
        label = labels.current(txn, taste, digest)
        stays = self._copy_stays(txn, taste, digest) or self._sibling_stays(entry, label)
        if not is_trashed(label, copy_stays=stays):
            return None
        logged = LabelEvent(time.time_ns(), taste, digest, "trash", "xdg_trash", entry.path)
        number = siblings.append_label(txn, logged, share=entry.place.watch.siblings)
        folder = (entry.place.watch.inbox, entry.place.role)
        before = label.grade if label is not None else None
        from_folder = folder if entry.place.role != "inbox" else None
        return LabelChange(number, before, TRASH, from_folder)

    def _copy_stays(self, txn: Txn, taste: str, digest: bytes) -> bool:
        """Return whether a copy of the image is still in a folder of the taste, but not in a trash
        folder."""
        for sighting in sightings.of_digest(txn, digest):
            place, seen = self.ctx.watches.locate(sighting.path), fingerprint_of(sighting.path)
            if place is None or place.role == "trash" or place.watch.taste != taste:
                continue
            if seen is not None and _content(seen) == _content(sighting.seen):
                return True
        return False

    def _sibling_stays(self, entry: TrashEntry, label: Label | None) -> bool:
        """Return whether the RAW or JPEG file with the same name still exists.

        This file may be in the folder from which the image was deleted. It may also be a file in
        another label folder, if `label` came from this file.
        """
        if not entry.place.watch.siblings or entry.place.role == "trash":
            return False
        if sidecars.sibling_exists(entry.origin):
            return True
        if label is None or label.grade == TRASH:
            return False
        place = self.ctx.watches.locate(label.path)
        teaches = place is not None and grade_of(place.role) == label.grade
        return teaches and os.path.lexists(label.path)


def _content(seen: Fingerprint) -> tuple[int, int, int, int]:
    """Return the part of a fingerprint that a move within a disk does not change."""
    return seen.dev, seen.ino, seen.size, seen.mtime_ns


def _mtime_ns(folder: bytes) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1
