"""How much noise counts as a tie: the head's own, but not so much that the order loses its meaning.

Scores bunch (many near 0 and 1), so a bound on what ties may cost has to be one in ranks.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

# Share of all entries. Over sessions of 30 retrains (bench/order_session.py) it costs 0.002 to
# 0.004 of rank correlation, of the 0.005 allowed, and saves about two touches of three.
MAX_SHIFT = 0.06


def knots(scores: Sequence[float], most_shift: float = MAX_SHIFT) -> list[float]:
    """Quantiles of `scores`, half of `most_shift` apart: make them once a head, keep them with it.

    Fixed knots, and not the ranks of today, so that a new arrival changes no other entry's ties.
    """
    ordered = sorted(scores)
    count = int(2 / most_shift)
    return [ordered[k * (len(ordered) - 1) // count] for k in range(count + 1)] if ordered else []


def tie_deviation(score: float, noise: float, knots: Sequence[float]) -> float:
    """The deviation (in units of score) to plan with: `noise`, cut down to where the knots allow.

    An interval then spans at most `most_shift` (m) of the ranks to either side, so two that overlap
    are at most 2 m apart, which bounds each displacement d and with it Spearman's correlation,
    1 - 6 sum d**2 / (n (n**2 - 1)) >= 1 - 24 m**2, on the scores that the knots were made from.
    That is the worst a malicious order could hide; what a drifting head leaves is far less.
    """
    k = bisect_right(knots, score)
    below = score - knots[k - 2] if k >= 2 else inf
    above = knots[k + 1] - score if k + 1 < len(knots) else inf
    return max(0.0, min(noise, below, above))
