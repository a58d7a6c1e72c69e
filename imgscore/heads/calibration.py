"""From a head's raw output to a probability, by a logistic curve through held-out outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Bools

STEPS = 50
PRIOR = 1.0
"""Precision of the prior on the slope about 1, outputs having unit deviation: strong at ten labels,
nothing at a hundred."""
MIN_SPREAD = 0.1
"""Deviation of outputs, for targets ±1, below which they are noise that must not be blown up."""
FLATTEST = 0.1
"""Least slope: the order of a head that fails on held-out labels stays, its confidence goes."""


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / (1 + e^-x) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def fit_platt(outputs: NDArray[np.floating], keep: Bools) -> tuple[float, float]:
    """Slope > 0 and offset of P(keep) = sigmoid(slope · output + offset).

    Platt (1999), with his smoothed targets (n₊+1)/(n₊+2) and 1/(n₋+2), by Newton's method in the
    form of Lin, Lin and Weng (2007). The slope is never negative: a head that ranks held-out labels
    backwards is no evidence for the opposite order; leaving out one of ten tips the balance.
    """
    x = np.asarray(outputs, np.float64)
    spread = max(float(x.std()), MIN_SPREAD)
    z = x / spread
    keeps = int(keep.sum())
    trashes = len(keep) - keeps
    target = np.where(keep, (keeps + 1) / (keeps + 2), 1 / (trashes + 2))
    slope, offset = 1.0, float(np.log((keeps + 1) / (trashes + 1)))
    for _ in range(STEPS):
        p = sigmoid(slope * z + offset)
        slack = p - target
        curve = np.maximum(p * (1 - p), 1e-9)
        gradient = np.array([slack @ z + PRIOR * (slope - 1), slack.sum()])
        cross = curve @ z
        hessian = np.array([[curve @ (z * z) + PRIOR, cross], [cross, curve.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        slope, offset = slope - step[0], offset - step[1]
        if np.abs(step).max() < 1e-7:
            break
    if slope < FLATTEST:
        return FLATTEST / spread, float(np.log((keeps + 1) / (trashes + 1)))
    return float(slope / spread), float(offset)
