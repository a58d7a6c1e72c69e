"""The head beside other methods, on tastes that it was not tuned on: prints tables of LEARNING.md.

`python bench/learning_rotated.py CACHE.npz [TABLE [DRAWS [LABELS [SOURCES]]]]`. The cache can have
any embeddings (see learning_corpus.py); learning_sources.py fetches the images. TABLE:

figures: error of the head and of other methods, with intervals; needs scikit-learn.
rotated: for each source, the settings with the lowest error on all other sources.
trust: the calibration of scores, and the coverage of the intervals, for SOURCES or all libraries.
original: the same as figures, with the original recipe at its best scale; minutes for each fit.

All heads of a library share one graph of all of its images. The intervals are bootstraps over
tastes, within libraries.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from learning import print_table
from learning_corpus import Corpus, read
from learning_tastes import MIXED, Taste, draws_of, libraries, tastes_of

from imgscore.heads.arrays import Floats
from imgscore.heads.base import Examples, Fitted
from imgscore.heads.features import Features
from imgscore.heads.graph import GraphMean, graph_kernel
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.kernel_solver import Inputs
from imgscore.heads.library_mean import LibraryMean
from imgscore.heads.measures import Ranking, quality
from imgscore.heads.mlp import MlpRecipe
from imgscore.heads.trait_curves import TraitScale

COUNTS = (10, 20, 50, 100, 300)
"""numbers of labels"""
TESTED = 1000
"""the number of images that are ranked"""
BOOTSTRAP = 1000
CHANCE_DRAWS = 10
"""the number of draws of labels from scores"""
SETTINGS: dict[str, dict[str, Any]] = {
    "shipped": {},
    "graph 0": {"reaches": [0.0]},
    "graph 2": {"reaches": [2.0]},
    "graph 8": {"reaches": [8.0]},
    "gamma 0.3": {"gamma": 0.3},
    "gamma 3": {"gamma": 3.0},
    "traits 0": {"trait_weight": 0.0},
    "traits 0.3": {"trait_weight": 0.3},
    "traits 3": {"trait_weight": 3.0},
    "noise 0.3": {"noise": 0.3},
    "noise 3": {"noise": 3.0},
}
"""candidates of the table `rotated`, as settings of KernelRecipe.fit"""


@dataclass(frozen=True)
class Library:
    """A library with the parts of a training that do not depend on labels."""

    name: str
    corpus: Corpus
    tastes: list[Taste]
    features: Features
    rows: Floats
    graph: Floats
    scale: TraitScale

    @cached_property
    def mean(self) -> Floats:
        """The mean of the graph kernel between each image and all images, [n]."""
        return np.asarray(self.graph.mean(axis=1))

    def fit(
        self,
        rows: np.ndarray,
        labels: np.ndarray,
        settings: Mapping[str, Any] | None = None,
        times: np.ndarray | None = None,
    ) -> Fitted:
        """Train the shipped head on labelled rows, with all images as nodes of the graph."""
        examples: Examples = replace(
            self.corpus.examples(rows, labels), features=self.features, times=times
        )
        others = np.random.default_rng(0).permutation(len(self.rows))
        order = np.concatenate([rows, others[~np.isin(others, rows)]])
        inputs = Inputs(
            self.features,
            self.rows[rows],
            self.rows[order].astype(np.float16),
            self.graph[np.ix_(order, rows)],
            self.scale,
            self.scale(self.corpus.extras[rows], len(rows)),
            mean=LibraryMean.of(
                GraphMean(self.mean[order], float(self.mean.mean())),
                self.corpus.extras[order[len(rows) :]],
                self.scale,
            ),
        )
        return KernelRecipe().fit_inputs(examples, inputs, None, settings)

    def score(self, fitted: Fitted, rest: np.ndarray) -> Floats:
        """The scores of the images `rest`."""
        return fitted.head.score(self.corpus.embeddings[rest], self.corpus.extras[rest]).score


def load(cache: Path, sources: Collection[str] = ()) -> Iterator[Library]:
    """The libraries of a cache, one at a time. `sources`: their names; empty: all libraries."""
    for name, corpus in libraries(read(cache, ())).items():
        if sources and name not in sources:
            continue
        features = corpus.features()
        rows = features(corpus.embeddings, corpus.extras)
        nodes = rows.astype(np.float16).astype(np.float32)
        graph = graph_kernel(nodes, len(nodes))
        scale = TraitScale.of(corpus.extras)
        yield Library(name, corpus, tastes_of(corpus), features, rows, graph, scale)


class Rivals:
    """Other methods on the last layer: square roots, centred on the library, of unit length."""

    def __init__(self, corpus: Corpus) -> None:
        section = corpus.sections[0]
        values = corpus.embeddings[:, section.start : section.stop].astype(np.float32)
        if (values >= 0).all():
            values = np.sqrt(values)
        values -= values.mean(axis=0)
        self._values = values / np.linalg.norm(values, axis=1, keepdims=True)

    def scores(
        self, rows: np.ndarray, labels: np.ndarray, rest: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The scores of the images `rest` by each method."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import SVC

        train, test = self._values[rows], self._values[rest]
        machine = SVC(C=10, gamma=1.0, class_weight="balanced").fit(train, labels)
        logistic = LogisticRegression(C=10, class_weight="balanced", max_iter=300)
        cosine = test @ train.T
        nearest = np.argsort(-cosine, axis=1)[:, : int(np.clip(len(rows) // 4, 3, 9))]
        weight = np.exp(5 * np.take_along_axis(cosine, nearest, axis=1))
        weight /= np.where(labels, labels.sum(), (~labels).sum())[nearest]
        neighbours = (weight * labels[nearest]).sum(axis=1) / weight.sum(axis=1)
        return {
            "plain SVM": machine.decision_function(test),
            "logistic regression": logistic.fit(train, labels).decision_function(test),
            "k nearest": neighbours,
        }


Errors = dict[tuple[str, str, str], np.ndarray]
"""(library, kind, taste) → the mean error [counts, methods]"""


def error_of(scores: np.ndarray, keep: np.ndarray) -> float:
    return 1 - Ranking(np.asarray(scores, np.float32), keep.astype(np.float32)).auc()


def figures(cache: Path, draws: int, counts: tuple[int, ...], with_original: bool = False) -> None:
    """Print the error of the head and of other methods."""
    errors: Errors = {}
    names: list[str] = []
    for library in load(cache):
        rivals = Rivals(library.corpus)
        for taste in library.tastes:
            found = []
            for count in counts:
                sums = []
                for rows, labels, rest in draws_of(taste, count, draws, TESTED):
                    scores = rivals.scores(rows, labels, rest)
                    if with_original:
                        scores["original recipe"] = original(library.corpus, rows, labels, rest)
                    scores["head"] = library.score(library.fit(rows, labels), rest)
                    names = list(scores)
                    sums.append([error_of(each, taste.keep[rest]) for each in scores.values()])
                found.append(np.mean(sums, axis=0))
            errors[library.name, taste.kind, taste.name] = np.array(found)
            print_taste(library, taste, np.array(found)[:, [0, -1]])
    title = f"{len(errors)} tastes, {draws} draws"
    print_ratios(f"error against the plain SVM's, {title}", errors, counts, names)
    for number, what in enumerate(("library", "kind")):
        groups = list(dict.fromkeys(key[number] for key in errors))
        ratios = []
        for group in groups:
            part = np.array([value for key, value in errors.items() if key[number] == group])
            ratios.append(part[:, :, -1].mean(axis=0) / part[:, :, 0].mean(axis=0))
        print_table(f"error of the head by {what}, {title}", counts, groups, np.array(ratios))
    mean = 1 - np.array(list(errors.values())).mean(axis=0).T
    print_table(f"mean AUC, {title}", counts, names, mean)


def original(corpus: Corpus, rows: np.ndarray, labels: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The scores of the original recipe on ten times the standardised embedding."""
    values = corpus.embeddings.astype(np.float32)
    values = 10 * (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3)
    scaled = replace(corpus, embeddings=values.astype(np.float16))
    # All labels in one fold: no head is trained for held-out scores.
    folds = np.zeros(len(rows), np.int64)
    head = MlpRecipe().fit(scaled.examples(rows, labels), folds).head
    return head.score(scaled.embeddings[rest]).score


