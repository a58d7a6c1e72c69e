"""Log the labels that follow from the places of files, in one transaction.

The rules are in reconcile/label_rules.py. This module collects the changes of a batch of files. It
applies the rules after the sightings of the whole batch are stored, so that the order of the files
in the batch does not matter.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from imgscore.engine import siblings
from imgscore.engine.file_ratings import rating_of
from imgscore.engine.label_change import LabelChange
from imgscore.reconcile.label_rules import (
    FROM_FOLDER,
    MOVE_WINDOW_NS,
    SAVE_WINDOW_NS,
    Change,
    Decision,
    label_event,
)
from imgscore.reconcile.reachable import is_unreachable
from imgscore.reconcile.walk import ImageFile, fingerprint_of, walk
from imgscore.store import label_folders, labels, sightings, trashed_files
from imgscore.store.schema import Fingerprint, Label, LabelEvent, Sighting, event_value
from imgscore.store.transaction import Txn
from imgscore.watches import Place, Role, Watches, grade_of

MIN_RENAMED = 20
"""The number of files from which a move of all files of a label folder into one other folder counts
as a renaming of the label folder. A user who moves fewer files takes back single labels."""


class _Appeared(NamedTuple):
    path: bytes
    digest: bytes
    seen: Fingerprint
    place: Place
    before: Sighting | None
    """the record of the path before; None if it was empty"""
    origin: Sighting | None
    """the record of the path from which the file was moved; None if it is not known"""


class _Left(NamedTuple):
    digest: bytes
    path: bytes
    place: Place


class PlaceLabels:
    """The changes of one batch. Call `apply` after the sightings of the batch are stored.

    `copies_of`: a function that returns all sightings of a digest, by path.
    """

    def __init__(
        self,
        txn: Txn,
        watches: Watches,
        now_ns: int,
        copies_of: Callable[[bytes], dict[bytes, Sighting]],
    ) -> None:
        self.txn = txn
        self.watches = watches
        self.now_ns = now_ns
        self.changes: list[LabelChange] = []
        self.relearn: set[str] = set()
        self._copies_of = copies_of
        self._appeared: list[_Appeared] = []
        self._left: list[_Left] = []
        self._new_digests: set[bytes] = set()
        """the digests that no file had before this batch"""
        self._replaced_digests: set[bytes] = set()
        """the digests of bytes that this batch replaced by other bytes"""
        self._standing: dict[tuple[str, bytes], dict[Role, int]] = {}
        self._images: dict[tuple[bytes, int], bool] = {}

    def appeared(
        self,
        path: bytes,
        digest: bytes,
        seen: Fingerprint,
        place: Place,
        *,
        before: Sighting | None,
        origin: Sighting | None,
    ) -> None:
        """Note that a file with this digest is new at a path of a watch.

        `before`: the record of the path before. `origin`: the record of the path from which the
        file was moved, if it is known.
        """
        if before is not None and before.digest != digest:
            self._replaced_digests.add(before.digest)
        known = digest in self._replaced_digests or digest in self._new_digests
        # If the file was moved, the record of its former path is no longer among the copies.
        known = known or origin is not None
        if not known and all(copy.path == path for copy in self._copies_of(digest).values()):
            self._new_digests.add(digest)
            if before is None or before.gone_ns:
                before = self._saved_then_moved(path, digest, seen, place) or before
        self._appeared.append(_Appeared(path, digest, seen, place, before, origin))

    def left(self, sighting: Sighting) -> None:
        """Note that a file has left its path. `sighting`: the record of the file."""
        place = self.watches.locate(sighting.path)
        if place is not None and place.role == sighting.role != "inbox":
            self._left.append(_Left(sighting.digest, sighting.path, place))

    def apply(self) -> None:
        """Log the label events that the rules return for all changes of the batch."""
        for change in self._appeared:
            self._apply_appeared(change)
        done: set[tuple[str, bytes]] = set()
        for left in self._left:
            key = left.place.watch.taste, left.digest
            if key not in done:
                done.add(key)
                self._apply_left(left)

    # ---- the two kinds of changes

    def _apply_appeared(self, new: _Appeared) -> None:
        taste, before = new.place.watch.taste, new.before
        label = labels.current(self.txn, taste, new.digest)
        former: Label | None = None
        rewritten = before is not None and self._is_rewritten(before, new)
        if before is not None and rewritten:
            former = labels.current(self.txn, taste, before.digest)
            moved = before.path != new.path
            if moved and (new.place.role != "inbox" or (former and former.source in FROM_FOLDER)):
                former = None  # The new folder of the file decides.
        back_from = self._back_from(new, label) if new.place.role == "inbox" else None
        standing = self._standing_in(taste, new.digest, label)
        change = Change(
            "rewritten" if rewritten else "appeared",
            new.place.role,
            label,
            standing=_newest_first(standing),
            in_inbox="inbox" in standing,
            moved_back=back_from is not None,
            folder_renamed=bool(back_from) and self._is_renamed(back_from or b"", [new.path]),
            label_file_lost=label is not None
            and label.path != new.path
            and not os.path.lexists(label.path),
            former=former,
            former_stands=bool(before and former and self._stands(taste, before.digest, former)),
            rating=self._rating(taste, new.digest) if back_from is not None else None,
        )
        decision = label_event(change)
        if decision is not None and decision.source == "undo":
            # An event with the source "undo" would hide an older event from the verb `undo`.
            decision = Decision(decision.grade, "cli")
        self._log(new, label, decision, share=not rewritten)
        if before is not None and before.digest != new.digest:
            # If the inode is the same, the old bytes were overwritten. Otherwise the user may have
            # renamed the old file, and another file to the path of the old file.
            if rewritten or (not before.gone_ns and _same_file(before.seen, new.seen)):
                self._apply_replaced(before, self.watches.locate(before.path) or new.place)
            elif not before.gone_ns:
                self.left(before)
        if new.origin is not None:
            place = self.watches.locate(new.origin.path)
            if place is not None and place.watch.taste != taste:
                self.left(new.origin)

    def _apply_replaced(self, before: Sighting, place: Place) -> None:
        """Decide about the label of the bytes that a file had before it was rewritten."""
        taste = place.watch.taste
        label = labels.current(self.txn, taste, before.digest)
        standing = self._standing_in(taste, before.digest, label)
        change = Change(
            "replaced",
            place.role,
            label,
            standing=_newest_first(standing),
            in_inbox="inbox" in standing,
            rating=self._rating(taste, before.digest),
        )
        gone = _Left(before.digest, before.path, place)
        self._log(gone, label, label_event(change), share=False)

    def _apply_left(self, left: _Left) -> None:
        taste = left.place.watch.taste
        label = labels.current(self.txn, taste, left.digest)
        if label is None or label.source not in FROM_FOLDER:
            return
        standing = self._standing_in(taste, left.digest, label)
        inbox = [
            copy.path
            for copy in self._copies_of(left.digest).values()
            if not copy.gone_ns and copy.role == "inbox"
        ]
        change = Change(
            "left",
            left.place.role,
            label,
            standing=_newest_first(standing),
            in_inbox="inbox" in standing,
            folder_renamed="inbox" in standing and self._is_renamed(left.path, inbox),
            rating=self._rating(taste, left.digest),
        )
        self._log(left, label, label_event(change), share=False)

    def _log(
        self, new: _Appeared | _Left, label: Label | None, decision: Decision | None, *, share: bool
    ) -> None:
        if decision is None:
            return
        grade, source = decision
        watch = new.place.watch
        value = event_value(grade)
        logged = LabelEvent(self.now_ns, watch.taste, new.digest, value, source, new.path)
        origin = new.origin if isinstance(new, _Appeared) else None
        share = share and watch.siblings and siblings.shares_place(new.path, grade, label)
        beside = [origin.path] if origin is not None else []
        number = siblings.append_label(self.txn, logged, share=share, beside=beside)
        before = label.grade if label is not None else None
        if before != grade:
            self.relearn.add(watch.taste)
        if source != "rewrite":
            self.changes.append(LabelChange(number, before, grade, self._folder_of(label)))

    def _folder_of(self, label: Label | None) -> tuple[bytes, Role] | None:
        place = self.watches.locate(label.path) if label is not None else None
        if place is None or place.role == "inbox":
            return None
        return place.watch.inbox, place.role

    # ---- facts about the files of a digest

    def _saved_then_moved(
        self, path: bytes, digest: bytes, seen: Fingerprint, place: Place
    ) -> Sighting | None:
        """Return the former record of a file that was saved, and moved before it was indexed again.

        The former path is in another folder of the watch, with the same name, and it is empty now.
        The file still has the inode or the date of the record. Without these conditions, a deleted
        file and a new file with the same name could be taken for one file.
        """
        found: list[Sighting] = []
        for other in self.watches.former_paths(path, place):
            former = sightings.find(self.txn, other)
            if former is None or former.digest == digest:
                continue
            same = _same_file(former.seen, seen) or former.seen.mtime_ns == seen.mtime_ns
            recent = not former.gone_ns or self.now_ns - former.gone_ns <= SAVE_WINDOW_NS
            if same and recent and not os.path.lexists(former.path):
                found.append(former)
        # The file was last seen at the path that it left last.
        return max(found, key=lambda one: (not one.gone_ns, one.gone_ns), default=None)

    def _is_rewritten(self, before: Sighting, new: _Appeared) -> bool:
        """Return whether a program saved new bytes at the path of an older file.

        This is not the case if the new bytes are those of another known file: then the user moved
        or copied that file to this path.
        """
        return new.origin is None and self.are_saved_bytes(new.digest, before)

    def are_saved_bytes(self, digest: bytes, before: Sighting | None) -> bool:
        """Return whether a program may have saved these bytes over those of an older file.

        This is not the case if the bytes are those of another known file, or if the older file had
        left its path too long ago.
        """
        if before is None or before.digest == digest or digest not in self._new_digests:
            return False
        return not before.gone_ns or self.now_ns - before.gone_ns <= SAVE_WINDOW_NS

    def _standing_in(self, taste: str, digest: bytes, label: Label | None) -> dict[Role, int]:
        """Return the roles of the folders of a taste that contain a file with this digest.

        Each role has the latest ctime of its files. A move and a copy change the ctime of a file.
        """
        key = taste, digest
        if key not in self._standing:
            roles: dict[Role, int] = {}
            for copy in self._copies_of(digest).values():
                place = None if copy.gone_ns else self.watches.locate(copy.path)
                if place is None or place.watch.taste != taste:
                    continue
                if copy.seen.ctime_ns <= roles.get(place.role, -1):
                    continue
                if os.path.lexists(copy.path) or is_unreachable(
                    self.watches, copy.path, copy.seen.dev
                ):
                    roles[place.role] = copy.seen.ctime_ns
            self._standing[key] = roles
        standing = self._standing[key]
        return {"trash": 0, **standing} if self._in_desktop_trash(label, digest) else standing

    def _stands(self, taste: str, digest: bytes, label: Label) -> bool:
        return label.grade in _newest_first(self._standing_in(taste, digest, label))

    def _rating(self, taste: str, digest: bytes) -> float | None:
        copies = self._copies_of(digest).values()
        return rating_of(self.txn, self.watches, taste, copies)

    def _in_desktop_trash(self, label: Label | None, digest: bytes) -> bool:
        """Return whether the file that gave the label is still in the desktop's trash.

        After a file was restored from the trash, another file in the trash can get the same name.
        Inode numbers are not compared, because they change on some disks.
        """
        if label is None or label.source != "xdg_trash":
            return False
        trashed = trashed_files.find(self.txn, label.path, digest)
        if trashed is None:
            return False
        now = fingerprint_of(label.path)
        if now is None:
            return not os.path.lexists(trashed.trash)
        return (trashed.seen.size, trashed.seen.mtime_ns) == (now.size, now.mtime_ns)

    def _back_from(self, new: _Appeared, label: Label | None) -> bytes | None:
        """Return the path in a label folder from which a file in an inbox was moved back.

        None means that the file was not moved back: it is a copy, or it is new.
        """
        taste = new.place.watch.taste
        for copy in (new.origin, *self._copies_of(new.digest).values()):
            place = self.watches.locate(copy.path) if copy is not None else None
            if copy is None or place is None or place.watch.taste != taste:
                continue
            if copy.role == "inbox" or copy.path == new.path:
                continue
            if copy is new.origin or self._may_be(copy.seen, copy.gone_ns, new.seen):
                return copy.path
        if label is not None and label.source == "xdg_trash":
            trashed = trashed_files.find(self.txn, label.path, new.digest)
            if trashed is not None and self._may_be(trashed.seen, trashed.gone_ns, new.seen):
                return label.path
        return None

    def _may_be(self, former: Fingerprint, gone_ns: int, seen: Fingerprint) -> bool:
        """Return whether a missing file may be the file that has just appeared.

        The file may have waited for a worker for minutes: its ctime is the time of its move. If a
        whole folder was moved, or a disk was mounted, the ctime is far older.
        """
        if not gone_ns or _same_file(former, seen):
            return True
        missing_ns = min(self.now_ns - gone_ns, abs(seen.ctime_ns - gone_ns))
        return missing_ns < MOVE_WINDOW_NS

    def _is_renamed(self, former: bytes, paths: Iterable[bytes]) -> bool:
        """Return whether a label folder with the file `former` was renamed as a whole.

        `paths`: the present paths of the file. The folder was renamed if one of them is the same
        relative path in another folder, and this other folder has the inode of the label folder. It
        was also renamed if the label folder is empty now, and the other folder contains at least
        MIN_RENAMED images.
        """
        folder = self.watches.folder(former)
        if folder is None:
            return False
        relative = former[len(folder) :]
        for path in paths:
            other = path[: -len(relative)]
            if not path.endswith(relative) or self.watches.folder(other) == other:
                continue
            identity = label_folders.identity(other)
            if identity is not None and identity == label_folders.get(self.txn, folder):
                return True
            if not self._has_images(folder, 1) and self._has_images(other, MIN_RENAMED):
                return True
        return False

    def _has_images(self, folder: bytes, count: int) -> bool:
        """Return whether a folder contains at least `count` images, in any subfolder."""
        key = folder, count
        if key not in self._images:
            images = (file for file in walk(folder) if isinstance(file, ImageFile))
            self._images[key] = sum(1 for _ in islice(images, count)) == count
        return self._images[key]


def _newest_first(standing: Mapping[Role, int]) -> tuple[float, ...]:
    """Return the grades of the label folders among `standing`.

    `standing`: a ctime for each role. The grade with the latest ctime comes first. If two are
    equal, the larger grade comes first.
    """
    taught = [
        (ctime_ns, grade)
        for role, ctime_ns in standing.items()
        if (grade := grade_of(role)) is not None
    ]
    return tuple(grade for _, grade in sorted(taught, reverse=True))


def _same_file(first: Fingerprint, second: Fingerprint) -> bool:
    return (first.dev, first.ino) == (second.dev, second.ino)
