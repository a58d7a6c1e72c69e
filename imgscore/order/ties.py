"""Limits the deviation with which scores count as ties, so that the order keeps its meaning.

The limit is in ranks, because scores are dense near 0 and 1 and sparse between.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

# Share of all entries. In sessions of 30 retrains (bench/order_session.py) it cost 0.002 to 0.004
# of rank correlation, where 0.005 is allowed, and saved about two thirds of the touches.
MAX_SHIFT = 0.06


def knots(scores: Sequence[float], max_shift: float = MAX_SHIFT) -> list[float]:
    """Return the quantiles of `scores` at distances of half `max_shift`.

    Computed once for each head, and stored: with the current ranks, each new file would change the
    ties of others.
    """
    ordered = sorted(scores)
    count = int(2 / max_shift)
    return [ordered[k * (len(ordered) - 1) // count] for k in range(count + 1)] if ordered else []


def tie_deviation(score: float, noise: float, knots: Sequence[float]) -> float:
    """Return the deviation to plan with, in units of score: `noise`, limited by the knots.

    The interval then covers at most a share m = `max_shift` of the ranks on either side. Two that
    overlap are at most 2 m apart, which bounds each displacement d and so Spearman's correlation,
    1 - 6 sum d**2 / (n (n**2 - 1)) >= 1 - 24 m**2, for the scores of the knots. This is the worst
    case; orders after retraining lose far less.
    """
    k = bisect_right(knots, score)
    below = score - knots[k - 2] if k >= 2 else inf
    above = knots[k + 1] - score if k + 1 < len(knots) else inf
    return max(0.0, min(noise, below, above))
