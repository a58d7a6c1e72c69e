"""The stage that trains heads from labels, and scores the files that have no score."""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from imgscore import events
from imgscore.embedders import registry
from imgscore.engine import order_preparation
from imgscore.engine.context import EngineContext
from imgscore.engine.log_text import counted, of_taste
from imgscore.engine.refusals import Refusals
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.engine.tastes import WORDS, TasteState, Words, patience, words_of, words_to_use
from imgscore.errors import ImgscoreError
from imgscore.failpoints import step
from imgscore.heads.results import quality_of
from imgscore.paths import head_file
from imgscore.store import comparisons, counts, heads, labels, scores, vectors
from imgscore.store.schema import HeadRecord
from imgscore.store.transaction import Txn
from imgscore.workers.messages import (
    Answer,
    Crashed,
    Progressed,
    Refused,
    Rescore,
    Scored,
    Train,
    Trained,
)
from imgscore.workers.order_messages import PrepareOrder

logger = logging.getLogger(__name__)

# For each taste, the files of this many newest heads are kept. The command `heads use` can select
# one of these heads. The quality figures of all heads are kept for ever.
KEPT_HEADS = 20


class Trainer(Stage[Train | Rescore | PrepareOrder]):
    """The stage that trains heads and scores files. It contains the state of every taste."""

    handles = (Train, Rescore, PrepareOrder)

    def __init__(self, ctx: EngineContext, refusals: Refusals, txn: Txn) -> None:
        self.ctx = ctx
        self._refusals = refusals
        self.tastes = {watch.taste: self._new_state() for watch in ctx.watches.all}
        for taste, state in self.tastes.items():
            self._count(txn, taste)
            head, embedder = heads.current(txn, taste), ctx.embedder.id
            state.foreign = head is not None and head.embedder != embedder
            own = [head for head in heads.of_taste(txn, taste) if head.embedder == embedder]
            newest = max((label.sequence for _, label in labels.iter_all(txn, taste)), default=0)
            tried = max((head.label_sequence for head in own), default=0)
            answers = (answer.sequence for answer in comparisons.iter_all(txn, taste))
            tried_answers = max((head.comparison_sequence for head in own), default=0)
            if newest > tried or max(answers, default=0) > tried_answers:
                state.due = time.monotonic()
            state.unscored = True
            own_head = head if head is not None and head.embedder == embedder else None
            state.words = words_to_use(words_of(ctx.watches.all, taste), own_head)
            if state.words is not None:
                try:
                    registry.check_searches(ctx.config.model)
                except ImgscoreError as error:
                    state.words = None
                    state.problem = f"like and dislike have no effect: {error.message}"

    def _count(self, txn: Txn, taste: str) -> None:
        state = self.tastes[taste]
        state.grades = counts.grades_of(txn, taste)
        state.comparisons = comparisons.count(txn, taste)
        config, head = self.ctx.config, heads.current(txn, taste)
        no_better = head is None or bool(head.report.get("from_keeps"))
        learns = config.daemon.order_from_keeps and config.head != "mlp"
        state.may_use_keeps = learns and no_better

    def _new_state(self) -> TasteState:
        return TasteState(learns_comparisons=self.ctx.config.head != "mlp")

    # ---- the tastes that must be trained or scored

    def relearn(self, taste: str, *, at_once: bool = False) -> None:
        """Schedule a training after labels or comparisons have changed.

        If `at_once` is false, the training begins some seconds later, because more labels may
        change.
        """
        state = self.tastes.setdefault(taste, self._new_state())
        with self.ctx.store.read() as txn:
            self._count(txn, taste)
        after = self.ctx.config.daemon.train_after
        wait = 0.0 if at_once else patience(state.labels + state.comparisons, after)
        state.postpone(time.monotonic(), wait)
        self.ctx.changed()

    def rescore(self, taste: str) -> None:
        """Schedule the scoring of files without a score.

        If no watch has this taste, do nothing: such a taste has no files.
        """
        if taste in self.tastes:
            self.tastes[taste].unscored = True

    def use_head(self, taste: str, version: str) -> None:
        """Use the head `version` for the scores and orders of a taste."""
        before = self.ctx.head(taste)
        self.ctx.store.commit(lambda txn: heads.use(txn, taste, version))
        self._retire(taste, before)

    def receive(self, effects: Effects) -> None:
        """Schedule training for tastes with new labels, and scoring for files without a score."""
        for taste in effects.relearn:
            self.relearn(taste)
        for taste in effects.unscored:
            self.rescore(taste)

    def retry(self, task: Train | Rescore | PrepareOrder) -> None:
        """Schedule the task again, because the worker's answer could not be stored."""
        if isinstance(task, PrepareOrder):
            return
        state = self.tastes[task.taste]
        if isinstance(task, Train):
            self._train_again(task, state)
        else:
            state.unscored = True

    @property
    def pending(self) -> int:
        """The number of unfinished trainings plus the number of unfinished scorings."""
        return sum(
            (state.wants_training or state.training is not None or self._can_use_words(state))
            + (state.scoring is not None or (state.unscored and bool(self.ctx.head(taste))))
            for taste, state in self.tastes.items()
        )

    @property
    def progress(self) -> tuple[int, int] | None:
        """The number of finished steps and of all steps of the training, or None if unknown."""
        return next((state.progress for state in self.tastes.values() if state.progress), None)

    @property
    def _busy(self) -> bool:
        """Return whether the training worker is busy with a task of any stage."""
        own = any(
            state.training is not None or state.scoring is not None
            for state in self.tastes.values()
        )
        return own or self.ctx.pool.trainer_busy

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the next training or scoring is due, in monotonic seconds.

        Return None in three cases: nothing is due, the training worker is busy, or there is a
        pause.
        """
        if conditions.paused or self._busy:
            return None
        problems, tastes = self.ctx.problems, self.tastes.items()
        ready = {
            taste: state for taste, state in tastes if not problems.waits(state, conditions.now)
        }
        if any(state.unscored and self.ctx.head(taste) for taste, state in ready.items()):
            return conditions.now
        if conditions.may_train and any(map(self._can_use_words, ready.values())):
            return conditions.now
        retries = [problems.retry_at(state) for taste, state in tastes if taste not in ready]
        wanting = [state for state in ready.values() if state.wants_training]
        due = [state.due for state in wanting] if conditions.may_train else []
        return min((time for time in (*due, *retries) if time is not None), default=None)

    # ---- sending tasks to the training worker

    def advance(self, conditions: Conditions) -> Effects | None:
        """Send a task to the training worker for each training or scoring that is due."""
        if conditions.paused:
            return None
        effects = Effects(reorder=self._take_up_heads()) if conditions.reembedded else None
        for taste, state in self.tastes.items():
            if self.ctx.problems.waits(state, conditions.now):
                continue
            if self._may_train(state, conditions):
                task = Train(taste, self.ctx.config.head, from_keeps=state.uses_keeps)
                if self.ctx.pool.submit(task):
                    logger.debug(
                        "training%s on %s", of_taste(taste), counted(state.labels, "label")
                    )
                    state.due, state.training = None, conditions.now
                    state.tried_comparisons = state.comparisons
                    state.is_prepared = False
            elif conditions.may_train and not conditions.indexing and self._can_use_words(state):
                self._use_words(taste, state, conditions.now)
            elif state.unscored and state.scoring is None:
                self._score(taste, state, conditions.now)
            # Deferred writes would change the records that the order worker has loaded.
            if not state.is_prepared and self.ctx.store.deferred.is_empty:
                state.is_prepared = order_preparation.prepare(self.ctx, taste, self._refusals)
        return effects

    def _may_train(self, state: TasteState, conditions: Conditions) -> bool:
        due = state.due is not None and state.due <= conditions.now
        return due and state.wants_training and conditions.may_train

    def _can_use_words(self, state: TasteState) -> bool:
        """Return whether a head must be made of words, and there are images to compare with."""
        if not state.wants_words:
            return False
        with self.ctx.store.read() as txn:
            return vectors.count(txn, self.ctx.embedder.image_embedder) > 0

    def _use_words(self, taste: str, state: TasteState, now: float) -> None:
        words = state.words
        if words is not None and self.ctx.pool.submit(
            Train(taste, WORDS, list(words.like), list(words.dislike))
        ):
            state.words, state.training = None, now

    def _take_up_heads(self) -> set[str]:
        """For each taste, use the last head that was trained under the embedder in use.

        Call this after a switch of the embedder. Return the tastes that had such a head.
        """
        changed: set[str] = set()
        for taste in [taste for taste, state in self.tastes.items() if state.foreign]:
            with self.ctx.store.read() as txn:
                head = heads.last_under(txn, taste, self.ctx.embedder.id)
            step("after switch")
            self.tastes[taste].foreign = False
            if head is not None:
                self.use_head(taste, head.version)
                changed.add(taste)
        return changed

    def _score(self, taste: str, state: TasteState, now: float) -> None:
        head = self.ctx.head(taste)
        if head is None or self._busy:
            return
        task = order_preparation.rescore_task(self.ctx, taste, head)
        if task is None or self.ctx.pool.submit(task):
            state.unscored, state.scored = False, 0
            state.scoring = now if task is not None else None

    # ---- answers of workers

    def take(self, task: Train | Rescore | PrepareOrder, answer: Answer) -> Effects | None:
        """Store the worker's answer, which is a new head or a part of the scores."""
        if isinstance(task, PrepareOrder):
            return None  # After a failure, the plan itself will report the cause.
        if isinstance(answer, Refused):
            reason = f"{task.taste}: {answer.reason}"
            self.ctx.event_log.emit(events.Failed(path=None, reason=reason, remedy=answer.remedy))
        if isinstance(task, Train):
            self._take_head(task, answer)
            return None
        return self._take_scores(task, answer)

    def _take_head(self, task: Train, answer: Answer) -> None:
        state = self.tastes[task.taste]
        if isinstance(answer, Progressed):
            state.progress = answer.done, answer.total
            self.ctx.changed()
            return
        began, state.training, state.progress = state.training, None, None
        state.is_prepared = True
        match answer:
            case Trained(record):
                state.problem = None
                self.ctx.problems.solved(state)
                before = self.ctx.head(task.taste)
                self.ctx.store.commit(lambda txn: heads.record(txn, record))
                with self.ctx.store.read() as txn:
                    self._count(txn, task.taste)
                if record.accepted:
                    self._retire(task.taste, before)
                self._forget_old_heads(task.taste)
                self._report_head(record, began)
            case Refused(reason, remedy):
                state.problem = f"{reason}; {remedy}"
            case Crashed(reason):
                self._wait(task.taste, f"training {reason}")
                self._train_again(task, state)
            case _:
                self._train_again(task, state)

    def _wait(self, taste: str, problem: str) -> None:
        """Let a taste wait after a crash. Each further crash doubles the wait."""
        error = ImgscoreError(f"taste {taste!r}: {problem}", "see the log")
        self.ctx.problems.failed(self.tastes[taste], error)

    @property
    def owners(self) -> Iterable[object]:
        """The owners of the problems of this stage: each taste has its own problems."""
        return (self, *self.tastes.values())

    def _train_again(self, task: Train, state: TasteState) -> None:
        if task.recipe == WORDS:
            state.words = Words(tuple(task.like), tuple(task.dislike))
        else:
            state.due = time.monotonic()

    def _report_head(self, record: HeadRecord, began: float | None) -> None:
        taste, version = record.taste, record.version
        self.ctx.event_log.emit(
            events.Trained(taste=taste, head=version, labels=record.labels, used=record.accepted)
        )
        if not record.labels:
            logger.info("head %s%s made of words (in use)", version, of_taste(taste))
            return
        logger.info(
            "head %s%s trained on %s in %.1f s%s (%s)",
            version,
            of_taste(taste),
            counted(record.labels, "label"),
            time.monotonic() - began if began is not None else 0.0,
            _proof(record.report),
            "in use" if record.accepted else "not in use: it is worse than the previous head",
        )

    def _retire(self, taste: str, before: str | None) -> None:
        """Schedule the scoring of a taste. Delete the scores of old heads if the head has changed.

        `before`: the version of the head that the taste used before. Deleted scores can be
        computed again from the vectors.
        """
        if before is not None and before != self.ctx.head(taste):
            self.ctx.store.commit(lambda txn: scores.forget_unused(txn, taste))
        self.rescore(taste)

    def _forget_old_heads(self, taste: str) -> None:
        """Delete the files of old heads that are not in use. Each file has several megabytes."""
        with self.ctx.store.read() as txn:
            of_taste = heads.of_taste(txn, taste)
            used = heads.in_use(txn, taste)
        for head in of_taste[:-KEPT_HEADS]:
            if head.version not in used:
                head_file(self.ctx.heads, taste, head.version).unlink(missing_ok=True)

    def _take_scores(self, task: Rescore, answer: Answer) -> Effects | None:
        """Store a part of the scores. After the last part, request new orders of the inboxes."""
        taste, state = task.taste, self.tastes[task.taste]
        began = state.scoring
        match answer:
            case Scored(packed, last):
                state.scored += len(packed) // scores.PACKED_SIZE
                if last:
                    state.scoring = None
                    self.ctx.problems.solved(state)
                self.ctx.store.commit(lambda txn: scores.record(txn, taste, task.head, packed))
                if not last:
                    return None
                files, state.scored = state.scored, 0
                if not files:
                    return None  # No image without a score has an embedding.
                self.ctx.event_log.emit(events.Rescored(taste=taste, head=task.head, files=files))
                logger.info(
                    "%s scored by head %s%s in %.1f s",
                    counted(files, "image"),
                    task.head,
                    of_taste(taste),
                    time.monotonic() - began if began is not None else 0.0,
                )
                return Effects(reorder={taste})
            case Refused(reason, remedy):
                state.problem = f"{reason}; {remedy}"
            case Crashed(reason):
                self._wait(taste, f"scoring {reason}")
                state.unscored = True
            case _:
                state.unscored = True
        state.scoring, state.scored = None, 0
        return None


def _proof(report: Mapping[str, Any]) -> str:
    """Return a text such as `: AUC .91` from a head's report, or "" if nothing was measured."""
    quality = quality_of(report)
    if quality is None or quality.compared is None:
        return ""
    return f": {quality.measure} {quality.compared.value:.2f}".replace("0.", ".")
