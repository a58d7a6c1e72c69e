"""Keep the quality of the images in groups fresh. Most images are in no group and are not measured.

Measuring decodes an image at its full resolution. It is background work: new images go first, and
it waits while the engine is paused or the machine saves power.
"""

import logging
import os

from imgscore.engine.context import EngineContext
from imgscore.engine.log_text import counted
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.groups.best import VERSION, Quality
from imgscore.store import groups, qualities, sightings, traits
from imgscore.store.qualities import QualityRecord
from imgscore.store.transaction import Txn
from imgscore.workers.cpus import cpus
from imgscore.workers.messages import Answer, Crashed, Interrupted, ModelUnavailable, Refused
from imgscore.workers.quality_messages import MeasureQuality, QualityMeasured

logger = logging.getLogger(__name__)

CHECK_BATCH = 500
"""The number of images that one step compares with the store. They take about 3 ms."""
MAX_QUEUE = 5000
"""The largest number of images that wait in memory. If more groups change at once, all images in
groups are compared with the store again, in batches."""
BATCH, BATCH_SECONDS = 64, 1.0
"""The largest number of images of one commit, which waits for the disk, and the seconds until a
smaller commit. Each commit may change an order."""


class QualityMeasurer(Stage[MeasureQuality]):
    """The stage that measures those images in groups that have no quality yet."""

    handles = (MeasureQuality,)
    needs_space = True

    def __init__(self, ctx: EngineContext, txn: Txn) -> None:
        self.ctx = ctx
        self._workers = ctx.config.daemon.workers or cpus()
        self._queue: dict[bytes, None] = {}
        """the digests that may lack a quality. A dict keeps the order."""
        self._scan_from: bytes | None = b"" if groups.count(txn) else None
        """the digest at which the comparison of all images in groups goes on; None: it is done"""
        self._out: set[bytes] = set()
        self._results: list[tuple[bytes, QualityRecord]] = []
        self._results_since = 0.0
        self._measured = 0
        """the number of images that were measured since the last line in the log"""

    # ---- which images

    def receive(self, effects: Effects) -> None:
        """Measure the images of new groups, and new files of images that are in a group."""
        self._add(self._lacking(effects.regrouped))
        paths = [path for files in effects.new_files.values() for path in files]
        if paths and len(paths) <= MAX_QUEUE:
            with self.ctx.store.read() as txn:
                known = paths if groups.count(txn) else ()  # Others are in no group.
                seen = (sightings.find(txn, path) for path in known)
                digests = {file.digest for file in seen if file is not None}
            self._add(self._lacking(digests))
        elif paths:
            self._scan_from = b""

    def _lacking(self, digests: set[bytes]) -> set[bytes]:
        """Return those of a few images that are in a group and lack a quality.

        Of many images, return all. They are compared with the store later, in batches.
        """
        if not digests or len(digests) > CHECK_BATCH:
            return digests
        with self.ctx.store.read() as txn:
            return {d for d in digests if groups.contains(txn, d) and _lacks_quality(txn, d)}

    def _add(self, digests: set[bytes]) -> None:
        if len(self._queue) + len(digests) > MAX_QUEUE:
            self._scan_from = b""
        else:
            self._queue.update(dict.fromkeys(digests))

    def _scan(self) -> None:
        """Queue the images in groups that have no quality, from `_scan_from` on."""
        if self._scan_from is None or len(self._queue) > MAX_QUEUE - CHECK_BATCH:
            return
        with self.ctx.store.read() as txn:
            digests = groups.digests_from(txn, self._scan_from, CHECK_BATCH)
            self._queue.update(dict.fromkeys(d for d in digests if _lacks_quality(txn, d)))
        self._scan_from = digests[-1] + b"\0" if len(digests) == CHECK_BATCH else None
        self.ctx.changed()

    def _next_task(self) -> MeasureQuality | None:
        """Remove images from the queue up to one that must be measured, and return its task."""
        with self.ctx.store.read() as txn:
            for _ in range(min(CHECK_BATCH, len(self._queue))):
                digest = next(iter(self._queue))
                del self._queue[digest]
                if digest in self._out or not groups.contains(txn, digest):
                    continue
                if _lacks_quality(txn, digest) and (path := self._path_of(txn, digest)):
                    return MeasureQuality(path, digest)
        return None

    def _path_of(self, txn: Txn, digest: bytes) -> bytes | None:
        """Return the path of a file of the image in a watched folder, or None if there is none."""
        for file in sightings.of_digest(txn, digest):
            is_watched = not file.gone_ns and self.ctx.watches.locate(file.path) is not None
            if is_watched and self.ctx.is_online(file.path) and os.path.lexists(file.path):
                return file.path
        return None

    # ---- state

    @property
    def pending(self) -> int:
        """The number of images that are not measured or not stored, as far as they are found."""
        waiting = len(self._queue) + len(self._out) + len(self._results)
        return waiting + (self._scan_from is not None)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the engine must call `advance` again, in monotonic seconds."""
        if self._results and not self._out:
            return conditions.now
        if self._may_work(conditions) and (self._scan_from is not None or self._may_send()):
            return conditions.now
        return self._results_since + BATCH_SECONDS if self._results else None

    def _may_work(self, conditions: Conditions) -> bool:
        waits = conditions.paused or conditions.saving or conditions.indexing
        return not waits and conditions.reconciled

    def _may_send(self) -> bool:
        """Return whether an image waits and a worker is idle.

        No image waits in the queue of a worker, where it would delay a new image.
        """
        has_idle = self.ctx.pool.busy < self._workers and self.ctx.pool.has_room()
        return bool(self._queue) and has_idle

    # ---- measuring, storing

    def advance(self, conditions: Conditions) -> Effects | None:
        """Send images to idle workers, and store the qualities that workers have measured."""
        if self._may_work(conditions):
            self._scan()
            while self._may_send() and (task := self._next_task()) is not None:
                if not self.ctx.pool.submit(task):
                    self._queue[task.digest] = None
                    break
                self._out.add(task.digest)
        return self._commit_results(conditions.now)

    def take(self, task: MeasureQuality, answer: Answer) -> None:
        """Keep a worker's answer for the next commit.

        An image that cannot be measured gets a record without measured facts, so that it is not
        tried again. If the file is gone, has changed or cannot be read, there is no record.
        """
        self._out.discard(task.digest)
        match answer:
            case QualityMeasured(quality):
                self._keep(task.digest, quality)
            case Interrupted() | ModelUnavailable():
                self._queue[task.digest] = None
            case Crashed(reason) | Refused(reason):
                path = os.fsdecode(task.path)
                logger.info("the quality of %s cannot be measured: %s", path, reason)
                self._keep(task.digest, self._known(task.digest))

    def retry(self, task: MeasureQuality) -> None:
        """Measure an image again, because its answer could not be kept."""
        self._out.discard(task.digest)
        self._queue[task.digest] = None

    def _keep(self, digest: bytes, quality: Quality) -> None:
        self._results.append((digest, QualityRecord(VERSION, quality)))

    def _known(self, digest: bytes) -> Quality:
        """Return the facts that are known without the pixels of the full resolution."""
        with self.ctx.store.read() as txn:
            found = traits.get(txn, digest)
            files = sightings.of_digest(txn, digest)
        return Quality(
            pixels=found.width * found.height if found else None,
            bytes=files[0].seen.size if files else None,
        )

    def _commit_results(self, now: float) -> Effects | None:
        if not self._results:
            self._results_since = now
            return None
        waited = now - self._results_since >= BATCH_SECONDS
        if len(self._results) < BATCH and not waited and self._out:
            return None
        batch = self._results

        def store(txn: Txn) -> None:
            for digest, record in batch:
                qualities.record(txn, digest, record)

        self.ctx.store.commit(store)
        self._results = []
        self.ctx.changed()
        self._measured += len(batch)
        if not self.pending:
            logger.info("measured the quality of %s", counted(self._measured, "image"))
            self._measured = 0
        return Effects(regrouped={digest for digest, _ in batch})


def _lacks_quality(txn: Txn, digest: bytes) -> bool:
    found = qualities.find(txn, digest)
    return found is None or found.version != VERSION
