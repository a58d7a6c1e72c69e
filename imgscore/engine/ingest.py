"""Store the answers of workers: the sighting, vector, traits, score, label and original of a file.

One transaction stores a batch of answers. It does no harm to store the same batch twice. After a
crash before the commit, the next scan finds the files again, so no label is lost.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import structs

from imgscore.engine import date_changes
from imgscore.engine.new_files import store_new_files
from imgscore.engine.place_labels import PlaceLabels
from imgscore.engine.stage import Effects
from imgscore.reconcile import identity
from imgscore.reconcile.reachable import is_unreachable
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import (
    failures,
    heads,
    name_vectors,
    originals,
    ratings,
    scores,
    sightings,
    similarity,
    traits,
    vectors,
)
from imgscore.store.schema import (
    Failure,
    FileAt,
    Fingerprint,
    Sighting,
)
from imgscore.store.shifts import NO_SHIFTS, Shifts
from imgscore.store.transaction import Txn
from imgscore.watches import Place, Watches
from imgscore.workers.messages import FileIndexed, IndexFile

# Two scores of an image by one head differ by less than this number, whatever the other images are
# that were scored with it. The rounding errors are about 1e-7.
SAME_SCORE = 1e-5


def ingest_batch(
    txn: Txn,
    batch: Iterable[tuple[IndexFile, FileIndexed]],
    watches: Watches,
    embedder: str,
    decoder: int,
) -> Effects:
    """Store a batch of answers. Return the effects on other stages."""
    batch = list(batch)
    now_ns = time.time_ns()
    effects = Effects()
    known = store_new_files(txn, batch, watches, effects)
    shifts_now = date_changes.observe(txn, known, watches, now_ns) if known else NO_SHIFTS
    ingest = _Ingest(txn, watches, now_ns, effects, shifts_now)
    for task, answer in known:
        place = watches.image_place(task.path)
        if place is not None:
            ingest.sighting(task, answer, place)
            if answer.failure:
                failures.record(txn, _failure(task, answer, decoder))
            else:
                failures.forget(txn, task.path)
    for _, answer in batch:
        if answer.name is not None:
            name_vectors.put(txn, *answer.name)
    described = [(answer.digest, answer.traits) for _, answer in batch if answer.traits is not None]
    traits.record_all(txn, described)
    similarity.enqueue(txn, [digest for digest, _ in described])
    vectors.append(
        txn,
        embedder,
        [(answer.digest, answer.vector) for _, answer in batch if answer.vector is not None],
    )
    _record_scores(txn, batch, effects)
    return ingest.finish()


def _failure(task: IndexFile, answer: FileIndexed, decoder: int) -> Failure:
    why = answer.failure
    assert why is not None
    return Failure(
        task.path, answer.seen, answer.digest, why.reason, why.remedy, decoder, why.retry_ns
    )


def _record_scores(
    txn: Txn, batch: Sequence[tuple[IndexFile, FileIndexed]], effects: Effects
) -> None:
    """Record the scores that workers computed for files.

    If a taste's head has changed since then, or if a score is missing, add the taste to
    `effects.unscored`.
    """
    packed: defaultdict[tuple[str, str], list[bytes]] = defaultdict(list)
    for task, answer in batch:
        if answer.score is not None and task.head is not None:
            packed[task.taste, task.head].append(scores.pack(answer.digest, *answer.score))
    for (taste, head), values in packed.items():
        scores.record(txn, taste, head, b"".join(values))
    in_use = {taste: heads.current(txn, taste) for taste in {task.taste for task, _ in batch}}
    for task, answer in batch:
        if answer.failure:
            continue  # The file has no vector, so it cannot have a score.
        current = in_use[task.taste]
        if current is not None and (answer.score is None or current.version != task.head):
            effects.unscored.add(task.taste)


class _Ingest:
    """A helper that stores one batch in one transaction.

    All records of the batch have the same time.
    """

    def __init__(
        self,
        txn: Txn,
        watches: Watches,
        now_ns: int,
        effects: Effects,
        shifts: Shifts = NO_SHIFTS,
    ) -> None:
        self.txn = txn
        self.shifts = shifts
        self.watches = watches
        self.now_ns = now_ns
        self.effects = effects
        self._sightings: dict[bytes, dict[bytes, Sighting]] = {}
        self._labels = PlaceLabels(txn, watches, now_ns, self._sightings_of)

    def finish(self) -> Effects:
        """Log the labels that follow from the batch, and return the effects of the batch."""
        self._labels.apply()
        self.effects.relearn |= self._labels.relearn
        self.effects.label_changes += self._labels.changes
        return self.effects

    def _sightings_of(self, digest: bytes) -> dict[bytes, Sighting]:
        """Return all sightings of a digest, by path.

        A digest may have thousands of sightings, so they are read only once for each batch.
        """
        if digest not in self._sightings:
            copies = sightings.of_digest(self.txn, digest)
            self._sightings[digest] = {copy.path: copy for copy in copies}
        return self._sightings[digest]

    def sighting(self, task: IndexFile, answer: FileIndexed, place: Place) -> None:
        """Record that a file with this digest is at the path of the task.

        Log the label that follows from the folder of the file. `place`: the watch that contains the
        file, and the role of the folder.
        """
        txn, digest, inbox, path = self.txn, answer.digest, place.watch.inbox, task.path
        before = sightings.find(txn, path)
        same_digest = self._sightings_of(digest)
        copies = [copy for copy in same_digest.values() if copy.path != path]
        moved_from = self._moved_from(path, answer, copies)
        identity.follow(
            txn, digest, path, answer.seen.mtime_ns, moved_from=moved_from, known=self.shifts
        )
        is_new = (
            before is None
            or bool(before.gone_ns)
            or before.digest != digest
            or (before.inbox, before.role) != (inbox, place.role)
        )
        if before is not None:
            self._sightings_of(before.digest).pop(path, None)
        same_digest[path] = Sighting(path, answer.seen, digest, inbox, place.role)
        sightings.record(txn, same_digest[path])
        moved = [
            copy
            for copy in copies
            if _same_file(copy.seen, answer.seen) and not os.path.lexists(copy.path)
        ]
        for copy in moved:  # The file was moved from `copy.path` to `path`.
            sightings.forget(txn, copy)
            ratings.follow(txn, copy.path, path, digest)
            del same_digest[copy.path]
            failures.forget(txn, copy.path)
        # If the file was in several folders, the last one in a keep or trash folder counts.
        moved.sort(key=lambda copy: (copy.role != "inbox", not copy.gone_ns, copy.gone_ns))
        if is_new:
            origin = moved[-1] if moved else None
            self._labels.appeared(path, digest, answer.seen, place, before=before, origin=origin)
        for copy in moved if not is_new else ():
            self._labels.left(copy)
        if place.watch.ratings:
            is_known = before is not None and not before.gone_ns and not moved
            replaced = before is not None and before.digest != digest
            if replaced:
                is_known = not moved and self._labels.are_saved_bytes(digest, before)
            if replaced and not is_known:
                # Another image was moved or copied to this path.
                ratings.forget_other(txn, path, digest)
            ratings.enqueue(txn, path, new=not is_known)
            self.effects.unrated.add(path)
        if place.role == "inbox":
            if before != same_digest[path] or not self._has_its_score(task, answer):
                self.effects.new_files.setdefault(inbox, set()).add(path)
        elif (held := originals.get(txn, digest, path)) is not None and not held.is_restored:
            self.effects.restore.add(FileAt(digest, path))

    def _has_its_score(self, task: IndexFile, answer: FileIndexed) -> bool:
        """Return whether the store has this score already, so that the order contains the file."""
        if task.head is None or answer.score is None:
            return False
        known = scores.get(self.txn, task.taste, task.head, answer.digest)
        return known is not None and abs(known[0] - answer.score[0]) < SAME_SCORE

    def gone(self, path: bytes) -> None:
        """Record that no file is at `path` now, unless the path is not reachable or in use."""
        sighting = sightings.find(self.txn, path)
        if sighting is None or sighting.gone_ns:
            failures.forget(self.txn, path)
            return
        if fingerprint_of(path) is not None:
            return
        if is_unreachable(self.watches, path, sighting.seen.dev):
            return
        failures.forget(self.txn, path)
        gone = structs.replace(sighting, gone_ns=self.now_ns)
        sightings.record(self.txn, gone)
        self._sightings_of(gone.digest)[path] = gone
        self._labels.left(sighting)

    def _moved_from(self, path: bytes, answer: FileIndexed, copies: list[Sighting]) -> bytes | None:
        """Return the path at which the inode of a file was last seen. None: no other path."""
        return next(
            (
                copy.path
                for copy in copies
                if _same_file(copy.seen, answer.seen) and not os.path.lexists(copy.path)
            ),
            None,
        )


def _same_file(first: Fingerprint, second: Fingerprint) -> bool:
    return (first.dev, first.ino) == (second.dev, second.ino)


def mark_gone(txn: Txn, paths: Iterable[bytes], watches: Watches) -> Effects:
    """Record that no files are at `paths` now. Return the effects on other stages.

    The original dates of the files stay in the store. Labels change if another copy of an image
    remains, as reconcile/label_rules.py describes. A path whose disk may not be mounted, or that
    contains a file again, is skipped.
    """
    ingest = _Ingest(txn, watches, time.time_ns(), Effects())
    for path in paths:
        ingest.gone(path)
    return ingest.finish()
