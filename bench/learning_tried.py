"""What else was tried: kernels, losses and uses of the unlabelled library, winners and losers.

`python bench/learning_tried.py CACHE.npz [DRAWS]` prints each one's error (1 - AUC) against the
plain SVM's. A method is a kernel over the whole corpus and a way to solve it. Needs scikit-learn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from learning import plain_svm, svm_scores
from learning_corpus import OFFICIAL, Corpus, draw, read, tastes

from imgscore.embedders.base import sections_of
from imgscore.heads import graph
from imgscore.heads.features import fit_features, unit
from imgscore.heads.measures import Ranking

COUNTS = (10, 20, 100, 300)
OWN = ("own/shapes", "own/tools+office", "own/pictorial or vivid", "own/bright", "own/colourful")
LANDMARKS = 2000
GRAPHS = ((10, 12.0, 0.998), (10, 12.0, 0.995), (10, 12.0, 0.99), (8, 12.0, 0.998))
GRAPHS += ((14, 12.0, 0.998), (10, 6.0, 0.998), (10, 20.0, 0.998))
"""Neighbours, sharpness and reach."""

Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]


def least_squares(noise: float = 0.1) -> Solve:
    """Coefficients of balanced kernel least squares: the Gaussian process of the head."""

    def solve(kernel: np.ndarray, keep: np.ndarray) -> np.ndarray:
        ridge = noise * np.where(keep, keep.mean(), (~keep).mean()) * 2
        return np.linalg.solve(kernel + 9 + np.diag(ridge), np.where(keep, 1.0, -1.0))

    return solve


def logistic(noise: float = 0.1, steps: int = 8) -> Solve:
    """Coefficients of balanced kernel logistic regression, by Newton's method (Laplace's mode)."""

    def solve(kernel: np.ndarray, keep: np.ndarray) -> np.ndarray:
        kernel = kernel + 9
        weight = np.where(keep, 0.5 / keep.mean(), 0.5 / (~keep).mean())
        output = np.zeros(len(keep))
        for _ in range(steps):
            chance = 1 / (1 + np.exp(-output))
            curve = np.maximum(weight * chance * (1 - chance), 1e-4)
            target = output + weight * (keep - chance) / curve
            coefficients = np.linalg.solve(kernel + np.diag(noise / curve), target)
            output = kernel @ coefficients
        return coefficients

    return solve


def rbf(cosine: np.ndarray, gamma: float = 1.0) -> np.ndarray:
    """exp(-gamma · |x - y|²) of unit vectors."""
    return np.exp(2 * gamma * (cosine - 1))


def product(rows: np.ndarray) -> np.ndarray:
    """All inner products."""
    return rows @ rows.T


def whitened(rows: np.ndarray, power: float) -> np.ndarray:
    """Unit rows with each main direction divided by its variance to power / 2."""
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    kept = values > 1e-6 * values[-1]
    return unit((rows @ vectors[:, kept]) * values[kept] ** (-power / 2))


def links(rows: np.ndarray) -> np.ndarray:
    """Row-normalised weights of the symmetric nearest-neighbour graph [n, n]."""
    found = np.zeros((len(rows), len(rows)), np.float32)
    np.put_along_axis(found, *graph.neighbours(rows), axis=1)
    found = np.maximum(found, found.T)
    return found / found.sum(axis=1, keepdims=True)


def smoothed(rows: np.ndarray, share: float = 0.9, steps: int = 15) -> np.ndarray:
    """Features averaged over the neighbourhood, again and again (a convolution on the graph)."""
    step, found = links(rows), rows
    for _ in range(steps):
        found = share * (step @ found) + (1 - share) * rows
    return unit(found)


def deformed(kernel: np.ndarray, rows: np.ndarray, strength: float) -> np.ndarray:
    """Laplacian-regularised least squares as a kernel (Sindhwani et al. 2005), by landmarks."""
    few = np.random.default_rng(0).permutation(len(kernel))[:LANDMARKS]
    values, vectors = np.linalg.eigh(kernel[np.ix_(few, few)])
    kept = values > 1e-4
    basis = kernel[:, few] @ (vectors[:, kept] / np.sqrt(values[kept]))
    rough = basis - links(rows) @ basis
    inner = np.eye(basis.shape[1]) + strength * 1000 / len(kernel) * (basis.T @ rough)
    found = basis @ np.linalg.inv((inner + inner.T) / 2) @ basis.T
    return found / np.diag(found).mean()


def kernels(corpus: Corpus) -> Iterator[tuple[str, np.ndarray, Solve]]:
    """Every method: name, kernel [n, n], solver. One at a time: each kernel takes 200 MB."""

    def features(names: tuple[str, ...] | None = None, extras: bool = True) -> np.ndarray:
        chosen = [one for one in corpus.sections if names is None or one.name in names]
        values = np.hstack([corpus.embeddings[:, one.start : one.stop] for one in chosen])
        sections = sections_of(*[(one.name, one.stop - one.start) for one in chosen])
        more = corpus.extras if extras else None
        made = fit_features(values, sections, more)
        whole = replace(made, directions=np.eye(made.directions.shape[0], dtype=np.float32))
        return np.concatenate(
            [
                whole.scaled(
                    values[start : start + 1024],
                    None if more is None else more[start : start + 1024],
                )
                for start in range(0, len(values), 1024)
            ]
        )

    blocks = tuple(one.name for one in corpus.sections if one.name != "logits")
    solve = least_squares()
    yield "least squares, average section", rbf(product(features(("features",), False))), solve
    yield "+ blocks", rbf(product(features(blocks, False))), solve
    yield "+ blocks + extras", rbf(product(features(blocks))), solve
    rows = features()
    cosine = product(rows)
    near = rbf(cosine)
    yield "all sections + extras", near, solve
    yield "… noise .03", near, least_squares(0.03)
    yield "… noise 1", near, least_squares(1)
    yield "… kernel logistic regression", near, logistic()
    yield "… gamma .5", rbf(cosine, 0.5), solve
    yield "… gamma 2", rbf(cosine, 2), solve
    yield "… linear", cosine, solve
    yield "… Laplacian kernel", np.exp(-np.sqrt(np.maximum(2 - 2 * cosine, 0))), solve
    few = corpus.features()(corpus.embeddings, corpus.extras)
    yield "… on 384 main directions", rbf(product(few)), solve
    yield "… whitened by .25", rbf(product(whitened(few, 0.25))), solve
    yield "… whitened by .5", rbf(product(whitened(few, 0.5))), solve
    yield "… smoothed features", rbf(product(smoothed(few))), solve
    both = (product(smoothed(few)) + cosine) / 2
    yield "… smoothed features beside the plain", rbf(both), solve
    yield "… Laplacian-regularised, 1", deformed(near, few, 1), solve
    yield "… Laplacian-regularised, 10", deformed(near, few, 10), solve
    far = graph.graph_kernel(few, len(few))
    for reach in (1, 2, 4, 8, 20):
        yield f"… + {reach} × graph kernel, all images", (near + reach * far) / (1 + reach), solve
    yield "graph kernel alone", far, solve
    for settings in GRAPHS:
        graph.NEIGHBOURS, graph.SHARPNESS, graph.REACH = settings
        far = graph.graph_kernel(few, len(few))
        name = "… + 8 × graph of {} neighbours, sharpness {}, reach {}".format(*settings)
        yield name, (near + 8 * far) / 9, solve


def errors(corpus: Corpus, rank: Callable[..., np.ndarray], draws: int) -> np.ndarray:
    """Mean 1 - AUC, [2, counts]: official and own tastes."""
    tasks = tastes(corpus)
    found = np.zeros((2, len(COUNTS)))
    for own, names in enumerate((OFFICIAL, OWN)):
        for name in names:
            keep, eligible = tasks[name]
            for place, count in enumerate(COUNTS):
                for seed in range(draws):
                    rows, rest = draw(keep, eligible, count, seed)
                    score = rank(rows, keep[rows], rest)
                    lost = 1 - Ranking(score, keep[rest]).auc()
                    found[own, place] += lost / draws / len(names)
    return found


def main() -> None:
    """See the module's docstring."""
    corpus = read(Path(sys.argv[1]))
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    plain = plain_svm(corpus)
    base = errors(corpus, lambda *task: svm_scores(plain, *task), draws)
    header = [f"{kind} {count}" for kind in ("official", "own") for count in COUNTS]
    print("| | " + " | ".join(header) + " |\n" + "|---" * (len(header) + 1) + "|")
    print("| plain SVM, 1 - AUC | " + " | ".join(f"{one:.3f}" for one in base.ravel()) + " |")
    for name, kernel, solve in kernels(corpus):

        def rank(
            rows: np.ndarray,
            keep: np.ndarray,
            rest: np.ndarray,
            kernel: np.ndarray = kernel,
            solve: Solve = solve,
        ) -> np.ndarray:
            inner = kernel[np.ix_(rows, rows)].astype(np.float64)
            return kernel[np.ix_(rest, rows)] @ solve(inner, keep)

        ratio = errors(corpus, rank, draws) / base
        print(f"| {name} | " + " | ".join(f"{one:.2f}" for one in ratio.ravel()) + " |", flush=True)


if __name__ == "__main__":
    main()
