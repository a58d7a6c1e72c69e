"""This module limits the deviations of scores, so that there are not too many ties.

Two entries are a tie if their intervals score ± deviation overlap. With too many ties, the order
would mean little. The limit is a number of ranks, because many scores are near 0 or 1, and
few scores are in the middle.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

# Two scores tie if their intervals overlap. On each side of the score, an interval may cover at
# most this share of all entries. The value was measured with bench/order_session.py, in sessions
# with 30 trainings of the head. It reduced the rank correlation by 0.002 to 0.004 (0.005 is
# allowed). It also avoided about two thirds of the touches.
MAX_SHIFT = 0.06


def knots(scores: Sequence[float], max_shift: float = MAX_SHIFT) -> list[float]:
    """Return quantiles of `scores`. Neighbouring quantiles are `max_shift` / 2 apart.

    The caller computes the quantiles once for each head and stores them. The widths of the
    intervals follow from these quantiles. If they followed from the current ranks, each new file
    would change the ties of other files.
    """
    ordered = sorted(scores)
    count = int(2 / max_shift)
    return [ordered[k * (len(ordered) - 1) // count] for k in range(count + 1)] if ordered else []


def tie_deviation(score: float, noise: float, knots: Sequence[float]) -> float:
    """Return the deviation that the plan uses: `noise`, limited by the quantiles `knots`.

    `noise`: the uncertainty of `score`. `noise` and the result are in the unit of `score`. `knots`:
    the result of the function `knots` for a share m = `max_shift`.

    The interval score ± deviation covers at most the share m of the ranks on either side of the
    score. If the intervals of two entries overlap, their ranks differ by at most the share 2 m.
    This limits the number of ranks d by which an entry is displaced. It also limits Spearman's
    correlation for the scores of the knots: 1 - 6 sum d**2 / (n (n**2 - 1)) >= 1 - 24 m**2. This
    limit is the worst case. In practice, a new training reduces the correlation much less.
    """
    k = bisect_right(knots, score)
    below = score - knots[k - 2] if k >= 2 else inf
    above = knots[k + 1] - score if k + 1 < len(knots) else inf
    return max(0.0, min(noise, below, above))
