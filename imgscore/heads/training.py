"""Train a head, evaluate it on held-out labels, and decide whether it may replace the old head."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.base import Examples, Fitted, Head, OnProgress, no_progress
from imgscore.heads.drift import measured
from imgscore.heads.intervals import error_of_auc, independent
from imgscore.heads.measures import (
    Ranking,
    correct,
    interval,
    measure_of,
    pair_quality,
    quality,
    resample,
)
from imgscore.heads.recipes import AUTO, WORDS, recipe
from imgscore.heads.results import Comparison, Interval, PairQuality, Quality
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side

MIN_WORDS_COMPARED = 10
"""The smallest number of labels of each side (keep and trash, or as sides.py divides grades) with
which a words head is compared as other heads are. They also take precedence over comparisons of two
images."""
REFUSAL_ERRORS = 1.45
"""The number of standard errors by which the AUC of a new head must be lower for its refusal. The
figures are in bench/LEARNING.md, "May a new head replace the old one?"."""
MAX_AUC = 0.98
"""The largest AUC of which the standard error is computed. That of an AUC of 1 would be 0."""
MIN_COMPARED_PAIRS = 20
"""The smallest number of comparisons of two images that a comparison of two heads needs."""


class Report(msgspec.Struct, frozen=True):
    """The result of training, in JSON-able values.

    `labels`, `keeps`: the number of all labels, and of labels above 0.5 (keep).
    `quality`: the quality of the cross-validated scores. It is missing if there are too few labels.
    `comparison`: the comparison with the previous head, or None if no comparison was possible.
    `accepted`: whether the new head may replace the previous head.
    `reason`: the reason for this decision.
    `pairs`: how well held-out scores predict comparisons of two images. It is missing if there are
    none.
    `calibrated`: whether the scores are calibrated. Comparisons alone cannot calibrate scores.
    `from_keeps`: whether random images took the place of trash labels; see from_keeps.py.
    `taste_changed`: whether only the labels after a change count, also in `quality`; see drift.py.
    """

    kind: str
    embedder: str
    labels: int
    keeps: int
    settings: dict[str, Any]
    quality: Quality | UnsetType
    comparison: Comparison | None
    accepted: bool
    reason: str
    pairs: PairQuality | UnsetType = UNSET
    calibrated: bool = True
    from_keeps: bool = False
    taste_changed: bool = False


class Trained(NamedTuple):
    """A new head and the report of its training."""

    head: Head
    report: Report

    @property
    def accepted(self) -> bool:
        """Whether the new head may replace the previous head."""
        return self.report.accepted


def train(
    examples: Examples,
    *,
    kind: str = AUTO,
    previous: Head | None = None,
    seen: Bools | None = None,
    seen_comparisons: Bools | None = None,
    device: str = "cpu",
    on_progress: OnProgress = no_progress,
) -> Trained:
    """Train on all of `examples`, and compare the new head with `previous` on held-out labels.

    `kind`: the name of the recipe.
    `previous`: the head to compare with, or None.
    `seen`: bool [n], True for each label that `previous` was trained on with the present value
    (grade). None means that all labels are new to `previous`.
    `seen_comparisons`: bool [p], the same for each comparison of two images.
    `device`: the device of the config, for a recipe that can use a GPU.
    `on_progress`: is called with the progress of the recipe, if the training takes long.

    The function makes the first comparison in this list that is possible:
    1. "new labels", if there are MIN_SIDE new labels of each side. A label is new if `previous`
       was trained without this label and without the labels of near-duplicates. The scores of
       `previous` are compared with the held-out scores of the new head.
    2. "new comparisons", if there are MIN_COMPARED_PAIRS new comparisons of two images. The answers
       "same" do not count. They are preferred to fewer than MIN_WORDS_COMPARED new labels.
    3. "same folds", if the two heads differ in their recipe or settings, and if there are
       MIN_SIDE labels of each side. For each fold, one head of each recipe is trained without
       this fold. The held-out scores of the two recipes are compared.
    4. No comparison. The two heads have equal settings, for example, and differ only in their
       labels.

    The new head is rejected if its AUC is lower than the AUC of `previous` by REFUSAL_ERRORS
    standard errors; see `_compare`. With grades, the pairwise accuracy takes the place of the AUC.
    On comparisons of two images, it is rejected with 97.5 % confidence of a paired bootstrap. If
    there is no comparison, the new head is accepted. A words head has no training: with fewer
    labels than MIN_WORDS_COMPARED of each side, it is replaced as soon as its AUC is not larger.
    Raises UsageError if there are too few labels.
    """
    fitted = recipe(kind, device).fit(examples, on_progress=on_progress)
    head = fitted.head
    comparison, is_worse = None, False
    if previous is not None and previous.embedder == head.embedder:
        unseen, new = _unseen(examples, seen, seen_comparisons)
        if not _enough(examples.grades[unseen], MIN_WORDS_COMPARED) and (
            len(new) >= MIN_COMPARED_PAIRS
            or (previous.kind == WORDS and not examples.is_calibrated and len(new))
        ):
            comparison = _compare_on_pairs(examples, new, fitted.comparison_odds[new], previous)
            is_worse = comparison.gain.high < 0
        elif _enough(examples.grades[unseen]) or (
            previous.kind == WORDS and examples.is_calibrated
        ):
            old = previous.score(
                examples.embeddings[unseen],
                None if examples.extras is None else examples.extras[unseen],
            ).score
            comparison, is_worse = _compare(
                "new labels", examples.take(unseen), fitted.held_out.score[unseen], old
            )
        elif _enough(examples.grades) and (
            previous.kind != head.kind or dict(previous.settings) != dict(head.settings)
        ):
            again = recipe(previous.kind, device).fit(
                examples, fitted.folds, previous.settings, on_progress
            )
            comparison, is_worse = _compare(
                "same folds", examples, fitted.held_out.score, again.held_out.score
            )
    accepted = comparison is None or (
        comparison.gain.value >= 0
        if previous is not None
        and previous.kind == WORDS
        and not _enough(examples.grades, MIN_WORDS_COMPARED)
        else not is_worse
    )
    tested = measured(fitted.recency, examples.upper)
    report = Report(
        kind=head.kind,
        embedder=head.embedder,
        labels=len(examples),
        keeps=int(examples.keep.sum()),
        settings=dict(head.settings),
        quality=quality(
            fitted.held_out.score[tested],
            examples.grades[tested],
            None if examples.groups is None else examples.groups[tested],
        )
        if examples.is_calibrated
        else UNSET,
        comparison=comparison,
        accepted=accepted,
        reason=_reason(comparison, accepted),
        pairs=_pair_quality(examples, fitted),
        calibrated=examples.is_calibrated,
        taste_changed=fitted.recency is not None,
    )
    return Trained(head, report)


def _pair_quality(examples: Examples, fitted: Fitted) -> PairQuality | UnsetType:
    """Return the quality of the prediction of comparisons, if the head learned from any."""
    if not len(fitted.comparison_odds):
        return UNSET
    measured = pair_quality(fitted.comparison_odds, examples.comparisons, examples.all_groups)
    return UNSET if measured is None else measured


def _unseen(
    examples: Examples, seen: Bools | None, seen_comparisons: Bools | None
) -> tuple[Bools, Ints]:
    """Return the labels and the comparisons that are new to the previous head.

    Labels: bool [n], True if the previous head was trained on no image of the label's group.
    Comparisons: the rows whose answer is not "same", and for which this is true of both images.
    """
    labels = np.zeros(len(examples), bool) if seen is None else seen
    pairs = np.zeros(len(examples.comparisons), bool)
    pairs = pairs if seen_comparisons is None else seen_comparisons
    groups = examples.all_groups
    known = np.concatenate(
        [groups[: len(examples)][labels], groups[examples.comparisons[pairs, :2]].ravel()]
    )
    is_new = ~np.isin(groups, known)
    new = is_new[examples.comparisons[:, :2]].all(axis=1) & (examples.comparisons[:, 2] == 0)
    return is_new[: len(examples)], np.flatnonzero(new)


def _enough(grades: Floats, count: int = MIN_SIDE) -> bool:
    """Return whether there are at least `count` labels of each side."""
    return smaller_side(upper_side(grades)) >= count


def _compare(basis: str, examples: Examples, new: Floats, old: Floats) -> tuple[Comparison, bool]:
    """Return the comparison of the scores of two heads, and whether the new head is rejected.

    The standard error of the gain is that of a paired bootstrap over groups, but at least that of
    the mean of both AUCs by Hanley and McNeil (1982). With few labels, many bootstrap draws rank
    all labels correctly, and their error is too small.
    """
    new_ranking, old_ranking = Ranking(new, examples.grades), Ranking(old, examples.grades)
    groups: Ints = np.arange(len(examples)) if examples.groups is None else examples.groups
    gains = [new_ranking.pairwise(draw) - old_ranking.pairwise(draw) for draw in resample(groups)]
    value, previous = new_ranking.pairwise(), old_ranking.pairwise()
    theta = np.clip((value + previous) / 2, 0.5, MAX_AUC)
    grades = np.asarray(examples.grades, np.float64)
    smallest = error_of_auc(np.array([theta]), *independent(grades, groups))[0]
    error = float(max(np.std(gains), smallest))
    gain = value - previous
    comparison = Comparison(
        basis,
        len(examples),
        value,
        previous,
        Interval(gain, gain - 1.96 * error, gain + 1.96 * error),
        measure_of(examples.grades),
    )
    return comparison, gain < -REFUSAL_ERRORS * error


def _compare_on_pairs(
    examples: Examples, rows: Ints, new_odds: Floats, previous: Head
) -> Comparison:
    """Compare the heads on the comparisons `rows`. `new_odds`: those of the new head."""
    old = previous.score(examples.all_embeddings, examples.all_extras).score
    better, worse, _ = examples.comparisons[rows].T
    new_right, old_right = correct(new_odds), correct(old[better] - old[worse])
    gain = new_right - old_right
    pairs = np.sort(examples.all_groups[examples.comparisons[rows, :2]], axis=1)
    pair = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)  # numpy 2.0: [n, 1]
    draws = [draw @ gain / draw.sum() for draw in resample(pair)]
    return Comparison(
        "new comparisons",
        len(rows),
        float(new_right.mean()),
        float(old_right.mean()),
        interval(float(gain.mean()), draws),
        "pairwise accuracy",
    )


def _reason(comparison: Comparison | None, accepted: bool) -> str:
    if comparison is None:
        return "nothing to compare with"
    verdict = "not worse" if accepted else "worse"
    kind = "comparisons" if comparison.basis == "new comparisons" else "labels"
    return (
        f"{verdict} than the previous head on {comparison.labels} held-out {kind} "
        f"({comparison.basis}): {comparison.measure} {comparison.auc:.3f} against "
        f"{comparison.previous_auc:.3f}"
    )
