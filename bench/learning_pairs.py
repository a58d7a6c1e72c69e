"""Measure the learning from labels, stars and comparisons. Prints tables of LEARNING.md.

`python bench/learning_pairs.py CACHE.npz TABLE [DRAWS [COUNTS]]`. TABLE is settings or answers.
CACHE.npz is a file of learning_corpus.py. The first run computes the graph of all images, and
writes it beside the cache.

A simulated person has a latent value for each image. At each answer, the person sees the value of
each image with new noise: a label compares it with a fixed threshold, stars with four thresholds,
and a comparison with the value of the other image. "Same" is the answer if both differ by less than
SAME. The answers of one draw are made once, and all settings learn from the same answers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from learning_corpus import Corpus, read, tastes

from imgscore.grades import OF_STARS
from imgscore.heads.base import Examples
from imgscore.heads.features import Features
from imgscore.heads.graph import graph_kernel
from imgscore.heads.groups import split_answers
from imgscore.heads.kernel import DEFAULTS
from imgscore.heads.kernel_solver import GAMMA, Inputs, rbf, solve_exactly
from imgscore.heads.measures import Ranking
from imgscore.heads.pair_choice import choose_pairs
from imgscore.heads.preferences import Answers
from imgscore.heads.sides import upper_side

COUNTS = (
    tuple(map(int, sys.argv[4].split(",")))
    if len(sys.argv) > 4
    else (10, 20, 25, 50, 100, 150, 300)
)
"""numbers of answers"""
BATCH = 10
"""the number of comparisons that are chosen at once, as while a person answers"""
NOISE = 0.5
"""the standard deviation of the noise at each look at an image; that of all values is 1"""
SAME = 0.2
"""the difference of two looked-at values below which the person answers "same" """
KEEP_QUANTILE = 0.6
"""the person keeps 40 % of the images"""
STAR_QUANTILES = (0.1, 0.35, 0.6, 0.85)
"""the thresholds between the stars"""
TESTED = 1500
"""the number of images that are ranked, and that the person is never asked about"""
PAIR_SECONDS, LABEL_SECONDS = 2, 1
"""the seconds that a person is assumed to need for an answer"""

SETTINGS = ("kinds 1", "kinds 2, colour", "brightness", "favourites 1", "nature")
"""the tastes on which the settings were chosen; the other tastes judge them"""


@dataclass(frozen=True)
class Library:
    """All images of a corpus, with the parts of the head that do not depend on answers."""

    corpus: Corpus
    graph: np.ndarray
    """float32 [n, n], the graph kernel"""

    @cached_property
    def features(self) -> Features:
        """The features of the whole corpus."""
        return self.corpus.features()

    @cached_property
    def rows(self) -> np.ndarray:
        """float32 [n, r], the feature vectors of all images."""
        return self.features(self.corpus.embeddings, self.corpus.extras)

    def score(
        self, images: np.ndarray, answers: Answers, settings: dict[str, object]
    ) -> tuple[np.ndarray, float]:
        """Train on answers about `images`; return outputs [n] of all images, and a held-out figure.

        The figure is the held-out accuracy of the comparisons with a better image.
        """
        chosen = {**DEFAULTS, "trait_weight": 0.0, **settings}
        upper = upper_side(answers.grades)
        folds = split_answers(upper, answers.comparisons, np.arange(len(images)))
        rows = self.rows[images]
        # The first nodes are the images of the answers.
        nodes = np.concatenate([images, np.setdiff1d(np.arange(len(self.rows)), images)])
        graph = self.graph[np.ix_(nodes, images)]
        inputs = Inputs(self.features, rows, rows.astype(np.float16), graph)
        near, far, constant, held_out, _ = solve_exactly(inputs, answers, folds, chosen)
        outputs = rbf(self.rows @ rows.T, GAMMA) @ near[:, 0] + constant[0]
        outputs[nodes] += far[:, 0]
        better, worse, same = answers.comparisons.T
        right = (held_out[better] > held_out[worse])[same == 0]
        return outputs, float(right.mean()) if len(right) else np.nan


def read_library(cache: Path) -> Library:
    """Read the cache, and the graph beside it. Compute the graph if it is missing."""
    corpus, file = read(cache), cache.with_suffix(".graph.npy")
    if not file.exists():
        rows = Library(corpus, np.empty((0, 0))).rows
        np.save(file, graph_kernel(rows, len(rows)))
    return Library(corpus, np.load(file))


def values_of(library: Library) -> dict[str, np.ndarray]:
    """name → the value of each image, float64 [n]. The values have the mean 0 and deviation 1."""
    corpus = library.corpus
    kinds, kind = np.unique(corpus.category, return_inverse=True)
    traits = np.where(np.isfinite(corpus.extras), corpus.extras, np.nanmedian(corpus.extras, 0))
    bright, colour, wide = (standard(traits[:, column]) for column in (8, 10, 2))

    def by_kind(seed: int) -> np.ndarray:
        return standard(np.random.default_rng(seed).normal(size=len(kinds))[kind])

    def favourites(seed: int) -> np.ndarray:
        """The similarity to the nearest of five images, in the features without traits."""
        rows = corpus.features(extras=False)(corpus.embeddings)
        chosen = np.random.default_rng(seed).permutation(len(rows))[:5]
        return standard((rows @ rows[chosen].T).max(axis=1))

    known = tastes(corpus)
    return {
        "kinds 1": by_kind(1),
        "kinds 2, colour": standard(by_kind(2) + 0.7 * colour),
        "brightness": bright,
        "favourites 1": favourites(1),
        "nature": standard(known["nature"][0]),
        "kinds 3": by_kind(3),
        "kinds 4, brightness": standard(by_kind(4) + 0.7 * bright),
        "kinds 5, wide": standard(by_kind(5) + 0.5 * wide),
        "colour": colour,
        "favourites 2": favourites(2),
        "mixed": standard(known["mixed"][0]),
    }


def standard(values: np.ndarray) -> np.ndarray:
    """Scale values to mean 0 and deviation 1. The tails are clipped at 3."""
    values = np.asarray(values, np.float64)
    return np.clip((values - values.mean()) / values.std(), -3, 3)


class Person:
    """A person who answers with noise. `pool`: the images that the person can be asked about."""

    def __init__(self, value: np.ndarray, seed: int) -> None:
        self.value = value
        self.generator = np.random.default_rng(seed)
        order = self.generator.permutation(len(value))
        self.tested, self.pool = order[:TESTED], np.sort(order[TESTED:])

    def look(self, images: np.ndarray) -> np.ndarray:
        """Return the values of images with the noise of one look."""
        return self.value[images] + NOISE * self.generator.normal(size=images.shape)

    def label(self, images: np.ndarray) -> np.ndarray:
        """Return 1 (keep) or 0 (trash) for each image."""
        return (self.look(images) > np.quantile(self.value, KEEP_QUANTILE)).astype(np.float64)

    def rate(self, images: np.ndarray) -> np.ndarray:
        """Return the grade of the stars of each image."""
        stars = np.searchsorted(np.quantile(self.value, STAR_QUANTILES), self.look(images))
        return np.array([OF_STARS[number + 1] for number in stars])

    def compare(self, pairs: np.ndarray) -> np.ndarray:
        """Return int [m, 3]: the better image, the worse image, and whether both are the same."""
        seen = self.look(pairs)
        turned = np.where((seen[:, 0] >= seen[:, 1])[:, None], pairs, pairs[:, ::-1])
        return np.column_stack([turned, np.abs(seen[:, 0] - seen[:, 1]) < SAME])


def examples_of(
    corpus: Corpus, labelled: np.ndarray, grades: np.ndarray, comparisons: np.ndarray
) -> tuple[np.ndarray, Examples]:
    """Return the images of the answers, and the answers as Examples."""
    others = np.setdiff1d(comparisons[:, :2], labelled)
    images = np.concatenate([labelled, others]).astype(np.int64)
    place = np.zeros(len(corpus.embeddings), np.int64)
    place[images] = np.arange(len(images))
    examples = corpus.examples(labelled, grades.astype(np.float32))
    return images, replace(
        examples,
        comparisons=np.column_stack([place[comparisons[:, :2]], comparisons[:, 2]]),
        compared=corpus.embeddings[others],
        compared_extras=corpus.extras[others],
    )


NONE = np.empty(0, np.int64)
NO_PAIRS = np.empty((0, 3), np.int64)
History = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Labelled images, their grades, and comparisons: after each of COUNTS answers."""


