"""Delete is a label too: what the user deleted from the watched folders, and where it is now.

The desktop's trash is read and never changed. What is new in it is hashed, by a worker where the
store does not know the file, and labelled trash; what has left it is marked gone.
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
from imgscore.engine.log_text import counted
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.engine.tickets import IndexTicket
from imgscore.errors import StoreError
from imgscore.images.formats import is_image_name
from imgscore.reconcile import sidecars, xdg_trash
from imgscore.reconcile.label_rules import trashed_event
from imgscore.reconcile.walk import ImageFile, fingerprint_of, walk
from imgscore.reconcile.xdg_trash import Entry, Trash
from imgscore.store import labels, sightings, trashed_files
from imgscore.store.schema import Fingerprint, Label, LabelEvent, TrashedFile, path_key
from imgscore.store.transaction import Txn
from imgscore.watches import Place, within
from imgscore.workers.messages import FileIndexed, Interrupted, ModelUnavailable, Unstable

logger = logging.getLogger(__name__)

# Entries of the trash that are looked at between two looks at the post.
SCAN_BATCH = 200
# Files that workers are asked about at once, so that what is dropped meanwhile waits for few.
PREFETCH = 4


class TrashEntry(NamedTuple):
    """An image in the trash that the store does not know there."""

    path: bytes
    seen: Fingerprint
    origin: bytes
    place: Place
    trash: bytes


class TrashMonitor(AnyStage):
    """The state of the desktop's trash. Does nothing where no watch has `xdg_trash`.

    `ask` has a file indexed: the answer comes with the ticket, not to `take`.
    """

    needs_space = True

    def __init__(self, ctx: EngineContext, ask: Callable[[bytes, str], IndexTicket]) -> None:
        self.ctx = ctx
        self._ask = ask
        self._watched = ctx.watches.with_trash()
        self._due: float | None = None
        self._look: Iterator[list[TrashEntry]] | None = None
        self._unknown: deque[TrashEntry] = deque()
        self._asked: list[tuple[TrashEntry, IndexTicket]] = []
        self._under_way: set[bytes] = set()
        """paths of the unknown and the asked"""
        self._failed: dict[bytes, Fingerprint] = {}
        """files that no worker can read, as they were: not tried again until the next start"""
        self._found: list[tuple[TrashEntry, bytes]] = []
        """images in the trash with their digests, for the next commit"""
        self._unchanged: dict[bytes, int] = {}
        """trash folders that were seen whole → the mtime of their listing"""
        self._settled: dict[bytes, set[bytes]] = {}
        """trash folders → entries that need no second look, by a hash of their name and stat"""

    def hint(self) -> None:
        """Read the trash soon: something may have come into it, or left it."""
        if self._watched:
            self._due = time.monotonic() + self.ctx.config.daemon.settle

    def receive(self, effects: Effects) -> None:
        """Read the trash once files have gone."""
        if effects.trash_changed:
            self.hint()

    def trashes(self) -> list[Trash]:
        """The trash folders that are there, and can hold what was deleted from the watches."""
        if not self._watched:
            return []
        return xdg_trash.trashes(os.fsencode(paths.trash_folder()), self._watched)

    @property
    def remembered(self) -> int:
        """How many entries of the trash need not be read again."""
        return sum(len(entries) for entries in self._settled.values())

    @property
    def pending(self) -> int:
        """How many files and looks are still to be done."""
        looks = (self._due is not None) + (self._look is not None)
        return looks + len(self._unknown) + len(self._asked) + len(self._found)

    def next_time(self, conditions: Conditions) -> float | None:
        """When the trash is to be read; now, while that is under way; None while workers are."""
        if conditions.paused:
            return None
        may_ask = self._unknown and len(self._asked) < PREFETCH and not conditions.saving
        return conditions.now if may_ask or self._look is not None else self._due

    def advance(self, conditions: Conditions) -> Effects | None:
        """Read a slice of the trash, have unknown files indexed, and store what is known.

        While power is saved, files that no worker has read have to wait.
        """
        if conditions.paused:
            return None
        try:
            self._take_answers()
            self._read_slice(conditions.now)
            while self._unknown and len(self._asked) < PREFETCH and not conditions.saving:
                entry = self._unknown.popleft()
                self._asked.append((entry, self._ask(entry.path, entry.place.watch.taste)))
            complete = len(self._found) >= SCAN_BATCH or not (self._asked or self._look)
            return self._commit_found() if self._found and complete else None
        except (StoreError, OSError):
            self._look_again()
            raise

    def _read_slice(self, now: float) -> None:
        """Read a slice of the trash."""
        if self._look is None and self._due is not None and self._due <= now:
            self._due, self._look = None, self._walk()
        if self._look is None:
            return
        part = next(self._look, None)
        if part is None:
            self._look = None
        for one in part or []:
            if one.path in self._under_way:
                continue
            digest = self._known(one)
            if digest is None:
                self._unknown.append(one)
                self._under_way.add(one.path)
            else:
                self._found.append((one, digest))

    def _look_again(self) -> None:
        """Something was cut short, and a look finds it: one that has begun may be past it."""
        self._look = None
        self._unchanged.clear()
        self.hint()

    def _take_answers(self) -> None:
        """What workers found; what was cut short is asked again, what cannot be read is not."""
        answered = [(one, ticket) for one, ticket in self._asked if ticket.answer is not None]
        self._asked = [(one, ticket) for one, ticket in self._asked if ticket.answer is None]
        for one, ticket in answered:
            self._under_way.discard(one.path)
            match ticket.answer:
                case FileIndexed(seen, digest):
                    self._found.append((one._replace(seen=seen), digest))
                case Unstable() | ModelUnavailable() | Interrupted():
                    self._look_again()
                case _:
                    self._failed[one.path] = one.seen

    def _known(self, one: TrashEntry) -> bytes | None:
        """The digest where the file was seen before it was deleted, and only moved since."""
        with self.ctx.store.read() as txn:
            sighting = sightings.find(txn, one.origin)
        if sighting is None or _content(sighting.seen) != _content(one.seen):
            return None
        return sighting.digest

    # ---- the trash against the store

    def _walk(self) -> Iterator[list[TrashEntry]]:
        """What is new in the trash, a slice at a time; at last, what has left it is marked."""
        for trash in self.trashes():
            listed = _mtime_ns(trash.info)
            if self._unchanged.pop(trash.folder, None) == listed:
                self._unchanged[trash.folder] = listed
                continue
            before, settled = self._settled.get(trash.folder, set()), set[bytes]()
            whole = True
            found: list[TrashEntry] = []
            for number, entry in enumerate(xdg_trash.entries(trash), 1):
                key = path_key(entry.info + b"\0%d" % entry.status.st_ctime_ns)
                if key in before:
                    settled.add(key)
                else:
                    changes, is_whole = self._changes(trash, entry)
                    found += changes
                    whole &= is_whole
                    if is_whole and not changes:
                        settled.add(key)
                if number % SCAN_BATCH == 0 or len(found) >= SCAN_BATCH:
                    yield found
                    found = []
            yield found
            # What is added in the tick of the clock in which we looked leaves the mtime as it is.
            if whole and time.time_ns() - listed > 10**9:
                self._unchanged[trash.folder] = listed
            self._settled[trash.folder] = settled
        self._mark_gone()

    def _changes(self, trash: Trash, entry: Entry) -> tuple[list[TrashEntry], bool]:
        """The new images of an entry, and whether nothing of it is still on its way."""
        origin = xdg_trash.origin(trash, entry)
        if origin is None or self.ctx.watches.locate(origin) is None:
            return [], True
        if os.path.isdir(entry.path) and not os.path.islink(entry.path):
            files = [one for one in walk(entry.path) if isinstance(one, ImageFile)]
            there = [(one.path, one.seen, origin + one.path[len(entry.path) :]) for one in files]
        elif (seen := fingerprint_of(entry.path)) is not None:
            there = [(entry.path, seen, origin)]
        else:
            return [], False  # its .trashinfo comes first
        changes = [
            TrashEntry(path, seen, at, place, trash.folder)
            for path, seen, at in there
            if is_image_name(os.path.basename(at))
            and self._failed.get(path) != seen
            and (place := self._place(at, origin))
        ]
        with self.ctx.store.read() as txn:
            known = [trashed_files.find(txn, one.path) for one in changes]
        changes = [
            one
            for one, record in zip(changes, known, strict=True)
            if record is None or record.gone_ns or record.seen != one.seen
        ]
        still = [one for one in changes if self._holds_still(one.seen)]
        if len(still) < len(changes):
            self.hint()
        return still, len(still) == len(changes)

    def _place(self, path: bytes, deleted: bytes) -> Place | None:
        """The place that an image was deleted from, if that says something about the image.

        Who deletes such a place as a whole has had enough of it, and not of each image.
        """
        watches = self.ctx.watches
        place, folder = watches.locate(path), watches.folder(path)
        if place is None or folder is None or watches.hides(path) or within(folder, deleted):
            return None
        return place if place.watch.xdg_trash else None

    def _holds_still(self, seen: Fingerprint) -> bool:
        age_ns = time.time_ns() - seen.ctime_ns
        return age_ns < 0 or age_ns >= self.ctx.config.daemon.settle * 1e9

    def _mark_gone(self) -> None:
        self._failed = {
            path: seen for path, seen in self._failed.items() if fingerprint_of(path) == seen
        }
        with self.ctx.store.read() as txn:
            gone = [
                one.path
                for one in trashed_files.present(txn)
                if os.path.isdir(one.trash) and not os.path.lexists(one.path)
            ]
        if gone:

            def mark(txn: Txn) -> None:
                for path in gone:
                    trashed_files.mark_gone(txn, path)

            self.ctx.store.commit(mark)

    # ---- labels

    def _commit_found(self) -> Effects:
        found, self._found = self._found, []

        def record(txn: Txn) -> list[TrashEntry]:
            return [entry for entry, digest in found if self._record(txn, entry, digest)]

        labelled = self.ctx.store.commit(record)
        self.ctx.changed()
        tastes = {entry.place.watch.taste for entry in labelled}
        logger.info("trash: %s, %d labelled trash", counted(len(found), "new image"), len(labelled))
        return Effects(relearn=tastes)

    def _record(self, txn: Txn, one: TrashEntry, digest: bytes) -> bool:
        """Write what lies in the trash, and its label; whether there is a new one."""
        trashed_files.record(txn, TrashedFile(one.path, one.seen, digest, one.origin, one.trash))
        taste = one.place.watch.taste
        label = labels.current(txn, taste, digest)
        stays = self._copy_stays(txn, taste, digest) or self._sibling_stays(one, label)
        event = trashed_event(label, copy_stays=stays)
        if event is None:
            return False
        logged = LabelEvent(time.time_ns(), taste, digest, event, "xdg_trash", one.path)
        siblings.append_label(txn, logged, share=one.place.watch.siblings)
        return True

    def _copy_stays(self, txn: Txn, taste: str, digest: bytes) -> bool:
        """Whether the digest still stands in an inbox or a keep folder of the taste."""
        for sighting in sightings.of_digest(txn, digest):
            place, seen = self.ctx.watches.locate(sighting.path), fingerprint_of(sighting.path)
            if place is None or place.role == "trash" or place.watch.taste != taste:
                continue
            if seen is not None and _content(seen) == _content(sighting.seen):
                return True
        return False

    def _sibling_stays(self, one: TrashEntry, label: Label | None) -> bool:
        """Whether the RAW or JPEG of the same name stays: beside it, or where it was kept."""
        if not one.place.watch.siblings or one.place.role == "trash":
            return False
        if sidecars.sibling_exists(one.origin):
            return True
        if label is None or label.label != "keep":
            return False
        kept = self.ctx.watches.locate(label.path)
        return kept is not None and kept.role == "keep" and os.path.lexists(label.path)


def _content(seen: Fingerprint) -> tuple[int, int, int, int]:
    """What stays the same when a file is moved within its disk."""
    return seen.dev, seen.ino, seen.size, seen.mtime_ns


def _mtime_ns(folder: bytes) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1
