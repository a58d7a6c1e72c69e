"""Measurements of heads as plain structs.

This module imports no heavy modules, because the daemon and the clients use it.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Measure = Literal["AUC", "pairwise accuracy"]
"""The measure by which heads are compared. It is the pairwise accuracy if labels have grades other
than those of keep and trash."""


class Interval(msgspec.Struct, frozen=True):
    """A measured value with its 95 % interval (see intervals.py; of a gain: by a bootstrap)."""

    value: float
    """the measured value"""
    low: float
    """the lower end of the interval"""
    high: float
    """the upper end of the interval"""


class Bin(msgspec.Struct, frozen=True):
    """A bin of the reliability diagram. The images in a bin have about equal scores."""

    score: float
    """the mean score of the images in the bin"""
    keep: float
    """the share of keep labels in the bin, or the mean grade if labels have other grades; about
    equal to the mean score if scores are well calibrated"""
    count: int
    """the number of labels in the bin"""
    keeps: int | None = None
    """the number of keep labels in the bin; null if the head was trained by an older version"""
    undecided: int = 0
    """the number of undecided labels in the bin"""


class Quality(msgspec.Struct, frozen=True):
    """The quality of scores from heads that were trained without the scored images."""

    labels: int
    """the number of all labels"""
    keeps: int
    """the number of keep labels, including the grades above 0.5"""
    auc: Interval | None
    """the probability that an image labelled keep has a higher score than an image labelled
    trash; null if there are no such two labels"""
    average_precision: Interval | None
    """the mean precision over the images labelled keep; null if there are no keep labels or no
    trash labels"""
    log_loss: Interval
    """the mean of −ln of the probability of the label; for a label of grade g, g times the loss of
    keep plus 1 − g times the loss of trash"""
    base_log_loss: float
    """the log loss of a constant score that is equal to the mean grade"""
    reliability: list[Bin]
    """the reliability diagram: bins of labels with about equal scores"""
    accuracy: Interval | None = None
    """the share of labels that a score of at least 0.5 for keep predicts, without the undecided
    ones; null if the head was trained by an older version, or if all labels are undecided"""
    undecided: int = 0
    """the number of labels of grade 0.5; AUC, average precision and accuracy leave them out"""
    pairwise_accuracy: Interval | None = None
    """the share of pairs of labels with different grades that the scores put in the right order; a
    pair with equal scores counts as half; null if the head was trained by an older version"""
    rank_correlation: Interval | None = None
    """Spearman's rank correlation of scores and grades, from −1 to 1; equal values share their mean
    rank; null if the head was trained by an older version"""
    measure: Measure = "AUC"
    """the figure by which heads are compared: `AUC`, or `pairwise accuracy` if labels have grades
    other than those of keep and trash"""

    @property
    def compared(self) -> Interval | None:
        """The figure that `measure` names, or None if it was not measured."""
        return self.auc if self.measure == "AUC" else self.pairwise_accuracy


class PairQuality(msgspec.Struct, frozen=True):
    """The quality of scores as predictions of comparisons that the head was not trained on.

    The heads were trained without the answer, without both images and their near-duplicates.
    """

    comparisons: int
    """the number of all comparisons, including those whose answer was "same" """
    same: int
    """the number of comparisons whose answer was "same" """
    accuracy: Interval | None
    """the share of comparisons in which the better image has the higher score; answers "same" are
    left out; null if there are no other answers"""
    log_loss: Interval
    """the mean of −ln of the probability of the answer; 0.693 if the scores say nothing"""


def quality_of(report: Mapping[str, Any]) -> Quality | None:
    """Return the quality in the report of a stored head, or None if nothing was measured.

    The head was imported, or made of words, if nothing was measured.
    """
    try:
        return msgspec.convert(report.get("quality"), Quality | None)
    except msgspec.ValidationError:
        return None


def is_calibrated(report: Mapping[str, Any]) -> bool:
    """Return whether the head with this report gives calibrated scores.

    The report of an older version does not say so: its head is calibrated, unless it was made of
    words.
    """
    return bool(report.get("calibrated", report.get("kind") != "words"))


def pairs_of(report: Mapping[str, Any]) -> PairQuality | None:
    """Return the quality of comparisons in the report of a stored head, or None if unknown."""
    try:
        return msgspec.convert(report.get("pairs"), PairQuality | None)
    except msgspec.ValidationError:
        return None


class Point(msgspec.Struct, frozen=True):
    """A point of the learning curve."""

    labels: int
    """the number of labels that the heads of this point were trained on"""
    auc: float
    """the mean held-out AUC of these heads, or their pairwise accuracy; see
    Quality.measure"""
    deviation: float
    """the standard deviation of this measure over repeated draws of labels"""


class Evaluation(msgspec.Struct, frozen=True):
    """The evaluation of a recipe on a person's labels.

    `kind`: the kind of the head.
    `quality`: the quality of cross-validated scores. All near-duplicates of an image are in one
    fold.
    `curve`: the learning curve, which is the AUC or the pairwise accuracy (see Quality.measure)
    by number of labels.
    `doubled`: the figure that is predicted for twice as many labels. None means that there are too
    few labels for a prediction.
    `left_out`: the number of points that were left out for lack of time. They are the points with
    the fewest labels.
    `pairs`: the quality of the prediction of comparisons. None means that there are none.
    `taste_changed`: whether only the labels after a change of the taste count and are measured.

    If there are too few labels, and the head learned from comparisons, `quality` is None and the
    curve is empty.
    """

    kind: str
    quality: Quality | None
    curve: list[Point]
    doubled: float | None
    left_out: int = 0
    pairs: PairQuality | None = None
    taste_changed: bool = False


class TraitWeight(msgspec.Struct, frozen=True):
    """A trait of an image, with its weight in the score."""

    name: str
    """the name of the trait"""
    change: float
    """the score minus the score that the image has if this trait is average"""


class Comparison(msgspec.Struct, frozen=True):
    """A comparison of a new head with the previous head on one set of held-out labels."""

    basis: str
    """"new labels": the heads are compared on labels that the previous head was not trained on;
    "new comparisons": the same with comparisons of two images;
    "same folds": the heads are compared on all labels; for each fold, a head with the recipe of
    the previous head is trained on the labels of the other folds"""
    labels: int
    """the number of labels, or of comparisons, on which the heads are compared"""
    auc: float
    """the AUC of the new head, or its pairwise accuracy; see `measure`"""
    previous_auc: float
    """the same measure of the previous head"""
    gain: Interval
    """the measure of the new head minus the measure of the previous head"""
    measure: Measure = "AUC"
    """`AUC`; or `pairwise accuracy` if labels have grades other than those of keep and trash, or
    if the heads are compared on comparisons of two images"""


def comparison_of(report: Mapping[str, Any]) -> Comparison | None:
    """Return the comparison with the previous head in the report of a stored head, or None."""
    try:
        return msgspec.convert(report.get("comparison"), Comparison | None)
    except msgspec.ValidationError:
        return None
