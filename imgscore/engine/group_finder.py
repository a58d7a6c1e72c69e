"""Keep the groups of similar images fresh. A worker compares each new image with its nearest ones.

The queue of new images is in the store, so that a restart of the daemon loses none. If the store
has no index under the embedder in use, or has grown much, all images are compared again in the
background: see `group_pass`.
"""

import logging
import time

from imgscore.engine.context import EngineContext
from imgscore.engine.group_pass import GroupPass
from imgscore.engine.log_text import counted
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.errors import ImgscoreError
from imgscore.store import groups, similarity, vectors
from imgscore.store.groups import NewGroup
from imgscore.store.transaction import Txn
from imgscore.workers.cpus import cpus
from imgscore.workers.group_messages import (
    CompareNew,
    ComparePairs,
    FindGroups,
    FindPairs,
    GroupsFound,
)
from imgscore.workers.messages import Answer, Crashed, Interrupted, Progressed, Refused

logger = logging.getLogger(__name__)

BATCH = 64
"""The largest number of new images in one task. Meanwhile the worker indexes no file: comparing
them takes about 0.2 s."""
GROWTH = 4
"""The growth of the number of images after which a new index is made: its cells are then too
large. The passes together take at most a third longer than the last one."""
MIN_GROWTH = 500
"""The smallest number of new images after which a new index is made."""
RETRY_SECONDS = 3600.0
"""The time after which a task that has failed is tried again."""


GroupTask = FindPairs | ComparePairs | FindGroups | CompareNew


class GroupFinder(Stage[GroupTask]):
    """The stage that groups new images, or all images, when file workers are idle."""

    handles = (FindPairs, ComparePairs, FindGroups, CompareNew)
    needs_space = True

    def __init__(self, ctx: EngineContext, txn: Txn) -> None:
        self.ctx = ctx
        self._workers = ctx.config.daemon.workers or cpus()
        self._out = False
        """whether a worker compares new images"""
        self.comparison = GroupPass()
        """the comparison of all images"""
        self._queued = self._images = 0
        self._needs_pass = False
        self._retry_at: float | None = None
        self._blocked = False
        self._read(txn)

    def _read(self, txn: Txn) -> None:
        """Read from the store what must be done."""
        self._queued = similarity.queue_length(txn)
        embedder = self.ctx.embedder.image_embedder
        state, images = similarity.state(txn), vectors.count(txn, embedder)
        self._images = images
        if images < groups.MIN_MEMBERS:
            self._needs_pass = False
        elif state is None or state.embedder != embedder:
            self._needs_pass = True
        else:
            many = max(state.images, MIN_GROWTH)
            self._needs_pass = images > GROWTH * many or self._queued > many

    @property
    def pending(self) -> int:
        """The number of images that are not compared yet, or 1 if all images are compared."""
        if self._retry_at is not None:
            return 0
        if self._needs_pass:
            return 1
        return max(self._queued, int(self._out))

    @property
    def progress(self) -> tuple[int, int] | None:
        """The numbers of compared blocks and of all blocks; None while they are not known."""
        return self.comparison.progress

    @property
    def uncompared(self) -> int:
        """The number of embedded images that are not compared with the others yet."""
        return self._images if self._needs_pass else min(self._queued, self._images)

    @property
    def busy(self) -> bool:
        """Return whether images are compared now, or will be when a worker is free."""
        return self._out or self.comparison.is_out or (self.pending > 0 and not self._blocked)

    def _may_work(self, conditions: Conditions) -> bool:
        if self._out or self._is_blocked(conditions):
            return False
        pool = self.ctx.pool
        if self._needs_pass and not self.comparison.needs_file_worker:
            return self.comparison.needs_trainer and not pool.trainer_busy
        return pool.busy < self._workers and pool.has_room()

    def _is_blocked(self, conditions: Conditions) -> bool:
        if conditions.paused or conditions.indexing or not conditions.reconciled:
            return True
        if self._retry_at is not None and conditions.now < self._retry_at:
            return True
        return not conditions.reembedded or (self._needs_pass and conditions.saving)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the engine must call `advance` again, in monotonic seconds."""
        has_work = self._needs_pass or self._queued > 0
        return conditions.now if has_work and self._may_work(conditions) else self._retry_at

    def advance(self, conditions: Conditions) -> None:
        """Send new images to an idle file worker, or the tasks of a comparison of all images."""
        with self.ctx.store.read() as txn:
            self._read(txn)
            self._blocked = self._is_blocked(conditions)
            while self._may_work(conditions):
                task = self._next_task(txn)
                if task is None or not self.ctx.pool.submit(task):
                    break
                self._retry_at = None
                if isinstance(task, CompareNew):
                    self._out = True
                else:
                    self.comparison.sent(task)

    def _next_task(self, txn: Txn) -> GroupTask | None:
        if self._needs_pass:
            return self.comparison.next_task(txn)
        digests = similarity.queued(txn, BATCH)
        return CompareNew(digests) if digests else None

    def take(self, task: GroupTask, answer: Answer) -> Effects | None:
        """Store a part of the groups that the worker has found."""
        match answer:
            case GroupsFound():
                if isinstance(task, CompareNew) or self.comparison.expects(task):
                    return self._store(task, answer)
            case Interrupted():
                self._repeat(task)
            case Crashed(reason) | Refused(reason):
                if isinstance(task, CompareNew):
                    self._out = False
                else:
                    self.comparison.give_up(task)
                self._retry_at = time.monotonic() + RETRY_SECONDS
                logger.warning("similar images cannot be grouped now: %s", reason)
            case Progressed():
                pass
            case _:
                self._repeat(task)
        return None

    def _repeat(self, task: GroupTask) -> None:
        if isinstance(task, CompareNew):
            self._out = False
        else:
            self.comparison.repeat(task)

    def retry(self, task: GroupTask) -> None:
        """Do a task again, because its answer could not be stored.

        New images are still in the queue.
        """
        self._repeat(task)

    def _store(self, task: GroupTask, found: GroupsFound) -> Effects:
        wanted = [
            NewGroup(new.kind, tuple(new.members), new.why, tuple(new.wholes))
            for new in found.groups
        ]
        numbers: list[int] = []

        def write(txn: Txn) -> set[bytes]:
            if found.first:
                similarity.clear(txn)
            similarity.add(txn, found.entries, found.links)
            if isinstance(task, CompareNew):
                _check(txn, wanted)
            else:
                numbers[:] = self.comparison.store(txn, task, found)
            similarity.dequeue(txn, found.done)
            if found.state is not None:
                similarity.set_state(txn, found.state)
            return groups.replace(txn, found.regrouped, wanted)

        changed = self.ctx.store.commit(write)
        if not isinstance(task, CompareNew):
            self.comparison.stored(task, found, numbers)
        elif found.last:
            self._out = False
        if found.last and not isinstance(task, ComparePairs):
            with self.ctx.store.read() as txn:
                self._read(txn)
                count = groups.count(txn)
            if not self._needs_pass:
                what = "all images"
                if isinstance(task, CompareNew):
                    what = counted(len(task.digests), "new image")
                logger.info("compared %s: %s", what, counted(count, "group"))
        self.ctx.changed()
        return Effects(regrouped=changed)


def _check(txn: Txn, wanted: list[NewGroup]) -> None:
    """Raise ImgscoreError unless the first image of each group is linked to all others.

    A hostile image may have taken over the worker that sent the groups.
    """
    for group in wanted:
        if not similarity.are_linked(txn, group.members[0], group.members[1:]):
            raise ImgscoreError(
                "a worker sent a group of images that are not similar",
                "check the newest files of the inbox",
            )
