"""From a hint to the store: scan, settle, queue, hand to a worker, take in what it found."""

import logging
import os
import time
from collections.abc import Iterator

from imgscore.engine import ingest
from imgscore.engine.context import EngineContext
from imgscore.engine.ingest import Effects
from imgscore.engine.reembed import Reembedding
from imgscore.engine.tickets import IndexTicket
from imgscore.engine.trash import TrashMonitor
from imgscore.images.formats import is_image_name
from imgscore.images.version import DECODER_VERSION
from imgscore.reconcile.debounce import Hints, IndexQueue, Urgency
from imgscore.reconcile.scan import ScanBatch, scan
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import failures, sightings
from imgscore.store.schema import Failure, Fingerprint
from imgscore.store.transaction import Txn
from imgscore.watches import within
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    ModelUnavailable,
    Refused,
    Unreadable,
)
from imgscore.workers.pool import NoWorkerError

logger = logging.getLogger(__name__)

# Looks are committed together: a commit waits for the disk.
BATCH = 64
BATCH_SECONDS = 0.5

# Each compares all that the store knows: beyond so many folders, as from an archive that is
# unpacked, one look at everything costs less.
MAX_SCANS = 16

CRASH_REMEDY = "open it in an image program and save it again, or move it elsewhere"


class Indexer:
    """Knows what is still to be looked at. Times are seconds of the monotonic clock."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self.hints = Hints(ctx.config.daemon.settle)
        self.offline: set[bytes] = set()
        """roots that are not there"""
        self._queue = IndexQueue()
        self._out: dict[bytes, bool] = {}
        """paths that a worker holds → whether to look again after its answer"""
        self._asked: dict[bytes, list[IndexTicket]] = {}
        self._expects = False
        """whether a file is about to be looked at, once it has held still"""
        self.indexed = 0
        """files taken in since the start"""
        self._scans: list[tuple[bytes, Iterator[ScanBatch]]] = []
        self._found: list[tuple[IndexFile, FileIndexed]] = []
        self._found_since = 0.0
        self.reembedding = Reembedding(ctx)
        self.trash_monitor = TrashMonitor(ctx, self.ask)

    # ---- hints

    def embed_missing(self) -> None:
        """Embed what lacks a vector under the embedder in use, after all that is more urgent."""
        for path in self.reembedding.collect():
            self._queue.add(path, "again")

    def hint(self, path: bytes) -> None:
        """Something may have happened at `path`, a file or nothing."""
        if is_image_name(os.path.split(path)[1]) and not self.ctx.watches.hides(path):
            self.hints.add(path, time.monotonic())
            if not self._expects and not self.ctx.pool.alive:
                seen = fingerprint_of(path)
                self._expects = seen is not None and self._is_news(path, seen)

    def hint_tree(self, root: bytes) -> None:
        """Anything may have happened under `root`."""
        if self.ctx.watches.hides(root + b"/"):
            return
        self.trash_monitor.hint()
        if any(within(root, one) for one, _ in self._scans[1:]):
            return  # none but the first has begun
        self._scans = [(one, scan) for one, scan in self._scans if not within(one, root)]
        if len(self._scans) >= MAX_SCANS and root not in self.ctx.watches.roots():
            self.hint_all()
            return
        slices = scan(self.ctx.store, self.ctx.watches, root, DECODER_VERSION)
        self._scans.append((root, slices))

    def hint_all(self) -> None:
        """Compare everything watched with the store."""
        for root in self.ctx.watches.roots():
            self.hint_tree(root)

    def ask(self, path: bytes, taste: str) -> IndexTicket:
        """Look at a file now, wherever it lies; the same goes on as with a hint."""
        ticket = IndexTicket(path, taste)
        self._asked.setdefault(path, []).append(ticket)
        if path not in self._out:
            self._queue.add(path, "asked")
        return ticket

    # ---- state

    @property
    def pending(self) -> int:
        """How many files and scans are still to be done."""
        waiting = len(self.hints) + len(self._queue)
        waiting += len(self._out) + len(self._scans) + len(self._found)
        return waiting + self.trash_monitor.pending

    def is_online(self, folder: bytes) -> bool:
        """Whether the last scan found the folder there."""
        return not any(within(folder, root) for root in self.offline)

    @property
    def indexing(self) -> bool:
        """Whether files are on their way through the workers."""
        return bool(len(self._queue) or self._out or self._found)

    @property
    def teaching(self) -> bool:
        """Whether files that teach are not in the store yet: training waits for them."""
        if self._queue.waiting("teaches"):
            return True
        under_way = [*self._out, *(task.path for task, _ in self._found)]
        return any(self._urgency(path) == "teaches" for path in under_way)

    def next_time(self, now: float, *, saving: bool = False) -> float | None:
        """When `advance` has something to do."""
        queued = self._queue.has("teaches" if saving else "again")
        if self._scans or (queued and self.ctx.pool.has_room()):
            return now
        times = [self.hints.next_due(), self.trash_monitor.next_time(now, saving=saving)]
        if self._found:
            times.append(self._found_since + BATCH_SECONDS if self._out else now)
        return min((time for time in times if time is not None), default=None)

    # ---- the work

    def advance(self, now: float, *, asked_only: bool = False, saving: bool = False) -> Effects:
        """Do what can be done without waiting; returns what follows from what was taken in.

        With `asked_only` (a pause), only what someone waits for is looked at; `saving` power, what
        teaches too: those are few, and get their own date back.
        """
        if not asked_only:
            self._scan_slice(now)
            self._look_at_hints(now)
            if self._expects and not saving:
                self.ctx.pool.warm_up()
            self._expects = False
        self._hand_out("asked" if asked_only else "teaches" if saving else "again")
        effects = self._commit_found(now)
        if not asked_only:
            effects.relearn |= self.trash_monitor.advance(now, saving=saving)
        return effects

    def _scan_slice(self, now: float) -> None:
        if not self._scans:
            return
        root, slices = self._scans[0]
        part = next(slices, None)
        if part is None:
            self._scans.pop(0)
            return
        if part.offline:
            self.offline.add(root)
        elif root in self.offline:
            self.offline.discard(root)
            self.embed_missing()
        for path in part.changed:
            self.hints.add(path, now - self.hints.settle)
        self._expects |= bool(part.changed)
        if part.gone:
            self._gone(part.gone)
        for folder in part.unlisted:
            reason = f"cannot be listed: {folder.reason}"
            self._fail(folder.path, reason, "check the folder's permissions")
        self.ctx.changed()

    def _look_at_hints(self, now: float) -> None:
        gone: list[bytes] = []
        for path, seen in self.hints.ready(now, time.time_ns(), fingerprint_of):
            if path in self._out:
                self._out[path] = True
            elif seen is None:
                gone.append(path)
            elif self._is_news(path, seen):
                self._queue.add(path, self._urgency(path))
                self.ctx.changed()
        if gone:
            self._gone(gone)

    def _gone(self, paths: list[bytes]) -> None:
        def mark(txn: Txn) -> None:
            for path in paths:
                ingest.mark_gone(txn, path)

        self.ctx.store.commit(mark)
        self.trash_monitor.hint()
        self.reembedding.done(paths)
        self.ctx.changed()

    def _is_news(self, path: bytes, seen: Fingerprint) -> bool:
        """Whether the store does not know the file as it is now."""
        place = self.ctx.watches.locate(path)
        with self.ctx.store.read() as txn:
            failure = failures.find(txn, path)
            known = sightings.find(txn, path)
        if failure is not None:
            return failure.seen != seen or failure.decoder != DECODER_VERSION
        return (
            known is None
            or place is None
            or bool(known.gone_ns)
            or known.seen != seen
            or path in self.reembedding
            or (known.inbox, known.role) != (place.watch.inbox, place.role)
        )

    def _hand_out(self, last: Urgency) -> None:
        if not len(self._queue) or not self.ctx.pool.has_room():
            return
        watches = self.ctx.watches
        heads = {watch.taste: self.ctx.head(watch.taste) for watch in watches.all}
        while self.ctx.pool.has_room():
            path = self._queue.take(last)
            if path is None:
                return
            place, asked = watches.locate(path), self._asked.get(path)
            if place is not None or asked:
                taste = asked[0].taste if asked else place.watch.taste if place else ""
                head = heads[taste] if taste in heads else self.ctx.head(taste)
                try:
                    self.ctx.pool.submit(IndexFile(path, taste, head or None))
                except NoWorkerError:
                    self._queue.add(path, self._urgency(path))
                    raise
                self._out[path] = False

    def _urgency(self, path: bytes) -> Urgency:
        """Why a path is to be looked at."""
        if path in self._asked:
            return "asked"
        place = self.ctx.watches.locate(path)
        return "inbox" if place is None or place.role == "inbox" else "teaches"

    def take(self, task: IndexFile, answer: Answer) -> None:
        """A worker's answer: kept until the next commit."""
        again = self._out.pop(task.path, False)
        asked = self._asked.pop(task.path, [])
        for ticket in asked:
            if ticket.taste == task.taste:
                ticket.answer = answer
        others = [ticket for ticket in asked if ticket.answer is None]
        if others:  # the score is one taste's
            self._asked[task.path] = others
            self._queue.add(task.path, "asked")
        match answer:
            case FileIndexed():
                if not self._found:
                    self._found_since = time.monotonic()
                self._found.append((task, answer))
                self.indexed += 1
                logger.debug("%s %s", "embedded" if answer.vector else "knew", answer.digest.hex())
            case ModelUnavailable():
                if self.ctx.watches.locate(task.path) is not None:
                    self._queue.add(task.path, self._urgency(task.path))
            case _ if self.ctx.watches.locate(task.path) is None:
                again = False  # not ours to follow: whoever asked has the answer
            case Unreadable(reason, remedy) | Refused(reason, remedy):
                self._fail(task.path, reason, remedy)
            case Crashed(reason):
                self._fail(task.path, reason, CRASH_REMEDY)
            case _:
                again = True
        if again:
            self.hints.add(task.path, time.monotonic())

    def _fail(self, path: bytes, reason: str, remedy: str) -> None:
        seen = fingerprint_of(path) or Fingerprint(0, 0, 0, 0, 0)
        failure = Failure(path, seen, b"", reason, remedy, DECODER_VERSION)
        self.ctx.store.commit(lambda txn: failures.record(txn, failure))
        self.reembedding.done([path])

    def _commit_found(self, now: float) -> Effects:
        waited = now - self._found_since >= BATCH_SECONDS
        more = bool(self._out)
        if not self._found or (len(self._found) < BATCH and not waited and more):
            return Effects()
        ctx, batch = self.ctx, self._found
        done = ctx.store.commit(
            lambda txn: ingest.ingest_batch(
                txn, batch, ctx.watches, ctx.embedder.image_embedder, DECODER_VERSION
            )
        )
        self._found = []
        self.reembedding.done(task.path for task, _ in batch)
        ctx.changed()
        return done
