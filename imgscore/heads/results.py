"""Measurements of heads as plain structs.

This module imports no heavy modules, because the daemon and the clients use it.
"""

import msgspec


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
    """the share of keep labels in the bin; about equal to the mean score if scores are well
    calibrated"""
    count: int
    """the number of labels in the bin"""


class Quality(msgspec.Struct, frozen=True):
    """The quality of scores from heads that were trained without the scored images."""

    labels: int
    """the number of all labels"""
    keeps: int
    """the number of keep labels"""
    auc: Interval
    """the probability that an image labelled keep has a higher score than an image labelled
    trash"""
    average_precision: Interval
    """the mean precision over the images labelled keep"""
    log_loss: Interval
    """the mean of −ln of the probability of the label"""
    base_log_loss: float
    """the log loss of a constant score that is equal to the share of keep labels"""
    reliability: list[Bin]
    """the reliability diagram: bins of labels with about equal scores"""
    accuracy: Interval | None = None
    """the share of labels that a score of at least 0.5 for keep predicts; null if the head was
    trained by an older version"""


class Point(msgspec.Struct, frozen=True):
    """A point of the learning curve."""

    labels: int
    """the number of labels that the heads of this point were trained on"""
    auc: float
    """the mean held-out AUC of these heads"""
    deviation: float
    """the standard deviation of the held-out AUC over repeated draws of labels"""


class Evaluation(msgspec.Struct, frozen=True):
    """The evaluation of a recipe on a person's labels.

    `kind`: the kind of the head.
    `quality`: the quality of cross-validated scores. All near-duplicates of an image are in one
    fold.
    `curve`: the learning curve, which is the AUC by number of labels.
    `doubled`: the AUC that is predicted for twice as many labels. None means that there are too few
    labels for a prediction.
    `left_out`: the number of points that were left out for lack of time. They are the points with
    the fewest labels.
    """

    kind: str
    quality: Quality
    curve: list[Point]
    doubled: float | None
    left_out: int = 0


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
    "same folds": the heads are compared on all labels; for each fold, a head with the recipe of
    the previous head is trained on the labels of the other folds"""
    labels: int
    """the number of labels on which the heads are compared"""
    auc: float
    """the AUC of the new head"""
    previous_auc: float
    """the AUC of the previous head"""
    gain: Interval
    """the AUC of the new head minus the AUC of the previous head"""
