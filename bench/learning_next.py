"""`next` on tastes that the head was not tuned on: prints tables of LEARNING.md.

`python bench/learning_next.py CACHE.npz [DRAWS [SOURCES]]`. Each person starts with four labels,
and then labels batches that `next` chooses, random ones, or the most uncertain ones. The labels
have whims. Half of each library is only tested. SOURCES: names of libraries, or all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np
from learning_rotated import Errors, Library, drawn_tastes, error_of, load, print_ratios
from learning_tastes import Taste

from imgscore.heads.next_labels import next_labels

START = 4
"""the number of labels at the start"""
COUNTS = (START, 20, 36, 52, 68, 84, 100, 132, 164, 196)
"""the numbers of labels after each batch"""
COMPARED = (100, 196)
"""the numbers of random labels whose error the other methods must reach"""
POOL, TESTED = 800, 1000
"""the largest numbers of images from which labels are chosen, and that are tested"""
METHODS = ("random", "most uncertain", "next")


def curve(library: Library, taste: Taste, method: str, seed: int) -> list[float]:
    """The error on the tested images after each batch of labels."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(taste.keep))
    pool, test = order[: len(order) // 2][:POOL], order[len(order) // 2 :][:TESTED]
    said = taste.keep ^ (generator.random(len(order)) < taste.whims)
    # Two labels of each side to start with, as a person chooses them.
    start = [pool[taste.keep[pool] == side][: START // 2] for side in (True, False)]
    rows = np.concatenate(start)
    said[rows] = taste.keep[rows]
    left = np.setdiff1d(pool, rows)
    errors = []
    for wanted in (*COUNTS[1:], None):
        fitted = library.fit(rows, said[rows])
        errors.append(error_of(library.score(fitted, test), taste.keep[test]))
        if wanted is None:
            break
        count = wanted - len(rows)
        if method == "random":
            chosen = generator.permutation(len(left))[:count]
        elif method == "most uncertain":
            chosen = np.argsort(np.abs(library.score(fitted, left) - 0.5))[:count]
        else:
            corpus = library.corpus
            chosen = next_labels(
                fitted.head,
                library.features,
                corpus.examples(rows, said[rows]),
                corpus.embeddings[left],
                count,
                corpus.extras[left],
            )
        rows, left = np.concatenate([rows, left[chosen]]), np.delete(left, chosen)
    return errors


def labels_for(errors: np.ndarray, limit: float) -> float:
    """The interpolated number of labels after which the error [counts] is at most `limit`."""
    reached = np.flatnonzero(errors <= limit)
    if not len(reached):
        return np.inf
    after = int(reached[0])
    if not after:
        return START
    before, now = errors[after - 1 : after + 1]
    part = (before - limit) / (before - now)
    return float(COUNTS[after - 1] + part * (COUNTS[after] - COUNTS[after - 1]))


def print_needed(errors: Errors) -> None:
    """Print the labels that have the error of random ones, with 95 % intervals over tastes."""
    heads = " | ".join(map(str, COMPARED))
    print(f"\n**labels with the error of random labels**\n\n| | {heads} |")
    print("|---" * (len(COMPARED) + 1) + "|")
    values = np.array(list(errors.values()))
    draws = [values, *(values[drawn] for drawn in drawn_tastes([key[0] for key in errors]))]
    for method, name in enumerate(METHODS):
        cells = []
        for count in COMPARED:
            column = COUNTS.index(count)
            means = [each.mean(axis=0) for each in draws]
            needed = [labels_for(mean[:, method], mean[column, 0]) for mean in means]
            low, high = np.quantile(needed[1:], [0.025, 0.975], method="nearest")
            cells.append(f"{needed[0]:.0f} [{low:.0f}, {high:.0f}]")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main(cache: Path, draws: int, sources: Collection[str]) -> None:
    """Print the error after each batch, its mean, and the labels that replace 100 random ones."""
    errors: Errors = {}
    for library in load(cache, sources):
        for taste in library.tastes:
            curves = [
                np.mean([curve(library, taste, method, seed) for seed in range(draws)], axis=0)
                for method in METHODS
            ]
            errors[library.name, taste.kind, taste.name] = np.array(curves).T
            print(library.name, taste.name, np.array(curves).round(3), file=sys.stderr, flush=True)
    title = f"{len(errors)} tastes, {draws} draws"
    print_ratios(f"error against that of random labels, {title}", errors, COUNTS, [*METHODS])
    # The area under each curve, by trapezoids.
    width = np.diff(COUNTS)
    weight = (np.append(width, 0) + np.append(0, width)) / 2 / width.sum()
    area = {key: (weight @ value)[None] for key, value in errors.items()}
    span = f"mean from {START} to {COUNTS[-1]} labels"
    print_ratios(f"the same, {span}", area, ("mean",), [*METHODS])
    for name in dict.fromkeys(key[0] for key in errors):
        part = {key: value for key, value in area.items() if key[0] == name}
        print_ratios(f"the same, {span}, {name}", part, ("mean",), [*METHODS])
    print_needed(errors)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        sys.argv[3].split(",") if len(sys.argv) > 3 else (),
    )
