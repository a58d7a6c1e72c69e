"""From labels to scores: when a taste is due for training, and which files lack a score."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from imgscore.engine.context import EngineContext
from imgscore.engine.tickets import QueryTicket
from imgscore.errors import ImgscoreError, of_kind
from imgscore.failpoints import step
from imgscore.paths import head_file
from imgscore.store import counts, heads, labels, scores, sightings, vectors
from imgscore.store.transaction import Txn
from imgscore.workers.messages import (
    Answer,
    Crashed,
    Interrupted,
    Refused,
    Rescore,
    Scored,
    Train,
    Trained,
)
from imgscore.workers.queries import Query, QueryRows, Row

MIN_LABELS = 2
# With many labels one more changes little: the wait grows with them, up to this many seconds.
MAX_PATIENCE = 60.0
# Heads whose files stay, so that `heads use` can go back to them; their figures stay for ever.
KEPT_HEADS = 20


def patience(count: int, train_after: float) -> float:
    """Seconds of quiet before training on `count` labels."""
    return min(train_after * (1 + count / 100), max(train_after, MAX_PATIENCE))


@dataclass
class TasteState:
    """What is known of a taste's labels and its training."""

    keep: int = 0
    trash: int = 0
    due: float | None = None
    """monotonic seconds"""
    training: bool = False
    scoring: bool = False
    unscored: bool = False
    foreign: bool = False
    """its head is of another embedder"""
    problem: str = ""

    @property
    def missing(self) -> str:
        """Which labels are still needed before anything can be learned, in words; or ""."""
        return " and ".join(
            f"{MIN_LABELS - count} more {name}"
            for name, count in (("keep", self.keep), ("trash", self.trash))
            if count < MIN_LABELS
        )

    @property
    def wants_training(self) -> bool:
        """Whether training is due, now or soon."""
        return self.due is not None and not self.missing and not self.training


