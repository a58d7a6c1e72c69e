"""Train a head, evaluate it on held-out labels, and decide whether it replaces the previous one."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.base import Examples, Head
from imgscore.heads.measures import Ranking, interval, quality, resample
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.results import Comparison, Quality

MIN_COMPARED = 10
"""Labels of each kind that a comparison needs; with fewer, its interval is too wide to decide."""


class Report(msgspec.Struct, frozen=True):
    """The result of training; JSON-able.

    quality: cross-validated. comparison: None if there was nothing to compare with.
    """

    kind: str
    embedder: str
    labels: int
    keeps: int
    settings: dict[str, Any]
    quality: Quality
    comparison: Comparison | None
    accepted: bool
    reason: str


class Trained(NamedTuple):
    """A head and its report."""

    head: Head
    report: Report

    @property
    def accepted(self) -> bool:
        """Whether the head may replace the previous one."""
        return self.report.accepted


def train(
    examples: Examples,
    *,
    kind: str = AUTO,
    previous: Head | None = None,
    seen: Bools | None = None,
) -> Trained:
    """Train on all of `examples`, and compare with `previous` on labels held out from both.

    kind: the recipe's name. seen: bool [n], the labels that `previous` was trained on, with the
    same value; None means none. The comparison is the first possible of these:
    1. "new labels", if there are MIN_COMPARED of each kind that `previous` has not seen, not even a
       near-duplicate. The previous head scores them, and the new head's held-out scores are taken.
    2. "same folds", if the settings differ: both are trained again without each fold of all labels.
    3. None, if the settings are equal: the heads differ by their labels only.

    Without a comparison the new head is accepted.

    The new head is refused if its AUC is lower with 97.5 % confidence, by a paired bootstrap over
    groups. Raises UsageError if there are too few labels.
    """
    fitted = recipe(kind).fit(examples)
    head = fitted.head
    comparison = None
    if previous is not None and previous.embedder == head.embedder:
        unseen = _unseen(examples, seen)
        if _enough(examples.keep[unseen]):
            old = previous.score(
                examples.embeddings[unseen],
                None if examples.extras is None else examples.extras[unseen],
            ).score
            comparison = _compare(
                "new labels", examples.take(unseen), fitted.held_out.score[unseen], old
            )
        elif _enough(examples.keep) and (
            previous.kind != head.kind or dict(previous.settings) != dict(head.settings)
        ):
            again = recipe(previous.kind).fit(examples, fitted.folds, previous.settings)
            comparison = _compare(
                "same folds", examples, fitted.held_out.score, again.held_out.score
            )
    accepted = comparison is None or comparison.gain.high >= 0
    report = Report(
        kind=head.kind,
        embedder=head.embedder,
        labels=len(examples),
        keeps=int(examples.keep.sum()),
        settings=dict(head.settings),
        quality=quality(fitted.held_out.score, examples.keep, examples.groups),
        comparison=comparison,
        accepted=accepted,
        reason=_reason(comparison, accepted),
    )
    return Trained(head, report)


def _unseen(examples: Examples, seen: Bools | None) -> Bools:
    """Labels bool [n] of groups from which the previous head has seen no image."""
    if seen is None:
        return np.ones(len(examples), bool)
    if examples.groups is None:
        return ~seen
    return ~np.isin(examples.groups, examples.groups[seen])


def _enough(keep: Bools) -> bool:
    """Whether there are MIN_COMPARED labels of each kind."""
    return bool(min(keep.sum(), len(keep) - keep.sum()) >= MIN_COMPARED)


def _compare(basis: str, examples: Examples, new: Floats, old: Floats) -> Comparison:
    new_ranking, old_ranking = Ranking(new, examples.keep), Ranking(old, examples.keep)
    groups: Ints = np.arange(len(examples)) if examples.groups is None else examples.groups
    gains = [new_ranking.auc(draw) - old_ranking.auc(draw) for draw in resample(groups)]
    auc, previous_auc = new_ranking.auc(), old_ranking.auc()
    return Comparison(basis, len(examples), auc, previous_auc, interval(auc - previous_auc, gains))


def _reason(comparison: Comparison | None, accepted: bool) -> str:
    if comparison is None:
        return "nothing to compare with"
    verdict = "not worse" if accepted else "worse"
    return (
        f"{verdict} than the previous head on {comparison.labels} held-out labels "
        f"({comparison.basis}): AUC {comparison.auc:.3f} against {comparison.previous_auc:.3f}"
    )
