"""Choose the pairs of images to compare next: the pairs whose answers should teach most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Bools, Floats, Half, Ints
from imgscore.heads.base import Examples
from imgscore.heads.calibration import sigmoid
from imgscore.heads.features import Features
from imgscore.heads.kernel_solver import CONSTANT_VARIANCE, GAMMA, rbf
from imgscore.heads.preferences import Answers, Matrix, sites_of

SIMILAR_COSINE = 0.9
"""The cosine from which two images are too similar to be compared. The answer would add little
information, because both images have almost equal values."""
MAX_CANDIDATES = 1000
"""The largest number of images from which `choose_pairs` chooses. If there are more images, a
random sample is used: the time grows with the square of this number, the first step with its third
power, and 1,000 images already make half a million pairs."""
MAX_OBSERVED = 600
"""The largest number of labels, and the largest number of comparisons, that `choose_pairs` uses to
compute covariances. If there are more, it uses a random sample."""
LABEL_NOISE = 0.1
"""The noise variance of a label, in units of the target ±1."""
PAIR_SCALE = 1.0
"""The scale of a comparison (see preferences.py), in units of the target ±1."""


class PairChoice(NamedTuple):
    """A pair of images to compare.

    `first`, `second`: the rows of the two images. `probability`: the estimated probability that the
    first image is better. `gain`: the share of the uncertainty about the values of all candidates
    that the answer is expected to remove.
    """

    first: int
    second: int
    probability: float
    gain: float


def choose_pairs(
    features: Features,
    examples: Examples,
    embeddings: Half,
    count: int,
    extras: Floats | None = None,
    answered: Ints | None = None,
) -> list[PairChoice]:
    """Return at most `count` pairs of rows of `embeddings` to compare, the most useful pair first.

    `examples`: the labels and the comparisons so far. There may be none.
    `embeddings`: float16 [m, d].
    `extras`: float32 [m, k], or None; see Head.score.
    `answered`: int64 [p, 2], the pairs of rows that must not be chosen, because the person has
    already seen them.

    The value of a pair (a, b) is Σ cov(z, a - b)² / (var(a - b) + noise). The sum is over all
    candidates z. cov and var are the covariance and variance in a Gaussian process with the
    similarity kernel, given the labels and comparisons. noise = PAIR_SCALE² / (p · (1 - p)), where
    p is the probability that a is better. The value is the variance that the answer is expected to
    remove: pairs with an uncertain difference have a large one, if the answer also teaches about
    many other images. The choice uses the contents of the images, as that of GURO (Bergström et al.
    2024), not only the answers.

    The function chooses the pair with the largest value, treats it as answered, and then chooses
    the next pair. No image is in two of the pairs, which spreads them over different motifs. Which
    image is the first of a pair is random, because people prefer one side.
    """
    seen = 0 if answered is None else len(answered)
    generator = np.random.default_rng([len(examples), seen])
    candidates = np.sort(generator.permutation(len(embeddings))[:MAX_CANDIDATES])
    if len(candidates) < 2 or count < 1:
        return []
    rows = features(embeddings[candidates], None if extras is None else extras[candidates])
    mean, covariance = _posterior(rows, features, examples, generator)
    cosine = rows @ rows.T
    free = cosine < SIMILAR_COSINE
    if answered is not None and seen:
        _close(free, candidates, answered)
    centred = covariance - covariance.mean(axis=0)
    squares = centred.T @ centred
    total = float(covariance.diagonal().sum()) or 1.0
    chosen: list[PairChoice] = []
    for _ in range(count):
        variance = np.maximum(_of_differences(covariance), 1e-9)
        # The probability of a win is averaged over the posterior of the difference (MacKay 1992).
        scale = np.sqrt(PAIR_SCALE**2 + np.pi / 8 * variance)
        chance = sigmoid((mean[:, None] - mean) / scale)
        noise = PAIR_SCALE**2 / np.maximum(chance * (1 - chance), 1e-3)
        value = np.where(free, _of_differences(squares) / (variance + noise), -1)
        first, second = divmod(int(np.argmax(value)), len(rows))
        if value[first, second] < 0:
            break
        if generator.random() < 0.5:
            first, second = second, first
        chosen.append(
            PairChoice(
                int(candidates[first]),
                int(candidates[second]),
                float(chance[first, second]),
                float(value[first, second]) / total,
            )
        )
        free[[first, second]] = False
        free[:, [first, second]] = False
        # Treat the pair as answered: subtract the variance that the answer explains. `squares`
        # becomes the square of the new covariance, in four vector products.
        change = covariance[first] - covariance[second]
        divisor = float(variance[first, second] + noise[first, second])
        shift = change - change.mean()
        product = centred.T @ shift
        covariance -= np.outer(change, change / divisor)
        squares += np.outer(change, change * (shift @ shift / divisor**2))
        squares -= (np.outer(product, change) + np.outer(change, product)) / divisor
        centred -= np.outer(shift, change / divisor)
    return chosen


def _posterior(
    rows: Floats, features: Features, examples: Examples, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the mean [m] and the covariance [m, m] of the values of `rows`, given the answers."""
    prior = rbf(rows @ rows.T, GAMMA)
    observed, answers = _observed(features, examples, generator)
    if not answers.count:
        return np.zeros(len(rows), np.float32), prior
    covariance = answers.covariance(_kernel(observed, observed))
    label_noise = np.full(len(answers.grades), LABEL_NOISE)
    targets, noise = sites_of(answers, covariance, label_noise, PAIR_SCALE)
    cross = answers.observed(_kernel(observed, rows))
    solved = np.linalg.solve(covariance + np.diag(noise), np.column_stack([targets, cross]))
    explained = cross.T @ solved
    posterior = prior + np.float32(CONSTANT_VARIANCE) - explained[:, 1:]
    return explained[:, 0].astype(np.float32), posterior.astype(np.float32)


def _kernel(left: Floats, right: Floats) -> Matrix:
    return rbf(left @ right.T, GAMMA).astype(np.float64) + CONSTANT_VARIANCE


def _observed(
    features: Features, examples: Examples, generator: np.random.Generator
) -> tuple[Floats, Answers]:
    """Return the features of the observed images, and the answers about these images.

    A random sample of MAX_OBSERVED labels and MAX_OBSERVED comparisons is used.
    """
    labelled = np.sort(generator.permutation(len(examples))[:MAX_OBSERVED])
    some = np.sort(generator.permutation(len(examples.comparisons))[:MAX_OBSERVED])
    comparisons = examples.comparisons[some]
    used = np.concatenate([labelled, np.setdiff1d(comparisons[:, :2], labelled)])
    place = np.zeros(used.max(initial=0) + 1, np.int64)
    place[used] = np.arange(len(used))
    extras = examples.all_extras
    rows = features(examples.all_embeddings[used], None if extras is None else extras[used])
    pairs = np.column_stack([place[comparisons[:, :2]], comparisons[:, 2]])
    return rows, Answers(examples.grades[labelled].astype(np.float64), pairs)


def _of_differences(covariance: Floats) -> Floats:
    """Return the variance of the difference of each two values, from their covariance [m, m]."""
    own = covariance.diagonal()
    return own[:, None] + own - 2 * covariance


def _close(free: Bools, candidates: Ints, answered: Ints) -> None:
    """Set `free` [m, m] to False for each pair of candidates that is in `answered`."""
    place = np.searchsorted(candidates, answered)
    place = np.minimum(place, len(candidates) - 1)
    present = (candidates[place] == answered).all(axis=1)
    first, second = place[present].T
    free[first, second] = free[second, first] = False
