"""Store the answers of workers: the sighting, vector, traits, score, label and original of a file.

One transaction stores a batch of answers. It does no harm to store the same batch twice. After a
crash before the commit, the next scan finds the files again, so no label is lost.
"""

import os
import time
from collections.abc import Iterable

from msgspec import structs

from imgscore.engine import siblings
from imgscore.engine.stage import Effects
from imgscore.reconcile.label_rules import Appearance, label_event
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import (
    failures,
    heads,
    labels,
    name_vectors,
    originals,
    scores,
    sightings,
    traits,
    trashed_files,
    vectors,
)
from imgscore.store.schema import (
    Failure,
    FileAt,
    Fingerprint,
    Label,
    LabelEvent,
    Original,
    Sighting,
    TrashedFile,
)
from imgscore.store.transaction import Txn
from imgscore.watches import Place, Watches
from imgscore.workers.messages import FileIndexed, IndexFile


def ingest_batch(
    txn: Txn,
    batch: Iterable[tuple[IndexFile, FileIndexed]],
    watches: Watches,
    embedder: str,
    decoder: int,
) -> Effects:
    """Store a batch of answers. Return the effects on other stages."""
    ingest = _Ingest(txn, watches, time.time_ns())
    new_vectors: list[tuple[bytes, bytes]] = []
    for task, answer in batch:
        place = watches.image_place(task.path)
        if place is not None:
            ingest.sighting(task.path, answer, place)
            if answer.failure:
                why = answer.failure
                failures.record(
                    txn,
                    Failure(
                        task.path,
                        answer.seen,
                        answer.digest,
                        why.reason,
                        why.remedy,
                        decoder,
                        why.retry_ns,
                    ),
                )
            else:
                failures.forget(txn, task.path)
        if answer.vector is not None:
            new_vectors.append((answer.digest, answer.vector))
        if answer.name is not None:
            name_vectors.put(txn, *answer.name)
        if answer.traits is not None:
            traits.record(txn, answer.digest, answer.traits)
        ingest.score(task, answer)
    vectors.append(txn, embedder, new_vectors)
    return ingest.effects


