"""The gain of stars over keep and trash, and the numbers of the stars: tables of LEARNING.md.

`python bench/learning_grades.py CACHE.npz TABLE [PERSONS [DRAWS]]`. TABLE is even or bell (the
shares of one to five stars that a simulated person gives), or coverage (of the intervals).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from learning import print_table
from learning_corpus import Corpus, read

from imgscore.grades import OF_STARS
from imgscore.heads.base import Examples, Fitted
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.kernel_solver import Inputs
from imgscore.heads.measures import Ranking, quality, rank_correlation

COUNTS = (20, 50, 100, 300)
"""numbers of labels"""
NOISE = 0.3
"""the standard deviation of a person's judgement of an image, whose values have deviation 1"""
SHARES = {"even": (0.2, 0.2, 0.2, 0.2, 0.2), "bell": (0.1, 0.2, 0.4, 0.2, 0.1)}
"""the shares of one to five stars"""
SPACINGS = {
    "shipped": tuple(OF_STARS[stars] for stars in range(1, 6)),
    "0 to 1": (0.0, 0.25, 0.5, 0.75, 1.0),
    "narrow": (0.3, 0.4, 0.5, 0.6, 0.7),
    "steep": (0.05, 0.2, 0.5, 0.8, 0.95),
    "flat": (0.1, 0.4, 0.5, 0.6, 0.9),
}
"""numbers of one to five stars"""
TESTED = 2000
"""the number of other images that are ranked"""


def value_of(corpus: Corpus, person: int) -> np.ndarray:
    """The value of each image for a simulated person, float64 [n], with mean 0 and deviation 1.

    It is a sum of three random parts with about equal variance: a value for each category, a
    combination of traits (colour, brightness, contrast, sharpness, aspect), and a direction in the
    last layer of the network.
    """
    generator = np.random.default_rng(10_000 + person)
    _, category = np.unique(corpus.category, return_inverse=True)
    traits = np.nan_to_num(_standard(corpus.extras[:, [2, 8, 9, 10, 11]].astype(np.float64)))
    last = np.sqrt(np.maximum(corpus.embeddings[:, :1280].astype(np.float64), 0))
    parts = (
        generator.normal(size=category.max() + 1)[category],
        np.clip(traits, -3, 3) @ generator.normal(size=5),
        (last - last.mean(axis=0)) @ generator.normal(size=1280),
    )
    return _standard(sum(_standard(part) for part in parts))


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)


def stars_of(value: np.ndarray, shares: tuple[float, ...], seed: int) -> np.ndarray:
    """The stars, from 1 to 5, that a person gives to each image: thresholds of a noisy value."""
    judged = value + np.random.default_rng(seed).normal(0, NOISE, len(value))
    return 1 + np.digitize(judged, np.quantile(judged, np.cumsum(shares)[:-1]))


def fits_of(examples: Examples, gradings: list[np.ndarray]) -> list[Fitted]:
    """Fit a kernel head to each array of grades. All of them share one graph."""
    inputs = Inputs.of(examples, graph=True)
    with mock.patch.object(Inputs, "of", lambda *_, **__: inputs):
        return [
            KernelRecipe().fit(replace(examples, grades=grades.astype(np.float32)))
            for grades in gradings
        ]