def print_taste(library: Library, taste: Taste, errors: np.ndarray) -> None:
    """Print the AUC of SVM and head for a taste to standard error."""
    pairs = ", ".join(f"{1 - plain:.3f} → {1 - head:.3f}" for plain, head in errors)
    whims = f"{taste.keep.mean():.0%} keeps, {taste.whims:.0%} whims"
    print(f"{library.name}: {taste.kind}: {taste.name} ({whims}): {pairs}", file=sys.stderr)


def print_ratios(title: str, errors: Errors, counts: tuple[object, ...], names: list[str]) -> None:
    """Print mean errors as shares of the first method's, with 95 % intervals."""
    print(f"\n**{title}**\n\n| | " + " | ".join(map(str, counts)) + " |")
    print("|---" * (len(counts) + 1) + "|")
    for method, name in enumerate(names):
        cells = []
        for column in range(len(counts)):
            pair = {key: value[column, [0, method]] for key, value in errors.items()}
            ratio, low, high = ratio_of(pair)
            cells.append(f"{ratio:.3f} [{low:.2f}, {high:.2f}]")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def drawn_tastes(libraries: Sequence[str]) -> np.ndarray:
    """Rows of BOOTSTRAP draws of tastes, each from its library. `libraries`: that of each taste."""
    generator = np.random.default_rng(0)
    names = np.array(libraries)
    parts = [np.flatnonzero(names == name) for name in np.unique(names)]
    drawn = [part[generator.integers(0, len(part), (BOOTSTRAP, len(part)))] for part in parts]
    return np.concatenate(drawn, axis=1)


