"""What is measured of heads, as plain structs: light, so that the daemon can pass them on."""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A figure and the range that holds 95 % of its bootstrap draws."""

    value: float
    low: float
    high: float


class Bin(msgspec.Struct, frozen=True):
    """Of `count` labels scored `score` on average, the share `keep` was kept."""

    score: float
    keep: float
    count: int


class Quality(msgspec.Struct, frozen=True):
    """Held-out figures of one set of scores.

    auc: chance that a keep outranks a trash. average_precision: of keep. log_loss: in nats.
    base_log_loss: what the share of keeps alone would give.
    """

    labels: int
    keeps: int
    auc: Interval
    average_precision: Interval
    log_loss: Interval
    base_log_loss: float
    reliability: list[Bin]


class Point(msgspec.Struct, frozen=True):
    """Mean held-out AUC with so many labels, and its standard deviation over draws."""

    labels: int
    auc: float
    deviation: float


class Evaluation(msgspec.Struct, frozen=True):
    """quality: all labels, each scored by heads that saw neither it nor a near-duplicate.
    curve: AUC by number of labels. doubled: the AUC that 2 × the labels would bring, None
    where there are too few labels to tell. left_out: points of fewest labels that there was no
    time for."""

    kind: str
    quality: Quality
    curve: list[Point]
    doubled: float | None
    left_out: int = 0


class TraitWeight(msgspec.Struct, frozen=True):
    """How far the score would move were this trait as the library's average."""

    name: str
    change: float
