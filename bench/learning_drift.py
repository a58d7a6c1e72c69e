"""The head on tastes that change: prints the table "Drift" of LEARNING.md.

`python bench/learning_drift.py CACHE.npz [SOURCES [LABELS]]`. A person gives LABELS labels, and
then further ones. The scenarios:

all changes: the further labels are of another taste.
half changes: the new taste differs from the old one for a random half of the images.
nothing changes: the further labels are of the same taste.
other images: nothing changes, but the first labels are of one half of the categories, and the
further labels of the other half.

The error is that of the new taste on other images. It is compared with a head of equal weights. The
suspects are the old labels with the most evidence. Their precision is the share that contradicts
the new taste, among as many suspects as there are such labels.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from learning import print_table
from learning_rotated import Library, error_of, load
from learning_tastes import Taste

from imgscore.heads.base import Fitted
from imgscore.heads.measures import divergences

FURTHER = (20, 35, 50, 100)
"""numbers of further labels"""
TESTED = 1000
SCENARIOS = ("all changes", "half changes", "nothing changes", "other images")


def draw(
    keep: np.ndarray, pool: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Random images of a pool, in random order: a fifth of them or more are keeps."""
    keeps = generator.permutation(pool[keep[pool]])
    trashes = generator.permutation(pool[~keep[pool]])
    wanted = max(int(count * np.clip(keep[pool].mean(), 0.2, 0.8)), 2)
    return generator.permutation(np.concatenate([keeps[:wanted], trashes[: count - wanted]]))


def labels_of(
    library: Library, taste: Taste, other: Taste, scenario: str, count: int, further: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labelled images in sequence, their labels, and the images that the person would keep."""
    generator = np.random.default_rng([seed, count, further])
    size = len(taste.keep)
    now = taste.keep
    if scenario == "all changes":
        now = other.keep
    elif scenario == "half changes":
        now = np.where(generator.random(size) < 0.5, taste.keep, other.keep)
    first = later = np.arange(size)
    if scenario == "other images":
        categories = generator.permutation(np.unique(library.corpus.category))
        half = np.isin(library.corpus.category, categories[: len(categories) // 2])
        first, later = np.flatnonzero(half), np.flatnonzero(~half)
    old, new = draw(taste.keep, first, count, generator), draw(now, later, further, generator)
    old = old[~np.isin(old, new)]
    rows = np.concatenate([old, new])
    labels = np.concatenate([taste.keep[old], now[new]])
    return rows, labels ^ (generator.random(len(rows)) < taste.whims), now


def precision_of(fitted: Fitted, labels: np.ndarray, wrong: np.ndarray) -> float:
    """The share of contradicting labels among as many suspects."""
    evidence = divergences(fitted.held_out.score, labels.astype(np.float32))
    return float(wrong[np.argsort(-evidence)[: int(wrong.sum())]].mean())


def main(cache: Path, sources: tuple[str, ...], count: int) -> None:
    """Print the error against that of equal weights, and the precision of suspects."""
    errors: dict[tuple[str, int], list[tuple[float, float, bool]]] = defaultdict(list)
    suspects: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
    for library in load(cache, sources):
        tastes = library.tastes
        for number, taste in enumerate(tastes):
            other = tastes[(number + 5) % len(tastes)]
            for scenario in SCENARIOS:
                for further in FURTHER:
                    rows, labels, now = labels_of(
                        library, taste, other, scenario, count, further, number
                    )
                    if min(labels.sum(), (~labels).sum()) < 2:
                        continue
                    left = np.setdiff1d(np.arange(len(now)), rows)
                    tested = np.random.default_rng(0).permutation(left)[:TESTED]
                    heads = [
                        library.fit(rows, labels),
                        library.fit(rows, labels, times=np.arange(len(rows)) * 10**9),
                    ]
                    found = [error_of(library.score(head, tested), now[tested]) for head in heads]
                    key = scenario, further
                    errors[key].append((found[0], found[1], heads[1].recency is not None))
                    wrong = taste.keep[rows] != now[rows]
                    wrong[-further:] = False
                    if wrong.sum() >= 5:
                        suspects[key].append(
                            (*(precision_of(head, labels, wrong) for head in heads), wrong.mean())
                        )
        print(library.name, file=sys.stderr, flush=True)
    for scenario in SCENARIOS:
        values = [np.mean(errors[scenario, further], axis=0) for further in FURTHER]
        rows = [[each[1] / each[0] for each in values], [each[2] for each in values]]
        names = ["error against equal weights", "used"]
        if suspects[scenario, FURTHER[0]]:
            names += ["suspects, equal weights", "suspects", "share of such labels"]
            rows += list(np.array([np.mean(suspects[scenario, n], axis=0) for n in FURTHER]).T)
        title = f"{scenario}, {count} labels before, {len(errors[scenario, FURTHER[0]])} tastes"
        print_table(title, FURTHER, names, np.array(rows))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        tuple(sys.argv[2].split(",")) if len(sys.argv) > 2 else (),
        int(sys.argv[3]) if len(sys.argv) > 3 else 200,
    )