def compare_spacings(corpus: Corpus, habit: str, persons: int = 6, draws: int = 3) -> None:
    """Print how well heads of stars, and of keep and trash, rank the other images.

    "keep, trash" labels the same images by their sides of the median. "keep, trash, no 3" labels
    as many images, but a person who skips three stars. In "half moved", half of the labels
    are keep and trash, by their sides of the median. In "clear moved", half of the images of one
    and five stars are in the folders of trash and keep.
    """
    features = corpus.features()
    names = [
        "keep, trash",
        "keep, trash, no 3",
        *SPACINGS,
        *(f"half moved: {name}" for name in SPACINGS),
        *(f"clear moved: {name}" for name in SPACINGS),
    ]
    results = np.zeros((2, len(names), len(COUNTS)))
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(corpus.category))
        test, order = order[:TESTED], order[TESTED:]
        values = [value_of(corpus, person) for person in range(persons)]
        stars = [stars_of(value, SHARES[habit], seed) for value in values]
        judged = [
            value + np.random.default_rng(seed).normal(0, NOISE, len(value)) for value in values
        ]
        sides = [(each > np.median(each)).astype(np.float32) for each in judged]
        for column, count in enumerate(COUNTS):
            rows = order[:count]
            moved = np.arange(count) % 2 == 0
            gradings = []
            for side, given in zip(sides, stars, strict=True):
                spaced = [np.array(numbers)[given[rows] - 1] for numbers in SPACINGS.values()]
                gradings += [side[rows], *spaced]
                for chosen in (moved, moved & np.isin(given[rows], (1, 5))):
                    gradings += [np.where(chosen, side[rows], grades) for grades in spaced]
            examples = replace(corpus.examples(rows, gradings[0]), features=features)
            fits = iter(fits_of(examples, gradings))
            for value, side, given in zip(values, sides, stars, strict=True):
                heads = [next(fits).head for _ in range(1 + 3 * len(SPACINGS))]
                decided = order[given[order] != 3][:count]
                examples = replace(corpus.examples(decided, side[decided]), features=features)
                heads.insert(1, KernelRecipe().fit(examples).head)
                best = value[test] >= np.quantile(value[test], 0.9)
                for number, head in enumerate(heads):
                    score = head.score(corpus.embeddings[test], corpus.extras[test]).score
                    first = np.argsort(-score, kind="stable")[: best.sum()]
                    measured = rank_correlation(score, value[test]), best[first].mean()
                    results[:, number, column] += np.array(measured) / persons / draws
            print(seed, count, file=sys.stderr, flush=True)
    title = f"{habit} stars, {persons} persons, {draws} draws"
    print_table(f"rank correlation with the value, {title}", COUNTS, names, results[0])
    print_table(f"share of the best tenth found first, {title}", COUNTS, names, results[1])


def measure_coverage(corpus: Corpus, persons: int = 6, draws: int = 5) -> None:
    """Print how often the intervals contain the figures on all other images, and their width."""
    features = corpus.features()
    counts = (10, *COUNTS)
    names = ("pairwise accuracy", "rank correlation")
    results = np.zeros((4, len(counts)))
    numbers = np.array(SPACINGS["shipped"], np.float32)
    values = [value_of(corpus, person) for person in range(persons)]
    for seed in range(draws):
        shares = SHARES[("even", "bell")[seed % 2]]
        grades = [numbers[stars_of(value, shares, seed) - 1] for value in values]
        order = np.random.default_rng(seed).permutation(len(corpus.category))
        test, order = order[:TESTED], order[TESTED:]
        for column, count in enumerate(counts):
            rows = order[:count]
            examples = replace(corpus.examples(rows, grades[0][rows]), features=features)
            fits = fits_of(examples, [each[rows] for each in grades])
            for each, fitted in zip(grades, fits, strict=True):
                measured = quality(fitted.held_out.score, each[rows])
                score = fitted.head.score(corpus.embeddings[test], corpus.extras[test]).score
                truths = (
                    Ranking(score, each[test]).pairwise(),
                    rank_correlation(score, each[test]),
                )
                figures = (measured.pairwise_accuracy, measured.rank_correlation)
                for number, (figure, truth) in enumerate(zip(figures, truths, strict=True)):
                    assert figure is not None
                    results[number, column] += figure.low <= truth <= figure.high
                    results[2 + number, column] += figure.high - figure.low
                    if not figure.low <= truth <= figure.high:
                        print(count, number, figure, truth, file=sys.stderr, flush=True)
            print(seed, count, file=sys.stderr, flush=True)
    results /= persons * draws
    title = f"{persons} persons, {draws} draws"
    print_table(f"share of intervals that contain the figure, {title}", counts, names, results[:2])
    print_table(f"width of the intervals, {title}", counts, names, results[2:])


def main() -> None:
    """Print the table that the command line names."""
    corpus, table = read(Path(sys.argv[1])), sys.argv[2]
    numbers = dict(zip(("persons", "draws"), map(int, sys.argv[3:]), strict=False))
    if table == "coverage":
        measure_coverage(corpus, **numbers)
    else:
        compare_spacings(corpus, table, **numbers)


if __name__ == "__main__":
    main()