class Trainer:
    """Knows every taste's state. Times are seconds of the monotonic clock."""

    def __init__(self, ctx: EngineContext, txn: Txn) -> None:
        self.ctx = ctx
        self.tastes = {watch.taste: TasteState() for watch in ctx.watches.all}
        self._queries: deque[QueryTicket[Any]] = deque()
        self._querying = False
        for taste, state in self.tastes.items():
            self._count(txn, taste)
            head, embedder = heads.current(txn, taste), ctx.embedder.id
            state.foreign = head is not None and head.embedder != embedder
            own = [one for one in heads.of_taste(txn, taste) if one.embedder == embedder]
            newest = max((label.sequence for _, label in labels.iter_all(txn, taste)), default=0)
            tried = max((one.label_sequence for one in own), default=0)
            if newest > tried:
                state.due = time.monotonic()
            state.unscored = True

    def _count(self, txn: Txn, taste: str) -> None:
        counts = labels.totals(txn, taste)
        self.tastes[taste].keep, self.tastes[taste].trash = counts["keep"], counts["trash"]

    def relearn(self, taste: str, *, at_once: bool = False) -> None:
        """Labels have changed: train when they have been quiet for a while."""
        state = self.tastes.setdefault(taste, TasteState())
        with self.ctx.store.read() as txn:
            self._count(txn, taste)
        after = self.ctx.config.daemon.train_after
        wait = 0.0 if at_once else patience(state.keep + state.trash, after)
        state.due = time.monotonic() + wait
        self.ctx.changed()

    def come_back(self) -> list[str]:
        """Every file has its vector: take up the heads that this embedder had. Which tastes did."""
        changed: list[str] = []
        for taste in [taste for taste, state in self.tastes.items() if state.foreign]:
            with self.ctx.store.read() as txn:
                head = heads.last_under(txn, taste, self.ctx.embedder.id)
            step("after switch")
            self.tastes[taste].foreign = False
            if head is not None:
                self.use_head(taste, head.version)
                changed.append(taste)
        return changed

    def query(self, query: Query[Row]) -> QueryTicket[Row]:
        """Queue a query; the training worker answers when it is free."""
        ticket = QueryTicket(query)
        self._queries.append(ticket)
        return ticket

    def rescore(self, taste: str) -> None:
        """Files may lack a score under the current head; a taste of no watch orders none."""
        if taste in self.tastes:
            self.tastes[taste].unscored = True

    @property
    def pending(self) -> int:
        """How many trainings and scorings are due or under way."""
        return sum(
            (state.wants_training or state.training)
            + (state.scoring or (state.unscored and bool(self.ctx.head(taste))))
            for taste, state in self.tastes.items()
        )

    @property
    def wants_training(self) -> bool:
        """Whether any taste's training is due, now or soon."""
        return any(state.wants_training for state in self.tastes.values())

    @property
    def _busy(self) -> bool:
        """Whether the one training worker is at work, for us or for the orderer."""
        own = self._querying or any(one.training or one.scoring for one in self.tastes.values())
        return own or self.ctx.pool.trainer_busy

    def next_time(self, now: float, *, may_train: bool) -> float | None:
        """When `advance` has something to do; None while the one training worker is at work."""
        if self._busy:
            return None
        if self._queries:
            return now
        if any(state.unscored and self.ctx.head(taste) for taste, state in self.tastes.items()):
            return now
        dues = [state.due for state in self.tastes.values() if state.wants_training and may_train]
        return min((due for due in dues if due is not None), default=None)

    def advance_queries(self) -> None:
        """Hand out the next question."""
        if self._queries and not self._querying:
            self._querying = self.ctx.pool.submit(self._queries[0].task)

    def take_query(self, answer: Answer) -> None:
        """A part of the answer to the question that was handed out."""
        ticket = self._queries[0]
        match answer:
            case QueryRows(rows, last):
                if ticket.wanted:
                    ticket.rows += rows
                ticket.done = last
            case Refused(reason, remedy, kind):
                ticket.error = of_kind(kind, reason, remedy)
            case Crashed(reason):
                ticket.error = ImgscoreError(f"the worker {reason}", "see the log")
            case Interrupted():
                ticket.error = ImgscoreError("the worker was ended", "try again")
            case _:
                pass
        if ticket.done or ticket.error:
            self._queries.popleft()
            self._querying = False

    def advance(self, now: float, *, may_train: bool) -> None:
        """Hand out trainings and scorings that are due."""
        for taste, state in self.tastes.items():
            if may_train and state.wants_training and state.due is not None and state.due <= now:
                if self.ctx.pool.submit(Train(taste, self.ctx.config.head)):
                    state.due, state.training = None, True
            elif state.unscored and not state.scoring:
                self._score(taste, state)

    def _score(self, taste: str, state: TasteState) -> None:
        head = self.ctx.head(taste)
        if not head or self._busy:
            return
        digests = self._unscored(taste, head)
        if not digests or self.ctx.pool.submit(Rescore(taste, head, digests)):
            state.unscored, state.scoring = False, bool(digests)

    def _unscored(self, taste: str, head: str) -> list[bytes]:
        """Digests in the inboxes of a taste that have a vector but no score under the head."""
        inboxes = [watch.inbox for watch in self.ctx.watches.all if watch.taste == taste]
        with self.ctx.store.read() as txn:
            if all(
                counts.scored(txn, inbox, taste, head) == counts.files(txn, inbox, "inbox")
                for inbox in inboxes
            ):
                return []  # and no file was looked at
            is_scored = scores.is_scored(txn, taste, head)
            has_vector = vectors.is_embedded(txn, self.ctx.embedder.image_embedder)
            return [
                digest
                for digest in sightings.digests(txn, inboxes)
                if not is_scored(digest) and has_vector(digest)
            ]

    def take_training(self, task: Train, answer: Answer) -> None:
        """The end of a training."""
        state = self.tastes[task.taste]
        state.training = False
        match answer:
            case Trained(record):
                state.problem = ""
                before = self.ctx.head(task.taste)
                self.ctx.store.commit(lambda txn: heads.record(txn, record))
                if record.accepted:
                    self._retire(task.taste, before)
                self._forget_old_heads(task.taste)
            case Refused(reason, remedy):
                state.problem = f"{reason}; {remedy}"
            case Interrupted():
                state.due = time.monotonic()
            case Crashed(reason):
                state.problem = f"training {reason}"
            case _:
                pass

    def _forget_old_heads(self, taste: str) -> None:
        """A head is megabytes, and every training makes one: keep the last, and those in use."""
        with self.ctx.store.read() as txn:
            of_taste = heads.of_taste(txn, taste)
            used = heads.in_use(txn, taste)
        for one in of_taste[:-KEPT_HEADS]:
            if one.version not in used:
                head_file(self.ctx.heads, taste, one.version).unlink(missing_ok=True)

    def use_head(self, taste: str, version: str) -> None:
        """Score and order with another head of the same taste."""
        before = self.ctx.head(taste)
        self.ctx.store.commit(lambda txn: heads.use(txn, taste, version))
        self._retire(taste, before)

    def _retire(self, taste: str, before: str) -> None:
        """Scores of a head that is no longer used can be had again from the vectors."""
        if before and before != self.ctx.head(taste):
            self.ctx.store.commit(lambda txn: scores.forget_unused(txn, taste))
        self.rescore(taste)

    def take_again(self, task: Train | Rescore) -> None:
        """The store could not take an answer: do the task again."""
        state = self.tastes[task.taste]
        if isinstance(task, Train):
            state.due = time.monotonic()
        else:
            state.unscored = True

    def take_scores(self, task: Rescore, answer: Answer) -> bool:
        """A part of a scoring; True when it is complete and the order may be off."""
        state = self.tastes[task.taste]
        match answer:
            case Scored(packed, last):
                state.scoring = not last
                self.ctx.store.commit(lambda txn: scores.record(txn, task.taste, task.head, packed))
                return last
            case Refused(reason, remedy):
                state.problem = f"{reason}; {remedy}"
            case _:
                state.unscored = True
        state.scoring = False
        return False
