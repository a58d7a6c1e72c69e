"""Store the answers of workers: sighting, vector, traits, score, label, original.

One transaction stores a batch. Storing it twice is safe: a crash before the commit loses work, but
no label.
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
    """Store a batch of answers; returns the effects on other stages."""
    ingest = _Ingest(txn, watches, time.time_ns())
    new_vectors: list[tuple[bytes, bytes]] = []
    for task, answer in batch:
        place = watches.locate(task.path)
        if place is not None:
            ingest.sighting(task.path, answer, place)
            if answer.failure:
                reason, remedy = answer.failure.reason, answer.failure.remedy
                failure = Failure(task.path, answer.seen, answer.digest, reason, remedy, decoder)
                failures.record(txn, failure)
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
    """The ingestion of one batch, in one transaction and at one moment."""

    def __init__(self, txn: Txn, watches: Watches, now_ns: int) -> None:
        self.txn = txn
        self.watches = watches
        self.now_ns = now_ns
        self.effects = Effects()
        self._sightings: dict[bytes, dict[bytes, Sighting]] = {}

    def _sightings_of(self, digest: bytes) -> dict[bytes, Sighting]:
        """Every sighting of a digest, by path. There may be thousands: read once a batch."""
        if digest not in self._sightings:
            copies = sightings.of_digest(self.txn, digest)
            self._sightings[digest] = {copy.path: copy for copy in copies}
        return self._sightings[digest]

    def score(self, task: IndexFile, answer: FileIndexed) -> None:
        """Record the worker's score, and note a taste whose current head did not give it."""
        if answer.score is not None and task.head is not None:
            packed = scores.pack(answer.digest, *answer.score)
            scores.record(self.txn, task.taste, task.head, packed)
        head = heads.current(self.txn, task.taste)
        if answer.failure:
            return  # the file has no vector, and can have no score
        if head is not None and (answer.score is None or head.version != task.head):
            self.effects.unscored.add(task.taste)

    def sighting(self, path: bytes, answer: FileIndexed, place: Place) -> None:
        """Record where a digest is now, and the label that follows from the place."""
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
                sightings.forget(txn, copy)  # it was moved here
                del same_digest[copy.path]
                failures.forget(txn, copy.path)
        if place.role == "inbox":
            self.effects.new_files.setdefault(inbox, set()).add(path)
        elif originals.get(txn, digest, path) is not None:
            self.effects.restore.add(FileAt(digest, path))

    def _keep_original(self, path: bytes, answer: FileIndexed, before: Sighting | None) -> None:
        """Let the original follow the file through moves, copies, and edits that keep the mtime."""
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
        """Log the label event that the label rules give for this appearance, if any."""
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
        """The last record of the file that gave a digest its label."""
        if label.source == "xdg_trash":
            return trashed_files.find(self.txn, label.path, digest)
        return sightings.find(self.txn, label.path)

    def _may_exist(self, path: bytes, known: Sighting | TrashedFile | None = None) -> bool:
        """Whether a file exists, or its watched folder is missing, as with an unplugged disk."""
        folder = known.trash if isinstance(known, TrashedFile) else self.watches.folder(path)
        if not os.path.lexists(path):
            return folder is not None and not os.path.lexists(folder)
        # In the trash, another file can take the name of a restored one.
        return not isinstance(known, TrashedFile) or _is_still(known.seen, fingerprint_of(path))


def _same_file(first: Fingerprint, second: Fingerprint) -> bool:
    return (first.dev, first.ino) == (second.dev, second.ino)


def _is_still(seen: Fingerprint, now: Fingerprint | None) -> bool:
    """Whether the file is unchanged, also on a disk whose inode numbers change."""
    return now is not None and (seen.size, seen.mtime_ns) == (now.size, now.mtime_ns)


def mark_gone(txn: Txn, path: bytes) -> None:
    """Record that nothing is at `path` now. Labels and originals stay."""
    failures.forget(txn, path)
    sighting = sightings.find(txn, path)
    if sighting is not None and not sighting.gone_ns:
        gone = structs.replace(sighting, gone_ns=time.time_ns())
        sightings.record(txn, gone)
