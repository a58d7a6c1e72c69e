"""What a worker found goes into the store: sighting, vector, traits, score, label, original.

All of one batch in one transaction, and safe to do twice: a crash before the commit loses work,
never a fact.
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
    """Store a batch of answers; returns what follows from it."""
    ingest = _Ingest(txn, watches, time.time_ns())
    new_vectors: list[tuple[bytes, bytes]] = []
    for task, looked in batch:
        place = watches.locate(task.path)
        if place is not None:
            ingest.head_input(task.path, looked, place)
            if looked.failure:
                reason, remedy = looked.failure.reason, looked.failure.remedy
                failure = Failure(task.path, looked.seen, looked.digest, reason, remedy, decoder)
                failures.record(txn, failure)
            else:
                failures.forget(txn, task.path)
        if looked.vector is not None:
            new_vectors.append((looked.digest, looked.vector))
        if looked.name is not None:
            name_vectors.put(txn, *looked.name)
        if looked.traits is not None:
            traits.record(txn, looked.digest, looked.traits)
        ingest.score(task, looked)
    vectors.append(txn, embedder, new_vectors)
    return ingest.effects


class _Ingest:
    """One batch, one transaction, one moment."""

    def __init__(self, txn: Txn, watches: Watches, now_ns: int) -> None:
        self.txn = txn
        self.watches = watches
        self.now_ns = now_ns
        self.effects = Effects()
        self._known: dict[bytes, dict[bytes, Sighting]] = {}

    def _twins(self, digest: bytes) -> dict[bytes, Sighting]:
        """Every sighting of a digest, by path; read once a batch, for there may be thousands."""
        if digest not in self._known:
            found = sightings.of_digest(self.txn, digest)
            self._known[digest] = {one.path: one for one in found}
        return self._known[digest]

    def score(self, task: IndexFile, looked: FileIndexed) -> None:
        """Record the worker's score, and notice where it is not the current head's."""
        if looked.score is not None and task.head is not None:
            packed = scores.pack(looked.digest, *looked.score)
            scores.record(self.txn, task.taste, task.head, packed)
        head = heads.current(self.txn, task.taste)
        if looked.failure:
            return  # no vector, no score
        if head is not None and (looked.score is None or head.version != task.head):
            self.effects.unscored.add(task.taste)

    def head_input(self, path: bytes, looked: FileIndexed, place: Place) -> None:
        """Record where a digest is now, and what follows from the place."""
        txn, digest, inbox = self.txn, looked.digest, place.watch.inbox
        before = sightings.find(txn, path)
        twins = self._twins(digest)
        others = [one for one in twins.values() if one.path != path]
        self._keep_original(path, looked, before)
        if (
            before is None
            or before.gone_ns
            or before.digest != digest
            or (before.inbox, before.role) != (inbox, place.role)
        ):
            self._label(path, looked, place, others)
        if before is not None:
            self._twins(before.digest).pop(path, None)
        twins[path] = Sighting(path, looked.seen, digest, inbox, place.role)
        sightings.record(txn, twins[path])
        for other in others:
            if _same_file(other.seen, looked.seen) and not os.path.lexists(other.path):
                sightings.forget(txn, other)  # it was moved here
                del twins[other.path]
                failures.forget(txn, other.path)
        if place.role == "inbox":
            self.effects.new_files.setdefault(inbox, set()).add(path)
        elif originals.get(txn, digest, path) is not None:
            self.effects.restore.add(FileAt(digest, path))

    def _keep_original(self, path: bytes, looked: FileIndexed, before: Sighting | None) -> None:
        """Let the user's own mtime follow the file through moves, copies and edits that keep it."""
        txn, digest, mtime_ns = self.txn, looked.digest, looked.seen.mtime_ns
        if originals.follow(txn, digest, path, mtime_ns) is not None:
            return
        if before is not None and before.digest != digest:
            edited = originals.get(txn, before.digest, path)
            if edited is not None and originals.is_ours(edited, mtime_ns):
                kept = Original(path, edited.original_ns, mtime_ns, mtime_ns)
                originals.record(txn, digest, kept)
                originals.forget(txn, before.digest, path)

    def _label(
        self, path: bytes, looked: FileIndexed, place: Place, others: list[Sighting]
    ) -> None:
        """Ask the label rules what this appearance means, and log it."""
        taste = place.watch.taste
        label = labels.current(self.txn, taste, looked.digest)
        source = None if label is None else self._where(label, looked.digest)
        appearance = Appearance(
            path,
            place.role,
            label,
            label_file_known=source is not None,
            label_file_exists=label is not None and self._may_exist(label.path, source),
            label_file_missed_ns=self.now_ns - source.gone_ns if source and source.gone_ns else 0,
            same_file=source is not None and _same_file(source.seen, looked.seen),
            taught_elsewhere=any(
                one.role != "inbox" and not one.gone_ns and self._may_exist(one.path)
                for one in others
            ),
        )
        event = label_event(appearance)
        if event is not None:
            logged = LabelEvent(self.now_ns, taste, looked.digest, event, "place", path)
            share = place.watch.siblings and siblings.shares_place(path, event, label)
            siblings.append_label(self.txn, logged, share=share)
            self.effects.relearn.add(taste)

    def _where(self, label: Label, digest: bytes) -> Sighting | TrashedFile | None:
        """What was last seen of the file that gave a digest's label."""
        if label.source == "xdg_trash":
            return trashed_files.find(self.txn, label.path, digest)
        return sightings.find(self.txn, label.path)

    def _may_exist(self, path: bytes, known: Sighting | TrashedFile | None = None) -> bool:
        """Whether a file is there, or behind a place that is missing: a disk that is unplugged."""
        folder = known.trash if isinstance(known, TrashedFile) else self.watches.folder(path)
        if not os.path.lexists(path):
            return folder is not None and not os.path.lexists(folder)
        # In the trash another file takes the name of one that was restored.
        return not isinstance(known, TrashedFile) or _is_still(known.seen, fingerprint_of(path))


def _same_file(one: Fingerprint, other: Fingerprint) -> bool:
    return (one.dev, one.ino) == (other.dev, other.ino)


def _is_still(seen: Fingerprint, now: Fingerprint | None) -> bool:
    """Whether this is what was seen, also on a disk that numbers its files anew."""
    return now is not None and (seen.size, seen.mtime_ns) == (now.size, now.mtime_ns)


def mark_gone(txn: Txn, path: bytes) -> None:
    """Nothing is at `path` now. Labels and originals stay."""
    failures.forget(txn, path)
    sighting = sightings.find(txn, path)
    if sighting is not None and not sighting.gone_ns:
        gone = structs.replace(sighting, gone_ns=time.time_ns())
        sightings.record(txn, gone)
