"""Measurements of heads as plain structs. Imports nothing heavy: daemon and clients use them."""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval, by bootstrap."""

    value: float
    """the figure"""
    low: float
    """the low end of the interval"""
    high: float
    """the high end of the interval"""


class Bin(msgspec.Struct, frozen=True):
    """Labels with about the same score."""

    score: float
    """the mean score"""
    keep: float
    """the share labelled keep; equal to the score if scores are honest"""
    count: int
    """how many labels"""


class Quality(msgspec.Struct, frozen=True):
    """Figures of scores that were given without the image's own label."""

    labels: int
    """how many labels were scored"""
    keeps: int
    """how many of them are keep"""
    auc: Interval
    """the probability that an image labelled keep has a higher score than one labelled trash"""
    average_precision: Interval
    """the mean precision over the images labelled keep"""
    log_loss: Interval
    """the mean of −ln of the probability given to the label"""
    base_log_loss: float
    """the log loss of always guessing the share of keep"""
    reliability: list[Bin]
    """labels by score: whether scores are honest"""


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
    """how far the score would move if the trait had its average value"""


class Comparison(msgspec.Struct, frozen=True):
    """A new head against the one before it, on the same held-out labels."""

    basis: str
    """"new labels": labels that the head before was not trained on; "same folds": all labels, the
    settings of the head before trained again without each fold"""
    labels: int
    """how many labels were compared"""
    auc: float
    """the AUC of the new head"""
    previous_auc: float
    """the AUC of the head before"""
    gain: Interval
    """the AUC of the new head less that of the head before"""
