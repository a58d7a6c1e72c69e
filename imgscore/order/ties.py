"""This module limits the deviation within which two scores are a tie.

Without a limit, too many entries would be ties, and the order would mean little. The limit is a
number of ranks, because scores are dense near 0 and 1 and sparse between 0 and 1.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

# The largest share of all entries that a tie may span on either side. In sessions of 30 retrains
# (bench/order_session.py) this value reduced the rank correlation by 0.002 to 0.004 (0.005 is
# allowed). This value also avoided about two thirds of the touches.
MAX_SHIFT = 0.06


def knots(scores: Sequence[float], max_shift: float = MAX_SHIFT) -> list[float]:
    """Return the quantiles of `scores` at distances of half of `max_shift`.

    The caller computes the quantiles once for each head and stores them. If the limit used the
    current ranks instead, each new file would change the ties of other files.
    """
    ordered = sorted(scores)
    count = int(2 / max_shift)
    return [ordered[k * (len(ordered) - 1) // count] for k in range(count + 1)] if ordered else []


def tie_deviation(score: float, noise: float, knots: Sequence[float]) -> float:
    """Return the deviation that the plan uses: `noise`, limited by the knots.

    `noise` and the result are in the unit of `score`. The interval score ± deviation covers at most
    a share m = `max_shift` of the ranks on either side of the score. If the intervals of two
    entries overlap, their ranks differ by at most a share of 2 m. This limits each displacement d.
    It also limits Spearman's correlation for the scores of the knots: 1 - 6 sum d**2 / (n (n**2 -
    1)) >= 1 - 24 m**2. This limit is the worst case. In practice, retraining reduces the
    correlation much less.
    """
    k = bisect_right(knots, score)
    below = score - knots[k - 2] if k >= 2 else inf
    above = knots[k + 1] - score if k + 1 < len(knots) else inf
    return max(0.0, min(noise, below, above))
