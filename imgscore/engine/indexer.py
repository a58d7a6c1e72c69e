"""Index files: find changed files, send them to workers, and store the answers of the workers.

A file is sent to a worker only after it has stayed unchanged for the settle time. The worker hashes
and embeds the file.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial

from imgscore.engine.changed_file import differs_from_store
from imgscore.engine.context import EngineContext
from imgscore.engine.folder_scans import FolderScans
from imgscore.engine.index_events import index_event, indexed_event
from imgscore.engine.index_results import IndexResults
from imgscore.engine.index_run import IndexRun
from imgscore.engine.index_tasks import index_tasks
from imgscore.engine.left_alone import LeftAlone
from imgscore.engine.missing_files import MissingFiles
from imgscore.engine.reembed import Reembedding
from imgscore.engine.retries import Retries
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.engine.tickets import AskedFiles, IndexTicket
from imgscore.engine.urgency import least_urgent
from imgscore.images.formats import is_image_name, is_unfinished_name
from imgscore.images.version import DECODER_VERSION
from imgscore.reconcile.debounce import Hints, IndexQueue, Urgency
from imgscore.reconcile.scan import ChangedFile
from imgscore.reconcile.walk import fingerprint_of, is_skipped
from imgscore.store import failures
from imgscore.store.schema import Failure, Fingerprint
from imgscore.store.transaction import Txn
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    ModelUnavailable,
    Refused,
    Unreadable,
)

logger = logging.getLogger(__name__)

# The number of files that wait for workers from which the other stages get their turn less often.
BACKLOG = 64

CRASH_REMEDY = "open the file in an image program and save it again, or move it elsewhere"


class Indexer(Stage[IndexFile]):
    """The stage that indexes files, with all files and folders that must be indexed."""

    handles = (IndexFile,)
    needs_space = True

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self.hints = Hints(ctx.config.daemon.settle)
        self._queue = IndexQueue()
        self._out: dict[bytes, bool] = {}
        """the paths that workers process now. Maps each path to a flag. True means that the file is
        compared with the store again after the worker's answer."""
        self._teaching: set[bytes] = set()
        """the labelled files that a worker processes, or whose answers wait for the next commit"""
        self._asked = AskedFiles()
        self._expects = False
        """whether some changed file will be sent to a worker after its settle time"""
        self.indexed = 0
        """the number of files indexed since the start"""
        self._scans = FolderScans(ctx)
        self._results = IndexResults(ctx)
        self._found = Effects()  # what scans have found for other stages
        self.retries = Retries(ctx.store)
        self.left_alone = LeftAlone(ctx.store, ctx.watches)
        self._missing = MissingFiles(ctx)
        self._run = IndexRun(ctx)
        self.reembedding = Reembedding(ctx)

    # ---- requests to check or index files

    def embed_missing(self) -> None:
        """Queue the files without a vector under the embedder in use, with the lowest urgency."""
        for path in self.reembedding.collect():
            self._queue.add(path, "again")

    def hint(self, path: bytes) -> None:
        """Compare a file with the store soon. The file may be new, changed or deleted."""
        if not is_image_name(os.path.split(path)[1]):
            self.left_alone.hint(path, time.monotonic())
        elif not is_skipped(self.ctx.watches, path):
            self.hints.add(path, time.monotonic())
            idle = not self._expects and not self.ctx.pool.alive
            if idle and (seen := fingerprint_of(path)) is not None:
                with self.ctx.store.read() as txn:
                    self._expects = self._has_changed(txn, path, seen)

    def hint_tree(self, root: bytes) -> None:
        """Schedule a scan that compares all files under the folder `root` with the store."""
        if is_skipped(self.ctx.watches, root + b"/"):
            return
        self._found.trash_changed = True
        self._scans.add(root)

    def hint_all(self) -> None:
        """Schedule scans that compare all watched folders with the store."""
        for root in self.ctx.watches.roots():
            self.hint_tree(root)

    def recheck_unread(self) -> None:
        """Index the unreadable files that have changed, for example their permissions."""
        for path in self.retries.changed_unread():
            self.hints.add(path, time.monotonic())

    def retry_unread(self, root: bytes) -> None:
        """Index again the files under `root` that no worker could read, or that crashed workers."""
        for path in self.retries.unread_in(root):
            self._queue.add(path, self._urgency(path))

    def ask(self, path: bytes, taste: str) -> IndexTicket:
        """Index a file soon, and return a ticket. The file may be in any folder.

        The worker's answer is put into the ticket, and the results are stored.
        """
        ticket = IndexTicket(path, taste)
        if is_unfinished_name(os.path.basename(path)):
            ticket.answer = Refused("an unfinished download", "wait until it is finished")
            return ticket
        self._asked.add(ticket)
        if path not in self._out:
            self._queue.add(path, "asked")
        return ticket

    def receive(self, effects: Effects) -> None:
        """Compare files with the store. Another stage has found that they have changed."""
        for path in effects.changed:
            self.hint(path)

    def recover(self) -> None:
        """Scan all folders: a scan finds the files whose processing was lost."""
        self.hint_all()

    def retry(self, task: IndexFile) -> None:
        """Index the file again, because the worker's answer could not be stored."""
        self._out.pop(task.path, None)
        self._teaching.discard(task.path)
        self.hint(task.path)

    # ---- state

    @property
    def pending(self) -> int:
        """The number of files and scans that are not finished."""
        waiting = len(self.hints) + len(self._queue)
        return waiting + len(self._out) + len(self._scans) + len(self._results) + len(self._missing)

    @property
    def queued(self) -> int:
        """The number of files that wait for a worker."""
        return len(self._queue)

    @property
    def scans(self) -> int:
        """The number of folders that still have to be compared with the store."""
        return len(self._scans)

    @property
    def indexing(self) -> bool:
        """Return whether any file waits for a worker, is with a worker, or waits for a commit."""
        return len(self._queue) + len(self._out) + len(self._results) > 0

    @property
    def teaching(self) -> bool:
        """Return whether any file of a keep or trash folder is being indexed."""
        return bool(self._teaching or self._queue.waiting("teaches"))

    def has_backlog(self, conditions: Conditions) -> bool:
        """Return whether so many files wait for workers that sending them is the main work."""
        return self._queue.count(least_urgent(conditions)) >= BACKLOG

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the engine must call `advance` again, in monotonic seconds.

        This is the present time if a scan is due, or if a file and a worker are ready. Otherwise it
        is the time of the next check or commit. None means that there is no work.
        """
        now = conditions.now
        if self._queue.has(least_urgent(conditions)) and self.ctx.pool.has_room():
            return now
        times = [self._results.due_at(now, more=bool(self._out))]
        if not conditions.paused:
            if self._scans:
                return now
            times.append(self._missing.ready_at(indexing=self.indexing or bool(self._scans)))
            times.append(self.hints.next_due())
            wait = self.retries.seconds_left(time.time_ns())
            times.append(None if wait is None else now + max(0.0, wait))
            times.append(self.left_alone.next_time())
        return min((time for time in times if time is not None), default=None)

    # ---- scanning folders, sending files to workers, storing answers

    def advance(self, conditions: Conditions) -> Effects:
        """Continue a scan, send files to workers, and store the answers of workers."""
        if not conditions.paused:
            self._scan_slice(conditions.now)
            self._compare_hints(conditions.now)
            if self.left_alone.advance(conditions.now):
                self.ctx.changed()
            if self._expects and not conditions.saving:
                self.ctx.pool.warm_up()
            self._expects = False
        self.hand_out(conditions)
        effects = self.commit_results(conditions)
        if not conditions.paused:
            missing, more_effects = self._missing.record(
                indexing=self.indexing or bool(self._scans)
            )
            effects.merge(more_effects)
            self.reembedding.done(missing)
        effects.merge(self._found)
        self._found = Effects()
        self._run.log_progress(conditions.now, self.pending)
        return effects

    def _scan_slice(self, now: float) -> None:
        found = self._scans.next_part() if self._scans else None
        if found is None:
            return
        root, part = found
        if part.offline:
            self.ctx.offline.add(root)
        elif root in self.ctx.offline:
            self.ctx.offline.discard(root)
            self.embed_missing()
        self._queue_changed(part.changed, now)
        self._expects |= bool(part.changed)
        self._missing.add(part.gone)
        self._found.sidecars |= {*part.sidecars}
        if part.left_alone is not None:
            self.left_alone.replace(root, part.left_alone)
            self.left_alone.replace_unlisted(root, {folder.path for folder in part.unlisted})
        for folder in part.unlisted:
            reason = f"cannot be listed: {folder.reason}"
            self._fail(folder.path, reason, "give yourself permission to read the folder")
        self.ctx.changed()

    def _queue_changed(self, files: Iterable[ChangedFile], now: float) -> None:
        """Queue files that a scan has just compared with the store. A hint compares them again.

        A file that may still change, or that may have been moved, becomes a hint.
        """
        settled_ns = time.time_ns() - int(self.hints.settle * 1e9)
        moved, out, results, asked = self._missing.moved, self._out, self._results, self._asked
        for path, status, role in files:
            if (
                status.st_ctime_ns > settled_ns or role is None
                or path in out or path in results or path in asked or moved
            ):  # fmt: skip
                self.hints.add(path, now - self.hints.settle)
            else:
                self._queue.add(path, "inbox" if role == "inbox" else "teaches")

    def _compare_hints(self, now: float) -> None:
        for path in self.retries.take(time.time_ns()):
            self.hints.add(path, now - self.hints.settle)
        gone: list[bytes] = []
        changed: list[tuple[bytes, Fingerprint]] = []
        with self.ctx.store.read() as txn:
            for path, seen in self.hints.ready(now, time.time_ns(), fingerprint_of):
                if path in self._out:
                    self._out[path] = True
                elif seen is None:
                    gone.append(path)
                    self._queue.discard(path)
                elif self._results.has_read(path, seen):
                    continue  # A worker has read this version. The next commit stores the answer.
                elif self._has_changed(txn, path, seen):
                    changed.append((path, seen))
        self._missing.add(gone)
        for path, seen in changed:
            self.ctx.changed()
            place, answer = self.ctx.watches.image_place(path), self._missing.moved.find(seen)
            if place is None or answer is None or path in self._asked:
                self._queue.add(path, self._urgency(path))
            else:
                self._results.add(IndexFile(path, place.watch.taste, None), answer)

    def _has_changed(self, txn: Txn, path: bytes, seen: Fingerprint) -> bool:
        """Return whether the file at `path` must be indexed. `seen`: its present fingerprint."""
        again = path in self.reembedding
        return differs_from_store(txn, self.ctx.watches, path, seen, known_too=again)

    def hand_out(self, conditions: Conditions) -> None:
        """Send files to the workers that can accept them."""
        room = self.ctx.pool.room if self._queue else 0
        if not room:
            return
        paths = self._queue.take(room, least_urgent(conditions))
        tasks = list(index_tasks(self.ctx, self._asked, paths))
        waiting = deque(task for task, _ in tasks)
        try:
            self.ctx.pool.submit_all(waiting)
        finally:
            for task in waiting:
                self._queue.add(task.path, self._urgency(task.path))
            sent = tasks[: len(tasks) - len(waiting)]
            for task, teaches in sent:
                self._out[task.path] = False
                if teaches:
                    self._teaching.add(task.path)
        if sent:
            self._run.begin()

    def _urgency(self, path: bytes) -> Urgency:
        """Return the urgency with which the file at `path` is indexed."""
        if path in self._asked:
            return "asked"
        place = self.ctx.watches.locate(path)
        return "inbox" if place is None or place.role == "inbox" else "teaches"

    def take_indexed(self, answers: Sequence[tuple[IndexFile, FileIndexed]]) -> None:
        """Keep many answers of workers for the next commit."""
        now, log = time.monotonic(), logger.isEnabledFor(logging.DEBUG)
        for task, answer in answers:
            path = task.path
            self.ctx.event_log.emit_later(indexed_event(task, answer))
            if self._out.pop(path, False):
                self.hints.add(path, now)
            if path in self._asked and self._asked.give(task, answer):
                self._queue.add(path, "asked")  # Other tickets need the score of another taste.
            self._results.add(task, answer)
            self.retries.add(path, answer)
            if log:
                logger.debug("%s %s", "embedded" if answer.vector else "knew", answer.digest.hex())
        failed = sum(answer.failure is not None for _, answer in answers)
        self.indexed += len(answers)
        self._run.count(len(answers) - failed, failed)

    def take(self, task: IndexFile, answer: Answer) -> None:
        """Keep a worker's answer for the next commit. If indexing failed, store the error now."""
        answer = self._missing.moved.instead_of(task, answer)
        if isinstance(answer, FileIndexed):
            self.take_indexed([(task, answer)])
            return
        if (event := index_event(task, answer)) is not None:
            self.ctx.event_log.emit(event)
        again = self._out.pop(task.path, False)
        if self._asked.give(task, answer):  # Other tickets need the score of another taste.
            self._queue.add(task.path, "asked")
        self._teaching.discard(task.path)
        if isinstance(answer, Unreadable | Refused | Crashed):
            self._run.count(0, failed=1)
        match answer:
            case ModelUnavailable():
                if self.ctx.watches.image_place(task.path) is not None:
                    self._queue.add(task.path, self._urgency(task.path))
            case _ if self.ctx.watches.image_place(task.path) is None:
                # The file is hidden or in no watched folder. Only a ticket needed the answer.
                again = False
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
        self.retries.add_unread(path)
        self.reembedding.done([path])

    def commit_results(self, conditions: Conditions | None = None) -> Effects:
        """Store the answers of workers if a commit is due. Without conditions, store all of them.

        While many files wait, send files to the workers until the disk has the commit.
        """
        meanwhile = None
        if conditions is not None:
            due_at = self._results.due_at(conditions.now, more=bool(self._out))
            if due_at is None or due_at > conditions.now:
                return Effects()
            if not self.ctx.store.flush_until_few():
                return Effects()
            if self.has_backlog(conditions):
                meanwhile = partial(self.hand_out, conditions)
        elif not len(self._results):
            return Effects()
        paths, effects = self._results.commit(meanwhile)
        self._teaching -= paths - self._out.keys()
        self.reembedding.done(paths)
        return effects
