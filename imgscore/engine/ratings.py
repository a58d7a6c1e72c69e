"""Follow the ratings that other programs store in images, sidecars and extended attributes.

Only watches with the setting `ratings` are followed. A worker reads the ratings, because the files
are untrusted. The rules are in reconcile/rating_rules.py; rating_labels.py logs the labels.
"""

import logging
import os
import time

from imgscore.engine import rating_labels
from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.engine.tickets import RatingTicket
from imgscore.images.ratings import names
from imgscore.reconcile.debounce import Hints
from imgscore.reconcile.walk import fingerprint_of, is_skipped
from imgscore.store import ratings
from imgscore.store.transaction import Txn
from imgscore.workers.messages import (
    Answer,
    Crashed,
    Interrupted,
    ModelUnavailable,
    Refused,
    Unreadable,
)
from imgscore.workers.rating_messages import RatingsRead, ReadRatings

logger = logging.getLogger(__name__)

PREFETCH = 8
"""The largest number of images whose ratings the workers read at a time. Reading takes 0.2 ms, so
that this number delays no new image."""
BATCH, BATCH_SECONDS = 512, 0.2
"""The largest number of images of one commit, which waits for the disk, and the seconds until a
smaller commit."""


class RatingReader(Stage[ReadRatings]):
    """The stage that reads ratings, with all images whose ratings must be read."""

    handles = (ReadRatings,)
    needs_space = True

    def __init__(self, ctx: EngineContext, txn: Txn) -> None:
        self.ctx = ctx
        self.is_used = any(watch.ratings for watch in ctx.watches.all)
        self._hints = Hints(ctx.config.daemon.settle)
        """the sidecars that may have changed"""
        self._queue: dict[bytes, None] = dict.fromkeys(ratings.queued(txn) if self.is_used else ())
        """the images whose ratings must be read. A dict keeps the order."""
        self._out: dict[bytes, bool] = {}
        """the images whose ratings a worker reads now. True: they must be read once more."""
        self._results: list[tuple[bytes, RatingsRead | None]] = []
        self._results_since = 0.0
        self._asked: dict[bytes, list[RatingTicket]] = {}
        self._problems: dict[bytes, str] = {}
        """the last problem of each file that cannot be read, so that it is logged once"""

    # ---- requests to read ratings

    def hint(self, path: bytes) -> None:
        """Read a sidecar soon, if `path` is one. It may be new, changed or deleted."""
        if self.is_used and names.is_sidecar(os.path.basename(path)) and self._follows(path):
            self._hints.add(path, time.monotonic())

    def ask(self, path: bytes) -> RatingTicket:
        """Read the ratings of an image in any folder soon, and return a ticket. Log no label."""
        ticket = RatingTicket(path)
        self._asked.setdefault(path, []).append(ticket)
        self._add(path)
        return ticket

    def receive(self, effects: Effects) -> None:
        """Read the ratings of new and changed images, and the sidecars that a scan has found."""
        for path in effects.unrated:
            self._add(path)
        for path in effects.sidecars:
            self.hint(path)

    def recover(self) -> None:
        """Read again the ratings that were not stored."""
        self._results.clear()
        with self.ctx.store.read() as txn:
            for path in ratings.queued(txn):
                self._add(path)

    def retry(self, task: ReadRatings) -> None:
        """Read the ratings of an image again, because the answer could not be stored."""
        self._out.pop(task.path, None)
        self._add(task.path)

    def _add(self, path: bytes) -> None:
        if path in self._out:
            self._out[path] = True
        else:
            self._queue[path] = None

    def _follows(self, path: bytes) -> bool:
        place = self.ctx.watches.locate(path)
        return place is not None and place.watch.ratings and not is_skipped(self.ctx.watches, path)

    # ---- state

    @property
    def pending(self) -> int:
        """The number of images and sidecars that are not finished."""
        return len(self._hints) + len(self._queue) + len(self._out) + len(self._results)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the engine must call `advance` again, in monotonic seconds."""
        times: list[float | None] = []
        if self._next(conditions) is not None:
            return conditions.now
        if self._results:
            times.append(self._results_since + BATCH_SECONDS if self._out else conditions.now)
        if not conditions.paused:
            times.append(self._hints.next_due())
        return min((time for time in times if time is not None), default=None)

    def _next(self, conditions: Conditions) -> bytes | None:
        """Return the next image for a worker. During a pause, only clients ask for images."""
        if not self._queue or len(self._out) >= PREFETCH or not self.ctx.pool.has_room():
            return None
        if conditions.paused:
            return next((path for path in self._asked if path in self._queue), None)
        return next(iter(self._queue))

    # ---- reading, storing

    def advance(self, conditions: Conditions) -> Effects | None:
        """Send images to workers, and store the ratings that the workers have read."""
        if not conditions.paused:
            self._compare_sidecars(conditions.now)
        while (path := self._next(conditions)) is not None:
            if not self.ctx.pool.submit(ReadRatings(path)):
                break
            del self._queue[path]
            self._out[path] = False
        return self._commit_results(conditions.now)

    def _compare_sidecars(self, now: float) -> None:
        """Find the images of the sidecars whose last event is older than the settle time."""
        ready = list(self._hints.ready(now, time.time_ns(), fingerprint_of))
        if not ready:
            return
        orphans: list[bytes] = []
        with self.ctx.store.read() as txn:
            for path, seen in ready:
                packed = b"" if seen is None else seen.packed()
                if seen is not None and not ratings.changed_sidecars(txn, [(path, packed)]):
                    continue
                images = list(rating_labels.images_of(txn, path))
                orphans += [] if images else [path]
                for image in images:
                    self._add(image)

        def record(txn: Txn) -> None:
            for path in orphans:
                ratings.record_sidecar(txn, path, fingerprint_of(path))

        if orphans:
            self.ctx.store.commit(record)
        self.ctx.changed()

    def take(self, task: ReadRatings, answer: Answer) -> None:
        """Keep a worker's answer for the next commit, and put it into the tickets of the image."""
        path = task.path
        if self._out.pop(path, False) or isinstance(answer, Interrupted | ModelUnavailable):
            self._queue[path] = None
            if isinstance(answer, Interrupted | ModelUnavailable):
                return
        for ticket in self._asked.pop(path, ()):
            ticket.answer = answer
        match answer:
            case RatingsRead():
                self._keep(path, answer)
                for source in answer.sources:
                    self._report(source.path, source.problem)
            case Crashed(reason) | Refused(reason, _) | Unreadable(reason, _):
                self._report(path, reason)
                self._keep(path, None)
            case _:  # The file is gone.
                self._keep(path, None)

    def _keep(self, path: bytes, answer: RatingsRead | None) -> None:
        """Keep the ratings of an image for the next commit. None: they cannot be read."""
        if not self.is_used or not self._follows(path):
            return  # Only a ticket needed the answer.
        if not self._results:
            self._results_since = time.monotonic()
        self._results.append((path, answer))

    def _report(self, path: bytes, problem: str) -> None:
        if problem and self._problems.get(path) != problem:
            logger.warning("the rating in %s is not read: %s", os.fsdecode(path), problem)
        if problem:
            self._problems[path] = problem
        else:
            self._problems.pop(path, None)

    def _commit_results(self, now: float) -> Effects | None:
        waited = now - self._results_since >= BATCH_SECONDS
        if not self._results or (len(self._results) < BATCH and not waited and self._out):
            return None
        batch, watches = self._results, self.ctx.watches
        effects = self.ctx.store.commit(
            lambda txn: rating_labels.store_batch(txn, batch, watches, time.time_ns())
        )
        self._results = []
        self.ctx.changed()
        if effects.label_changes:
            logger.info("labels from ratings: %d", len(effects.label_changes))
        return effects