class _Ingest:
    """A helper that stores one batch in one transaction.

    All records of the batch have the same time.
    """

    def __init__(self, txn: Txn, watches: Watches, now_ns: int) -> None:
        self.txn = txn
        self.watches = watches
        self.now_ns = now_ns
        self.effects = Effects()
        self._sightings: dict[bytes, dict[bytes, Sighting]] = {}

    def _sightings_of(self, digest: bytes) -> dict[bytes, Sighting]:
        """Return all sightings of a digest, by path.

        A digest may have thousands of sightings, so they are read only once for each batch.
        """
        if digest not in self._sightings:
            copies = sightings.of_digest(self.txn, digest)
            self._sightings[digest] = {copy.path: copy for copy in copies}
        return self._sightings[digest]

    def score(self, task: IndexFile, answer: FileIndexed) -> None:
        """Record the score that a worker computed for a file.

        If the taste's head has changed since then, or if there is no score, add the taste to
        `effects.unscored`.
        """
        if answer.score is not None and task.head is not None:
            packed = scores.pack(answer.digest, *answer.score)
            scores.record(self.txn, task.taste, task.head, packed)
        head = heads.current(self.txn, task.taste)
        if answer.failure:
            return  # The file has no vector, so it cannot have a score.
        if head is not None and (answer.score is None or head.version != task.head):
            self.effects.unscored.add(task.taste)

    def sighting(self, path: bytes, answer: FileIndexed, place: Place) -> None:
        """Record that a file with this digest is at `path`.

        Log the label that follows from the folder of the file. `place`: the watch that contains the
        file, and the role of the folder.
        """
        txn, digest, inbox = self.txn, answer.digest, place.watch.inbox
        before = sightings.find(txn, path)
        same_digest = self._sightings_of(digest)
        copies = [copy for copy in same_digest.values() if copy.path != path]
        self._keep_original(path, answer, before)
        if (
            before is None
            or before.gone_ns
            or before.digest != digest
            or (before.inbox, before.role) != (inbox, place.role)
        ):
            self._label(path, answer, place, copies)
        if before is not None:
            self._sightings_of(before.digest).pop(path, None)
        same_digest[path] = Sighting(path, answer.seen, digest, inbox, place.role)
        sightings.record(txn, same_digest[path])
        for copy in copies:
            if _same_file(copy.seen, answer.seen) and not os.path.lexists(copy.path):
                sightings.forget(txn, copy)  # The file was moved from `copy.path` to `path`.
                del same_digest[copy.path]
                failures.forget(txn, copy.path)
        if place.role == "inbox":
            self.effects.new_files.setdefault(inbox, set()).add(path)
        elif originals.get(txn, digest, path) is not None:
            self.effects.restore.add(FileAt(digest, path))

    def _keep_original(self, path: bytes, answer: FileIndexed, before: Sighting | None) -> None:
        """Keep the original date of a file that was moved, copied or edited.

        After an edit of the file, the original is kept only if the file still has a date that
        imgscore set. Any other date is the user's.
        """
        txn, digest, mtime_ns = self.txn, answer.digest, answer.seen.mtime_ns
        if originals.follow(txn, digest, path, mtime_ns) is not None:
            return
        if before is not None and before.digest != digest:
            edited = originals.get(txn, before.digest, path)
            if edited is not None and originals.is_ours(edited, mtime_ns):
                kept = Original(path, edited.original_ns, mtime_ns, mtime_ns)
                originals.record(txn, digest, kept)
                originals.forget(txn, before.digest, path)

    def _label(
        self, path: bytes, answer: FileIndexed, place: Place, copies: list[Sighting]
    ) -> None:
        """Log the label event that the label rules return for this file, if they return one."""
        taste = place.watch.taste
        label = labels.current(self.txn, taste, answer.digest)
        source = None if label is None else self._label_file(label, answer.digest)
        appearance = Appearance(
            path,
            place.role,
            label,
            label_file_known=source is not None,
            label_file_exists=label is not None and self._may_exist(label.path, source),
            label_file_missed_ns=self.now_ns - source.gone_ns if source and source.gone_ns else 0,
            same_file=source is not None and _same_file(source.seen, answer.seen),
            taught_elsewhere=any(
                copy.role != "inbox" and not copy.gone_ns and self._may_exist(copy.path)
                for copy in copies
            ),
        )
        event = label_event(appearance)
        if event is not None:
            logged = LabelEvent(self.now_ns, taste, answer.digest, event, "place", path)
            share = place.watch.siblings and siblings.shares_place(path, event, label)
            siblings.append_label(self.txn, logged, share=share)
            self.effects.relearn.add(taste)

    def _label_file(self, label: Label, digest: bytes) -> Sighting | TrashedFile | None:
        """Return the stored record of the file that gave a digest its label.

        Return None if there is no such record.
        """
        if label.source == "xdg_trash":
            return trashed_files.find(self.txn, label.path, digest)
        return sightings.find(self.txn, label.path)

    def _may_exist(self, path: bytes, known: Sighting | TrashedFile | None = None) -> bool:
        """Return whether the file at `path` exists now, or may exist on an unplugged disk.

        If the watched folder of the file does not exist, the disk may be unplugged. `known`: the
        stored record of the file.
        """
        folder = known.trash if isinstance(known, TrashedFile) else self.watches.folder(path)
        if not os.path.lexists(path):
            return folder is not None and not os.path.lexists(folder)
        # After a file was restored from the trash, another file in the trash can get the same name.
        return not isinstance(known, TrashedFile) or _is_still(known.seen, fingerprint_of(path))


def _same_file(first: Fingerprint, second: Fingerprint) -> bool:
    return (first.dev, first.ino) == (second.dev, second.ino)


def _is_still(seen: Fingerprint, now: Fingerprint | None) -> bool:
    """Return whether the size and the mtime of a file are unchanged.

    Inode numbers are not compared, because they change on some disks.
    """
    return now is not None and (seen.size, seen.mtime_ns) == (now.size, now.mtime_ns)


def mark_gone(txn: Txn, path: bytes) -> None:
    """Record that no file is at `path` now.

    The file's labels and original dates stay in the store.
    """
    failures.forget(txn, path)
    sighting = sightings.find(txn, path)
    if sighting is not None and not sighting.gone_ns:
        gone = structs.replace(sighting, gone_ns=time.time_ns())
        sightings.record(txn, gone)