def label_history(person: Person, stars: bool) -> History:
    """Random labels or stars."""
    images = person.generator.permutation(person.pool)[: COUNTS[-1]]
    grades = person.rate(images) if stars else person.label(images)
    return [(images[:count], grades[:count], NO_PAIRS) for count in COUNTS]


def random_pairs(person: Person) -> History:
    """Comparisons of random pairs. No image is in two pairs."""
    pairs = person.generator.permutation(person.pool)[: 2 * COUNTS[-1]].reshape(-1, 2)
    answers = person.compare(pairs)
    return [(NONE, np.empty(0), answers[:count]) for count in COUNTS]


def chosen_pairs(library: Library, person: Person, share: float = 1.0) -> History:
    """Comparisons of chosen pairs. `share`: the share of the answers; the others are labels."""
    images = person.generator.permutation(person.pool)[: COUNTS[-1]]
    grades, answers, history = person.label(images), NO_PAIRS, []
    for count in COUNTS:
        pairs = round(count * share)
        labels = count - pairs
        while len(answers) < pairs:
            _, examples = examples_of(library.corpus, images[:labels], grades[:labels], answers)
            place = np.searchsorted(person.pool, answers[:, :2])
            chosen = choose_pairs(
                library.features,
                examples,
                library.corpus.embeddings[person.pool],
                min(BATCH, pairs - len(answers)),
                library.corpus.extras[person.pool],
                place,
            )
            new = person.pool[[[pair.first, pair.second] for pair in chosen]]
            answers = np.concatenate([answers, person.compare(new)])
        history.append((images[:labels], grades[:labels], answers[:pairs]))
    return history


