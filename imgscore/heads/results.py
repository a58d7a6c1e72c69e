"""Measurements of heads as plain structs. Imports nothing heavy: the daemon passes them on."""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Bin(msgspec.Struct, frozen=True):
    """One bin of a reliability diagram: `count` labels with the mean score `score`.

    keep: the share of them that are keep.
    """

    score: float
    keep: float
    count: int


class Quality(msgspec.Struct, frozen=True):
    """Figures of held-out scores.

    auc: probability that a keep outranks a trash. average_precision: of keep. log_loss: mean, in
    nats. base_log_loss: that of a constant score, the share of keeps.
    """

    labels: int
    keeps: int
    auc: Interval
    average_precision: Interval
    log_loss: Interval
    base_log_loss: float
    reliability: list[Bin]


class Point(msgspec.Struct, frozen=True):
    """A point of the learning curve: mean held-out AUC, and its standard deviation over draws."""

    labels: int
    auc: float
    deviation: float


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
    """By how much a trait raises the score above that with the trait's average value."""

    name: str
    change: float
