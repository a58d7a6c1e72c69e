"""`next` on tastes that the head was not tuned on: prints tables of LEARNING.md.

`python bench/learning_next.py CACHE.npz [DRAWS]`. Each person starts with four labels, and then
labels batches that `next` chooses, random ones, or the most uncertain ones. The labels have whims.
Half of each library is only tested.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from learning import print_table
from learning_rotated import Errors, Library, error_of, load, print_ratios
from learning_tastes import Taste

from imgscore.heads.next_labels import next_labels

START, BATCH, LAST = 4, 16, 100
"""the numbers of labels at the start, in a batch, and at the end"""
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
    while True:
        fitted = library.fit(rows, said[rows])
        errors.append(error_of(library.score(fitted, test), taste.keep[test]))
        count = min(BATCH, LAST - len(rows))
        if not count:
            return errors
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


def main(cache: Path, draws: int) -> None:
    """Print the error after each batch, its mean, and the labels that replace 100 random ones."""
    counts = tuple(range(START, LAST + 1, BATCH))
    errors: Errors = {}
    for library in load(cache):
        for taste in library.tastes:
            curves = [
                np.mean([curve(library, taste, method, seed) for seed in range(draws)], axis=0)
                for method in METHODS
            ]
            errors[library.name, taste.kind, taste.name] = np.array(curves).T
            print(library.name, taste.name, file=sys.stderr, flush=True)
    title = f"{len(errors)} tastes, {draws} draws"
    shown = [column for column, count in enumerate(counts) if count % (2 * BATCH) == START]
    part = {key: value[shown] for key, value in errors.items()}
    print_ratios(
        f"error against that of random labels, {title}",
        part,
        tuple(counts[column] for column in shown),
        [*METHODS],
    )
    area = {key: value.mean(axis=0, keepdims=True) for key, value in errors.items()}
    print_ratios(f"the same, mean from {START} to {LAST} labels", area, ("mean",), [*METHODS])
    mean = np.array(list(errors.values())).mean(axis=0)
    # The first number of labels with at most the error of the last random one.
    needed = [counts[int(np.argmax(column <= max(mean[-1, 0], column.min())))] for column in mean.T]
    title = f"labels to the error of {LAST} random ones"
    print_table(title, ("labels",), METHODS, np.array(needed)[:, None])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