METHODS = ("labels", "stars", "random pairs", "chosen pairs", "half labels, half chosen pairs")


def histories(library: Library, value: np.ndarray, seed: int) -> dict[str, History]:
    """The answers of one person, in each of METHODS. All people see the same images tested."""
    return {
        "labels": label_history(Person(value, seed), stars=False),
        "stars": label_history(Person(value, seed), stars=True),
        "random pairs": random_pairs(Person(value, seed)),
        "chosen pairs": chosen_pairs(library, Person(value, seed)),
        "half labels, half chosen pairs": chosen_pairs(library, Person(value, seed), 0.5),
    }


def measure(
    library: Library, person: Person, history: History, settings: dict[str, object]
) -> Iterator[tuple[float, float, float]]:
    """Yield the rank correlation, the AUC and the held-out accuracy after each count of answers."""
    truth = person.value[person.tested]
    keep = (truth > np.quantile(person.value, KEEP_QUANTILE)).astype(np.float32)
    for labelled, grades, comparisons in history:
        images, examples = examples_of(library.corpus, labelled, grades, comparisons)
        if not examples.is_calibrated and len(comparisons) < 2:
            yield np.nan, np.nan, np.nan
            continue
        answers = Answers(examples.grades.astype(np.float64), examples.comparisons)
        outputs, accuracy = library.score(images, answers, settings)
        tested = outputs[person.tested]
        yield rank_correlation(tested, truth), Ranking(tested, keep).auc(), accuracy


def rank_correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Return Spearman's rank correlation. Equal values share their mean rank."""

    def ranks(values: np.ndarray) -> np.ndarray:
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(count) - (count - 1) / 2)[place]

    return float(np.corrcoef(ranks(left), ranks(right))[0, 1])


def compare_answers(library: Library, draws: int) -> None:
    """Print the curves of all methods on the tastes that judge."""
    names = [name for name in values_of(library) if name not in SETTINGS]
    result = np.zeros((len(METHODS), len(names), draws, len(COUNTS), 3))
    for column, name in enumerate(names):
        for seed in range(draws):
            value = values_of(library)[name]
            for row, (method, history) in enumerate(histories(library, value, seed).items()):
                person = Person(value, seed)
                result[row, column, seed] = list(measure(library, person, history, {}))
                print(name, seed, method, result[row, column, seed, :, 0].round(3), file=sys.stderr)
    mean = np.nanmean(result, axis=(1, 2))
    print_table("rank correlation", COUNTS, METHODS, mean[:, :, 0])
    print_table("AUC", COUNTS, METHODS, mean[:, :, 1])
    print_table("held-out accuracy of the comparisons", COUNTS, METHODS, mean[:, :, 2])
    for row, method in enumerate(METHODS):
        print_table(
            f"rank correlation, {method}",
            COUNTS,
            names,
            np.nanmean(result[row, :, :, :, 0], axis=1),
        )
    difference = result[:, :, :, :, 0] - result[:1, :, :, :, 0]
    error = np.nanstd(difference, axis=(1, 2), ddof=1)
    error /= np.sqrt(len(names) * draws)
    print_table("standard error of the difference from labels", COUNTS, METHODS, error)


def compare_settings(library: Library, draws: int) -> None:
    """Print the rank correlation for scales of a comparison, on the tastes of SETTINGS."""
    scales = (0.5, 1.0, 2.0)
    results: dict[str, np.ndarray] = {}
    for name in SETTINGS:
        for seed in range(draws):
            value = values_of(library)[name]
            asked = {
                "random pairs": random_pairs(Person(value, seed)),
                "chosen pairs": chosen_pairs(library, Person(value, seed)),
            }
            for method, history in asked.items():
                for scale in scales:
                    rows = list(
                        measure(library, Person(value, seed), history, {"pair_scale": scale})
                    )
                    key = f"{method}, scale {scale}"
                    results[key] = results.get(key, 0) + np.array(rows)[:, 0] / draws / len(
                        SETTINGS
                    )
            print(name, seed, file=sys.stderr, flush=True)
    names = sorted(results)
    print_table("rank correlation", COUNTS, names, np.array([results[name] for name in names]))


def print_table(title: str, columns, names, values: np.ndarray) -> None:
    """Print a table in Markdown."""
    print(f"\n**{title}**\n\n| | " + " | ".join(map(str, columns)) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in zip(names, values, strict=True):
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |", flush=True)


def main() -> None:
    """Print the table that the command line names."""
    library = read_library(Path(sys.argv[1]))
    draws = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    {"settings": compare_settings, "answers": compare_answers}[sys.argv[2]](library, draws)


if __name__ == "__main__":
    main()
