"""Train a head, prove it on held-out labels, and say whether it may replace the previous one."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.base import Examples, Head
from imgscore.heads.measures import Ranking, interval, quality, resample
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.results import Interval, Quality

MIN_COMPARED = 10
"""Labels of each kind below which a comparison tells nothing."""


class Comparison(msgspec.Struct, frozen=True):
    """New against previous head on the same held-out labels.

    basis: "new labels" (those the previous head never saw) or "same folds" (the previous head's
    settings, trained again without each fold). gain: AUC of the new less that of the previous.
    """

    basis: str
    labels: int
    auc: float
    previous_auc: float
    gain: Interval


class Report(msgspec.Struct, frozen=True):
    """What training found; JSON-able."""

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
    """A head, its report, and whether it may take the previous head's place."""

    head: Head
    report: Report

    @property
    def accepted(self) -> bool:
        """Whether the head is not worse than the previous one."""
        return self.report.accepted


def train(
    examples: Examples,
    *,
    kind: str = AUTO,
    previous: Head | None = None,
    seen: Bools | None = None,
) -> Trained:
    """Train on all of `examples`, and compare with `previous` without fooling ourselves.

    seen: bool [n], the labels that `previous` was trained on as they are now (None: none of
    them). A head must not be tested on what it was taught, nor on a near-duplicate of it. Where
    there are LEAST_COMPARED labels of each kind that `previous` never saw, both are judged on
    those: the previous as it is, the new one out-of-fold. Otherwise, if the previous head's
    settings differ, both settings are judged on the same folds of all labels, trained without the
    fold they are judged on. Otherwise the two differ by labels only, and the new one is taken.

    The new head is refused if the paired bootstrap over groups is 97.5 % sure that its AUC is
    lower. Raises UsageError where labels are too few.
    """
    fitted = recipe(kind).fit(examples)
    head = fitted.head
    comparison = None
    if previous is not None and previous.embedder == head.embedder:
        fresh = _fresh(examples, seen)
        if _enough(examples.keep[fresh]):
            old = previous.score(
                examples.embeddings[fresh],
                None if examples.extras is None else examples.extras[fresh],
            ).score
            comparison = _compare(
                "new labels", examples.take(fresh), fitted.held_out.score[fresh], old
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


def _fresh(examples: Examples, seen: Bools | None) -> Bools:
    """Labels that the previous head saw neither themselves nor in a near-duplicate."""
    if seen is None:
        return np.ones(len(examples), bool)
    if examples.groups is None:
        return ~seen
    return ~np.isin(examples.groups, examples.groups[seen])


def _enough(keep: Bools) -> bool:
    return bool(min(keep.sum(), len(keep) - keep.sum()) >= MIN_COMPARED)


def _compare(basis: str, examples: Examples, new: Floats, old: Floats) -> Comparison:
    ours, theirs = Ranking(new, examples.keep), Ranking(old, examples.keep)
    groups: Ints = np.arange(len(examples)) if examples.groups is None else examples.groups
    gains = [ours.auc(one) - theirs.auc(one) for one in resample(groups)]
    auc, previous_auc = ours.auc(), theirs.auc()
    return Comparison(basis, len(examples), auc, previous_auc, interval(auc - previous_auc, gains))


def _reason(comparison: Comparison | None, accepted: bool) -> str:
    if comparison is None:
        return "nothing to compare with"
    verdict = "not worse" if accepted else "worse"
    return (
        f"{verdict} than the previous head on {comparison.labels} held-out labels "
        f"({comparison.basis}): AUC {comparison.auc:.3f} against {comparison.previous_auc:.3f}"
    )
