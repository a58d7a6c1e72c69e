"""Measurements of heads as plain structs. Imports nothing heavy: daemon and clients use it."""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A figure with its 95 % bootstrap interval."""

    value: float
    """the figure"""
    low: float
    """the lower end of the interval"""
    high: float
    """the upper end of the interval"""


class Bin(msgspec.Struct, frozen=True):
    """A bin of the reliability diagram: labels with about the same score."""

    score: float
    """the mean score"""
    keep: float
    """the share labelled keep; about the mean score if scores are well calibrated"""
    count: int
    """the number of labels"""


class Quality(msgspec.Struct, frozen=True):
    """Figures of held-out scores: each is given by heads that were trained without its label."""

    labels: int
    """the number of labels"""
    keeps: int
    """the number of keep labels"""
    auc: Interval
    """the probability that an image labelled keep has a higher score than one labelled trash"""
    average_precision: Interval
    """the mean precision over the images labelled keep"""
    log_loss: Interval
    """the mean of −ln of the probability of the label"""
    base_log_loss: float
    """the log loss of a constant score, the share of keep"""
    reliability: list[Bin]
    """the reliability diagram: labels in bins of their score"""


class Point(msgspec.Struct, frozen=True):
    """A point of the learning curve."""

    labels: int
    """the number of labels trained on"""
    auc: float
    """the mean held-out AUC"""
    deviation: float
    """its standard deviation over repeated draws"""


class Evaluation(msgspec.Struct, frozen=True):
    """A recipe, evaluated on a person's labels.

    quality: of cross-validated scores, with near-duplicates in one fold. curve: AUC by number of
    labels. doubled: predicted AUC with twice the labels; None if there are too few to predict.
    left_out: points that were skipped for lack of time, those with the fewest labels.
    """

    kind: str
    quality: Quality
    curve: list[Point]
    doubled: float | None
    left_out: int = 0


class TraitWeight(msgspec.Struct, frozen=True):
    """A trait of an image, and its weight in the score."""

    name: str
    """the trait"""
    change: float
    """the score minus the score with this trait at its average"""


class Comparison(msgspec.Struct, frozen=True):
    """A new head and the previous one, compared on the same held-out labels."""

    basis: str
    """"new labels": those that the previous head was not trained on; "same folds": all labels, with
    the settings of the previous head trained again without each fold"""
    labels: int
    """the number of labels compared"""
    auc: float
    """the AUC of the new head"""
    previous_auc: float
    """the AUC of the previous head"""
    gain: Interval
    """the AUC of the new head minus that of the previous one"""