def ratio_of(pairs: Mapping[tuple[str, str, str], np.ndarray]) -> tuple[float, float, float]:
    """The ratio of two mean errors, with a bootstrap over the tastes of each library."""
    values = np.array(list(pairs.values()))
    sums = values[drawn_tastes([key[0] for key in pairs])].sum(axis=1)
    low, high = np.quantile(sums[:, 1] / sums[:, 0], [0.025, 0.975])
    mean = values.mean(axis=0)
    return float(mean[1] / mean[0]), float(low), float(high)


def rotated(cache: Path, draws: int, counts: tuple[int, ...]) -> None:
    """Print the error of settings that were chosen on other sources, against the shipped ones."""
    errors: Errors = {}
    for library in load(cache):
        for taste in library.tastes:
            found = np.zeros((len(counts), len(SETTINGS)))
            for column, count in enumerate(counts):
                for rows, labels, rest in draws_of(taste, count, draws, TESTED):
                    found[column] += [
                        error_of(
                            library.score(library.fit(rows, labels, each), rest), taste.keep[rest]
                        )
                        / draws
                        for each in SETTINGS.values()
                    ]
            errors[library.name, taste.kind, taste.name] = found
        print(library.name, file=sys.stderr, flush=True)
    title = f"{len(errors)} tastes, {draws} draws"
    print_ratios(f"error against that of the shipped head, {title}", errors, counts, [*SETTINGS])
    names = list(SETTINGS)
    chosen: Errors = {}
    for source in dict.fromkeys(key[0] for key in errors):
        others = [value for key, value in errors.items() if key[0] not in (source, MIXED)]
        best = np.mean(others, axis=0).argmin(axis=1)
        for key, value in errors.items():
            if key[0] == source:
                chosen[key] = np.column_stack([value[:, 0], value[np.arange(len(counts)), best]])
        print(f"{source}: {', '.join(names[each] for each in best)}", file=sys.stderr)
    title = f"settings chosen for each number of labels on the other sources, {title}"
    print_ratios(title, chosen, counts, ["shipped", "chosen"])


def calibration_error(score: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """The expected calibration error of scores [n], with ten bins."""
    bins = np.minimum((score * 10).astype(int), 9)
    gaps = np.bincount(bins, weight * (score - truth), 10)
    return float(np.abs(gaps).sum() / weight.sum())


def trust(cache: Path, draws: int, counts: tuple[int, ...], sources: Collection[str] = ()) -> None:
    """Print the calibration of the head's scores, and the coverage of its intervals.

    The tested images have whims, too, because a score is the probability of a label. They are
    weighted as if they had the labels' share of images that fit the taste. The expected calibration
    error has ten bins of equal width. The part of chance is the error of exactly calibrated scores:
    that of the same scores with labels that are drawn from them.
    """
    sums = np.zeros((len(counts), 6))
    total = 0
    for library in load(cache, sources):
        for taste in library.tastes:
            total += draws
            for column, count in enumerate(counts):
                for rows, labels, rest in draws_of(taste, count, draws, TESTED):
                    fitted = library.fit(rows, labels)
                    score = library.score(fitted, rest).astype(np.float64)
                    wrong = np.random.default_rng(count).random(len(rest)) < taste.whims
                    truth = taste.keep[rest] ^ wrong
                    keep, share = taste.keep[rest], taste.keep[rows].mean()
                    weight = np.where(keep, share / keep.mean(), (1 - share) / (1 - keep.mean()))
                    share = labels.mean()
                    drawn = np.random.default_rng(0).random((CHANCE_DRAWS, len(score))) < score
                    chance = [calibration_error(score, each, weight) for each in drawn]
                    clipped = np.clip(np.where(truth, score, 1 - score), 1e-6, 1)
                    base = -share * np.log(share) - (1 - share) * np.log(1 - share)
                    measured = quality(fitted.held_out.score, labels.astype(np.float32))
                    ranking = Ranking(score.astype(np.float32), truth.astype(np.float32))
                    auc = ranking.auc(weight)
                    assert measured.auc is not None
                    sums[column] += [
                        calibration_error(score, truth, weight),
                        float(np.mean(chance)),
                        float(np.mean(weight * -np.log(clipped))),
                        base,
                        measured.auc.low <= auc <= measured.auc.high,
                        measured.auc.high - measured.auc.low,
                    ]
        print(library.name, file=sys.stderr, flush=True)
    names = (
        "calibration error",
        "of it, chance",
        "log loss",
        "log loss of a constant",
        "AUC covered",
        "width",
    )
    print_table(f"{total // draws} tastes, {draws} draws", counts, names, (sums / total).T)


def main() -> None:
    """Print the table that the command line names."""
    table = sys.argv[2] if len(sys.argv) > 2 else "figures"
    draws = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    counts = tuple(map(int, sys.argv[4].split(","))) if len(sys.argv) > 4 else COUNTS
    sources = tuple(sys.argv[5].split(",")) if len(sys.argv) > 5 else ()
    tables = {
        "figures": figures,
        "original": partial(figures, with_original=True),
        "rotated": rotated,
        "trust": partial(trust, sources=sources),
    }
    tables[table](Path(sys.argv[1]), draws, counts)


if __name__ == "__main__":
    main()
