"""Which image of a group is the best: how often `best_first` ranks two copies of an image right.

`python -m bench.best_of_group CORPUS [--cache FILE]` degrades images of the corpus, measures the
copies, and prints a table. With --cache, copies that FILE contains are not measured again. With
--fit, it also prints weights that are fitted to one half of the images and judged on the other.
The head is trained on photographs and paintings (keep) against screenshots (trash).
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.degradations import degradations, degrade, is_better, name_of
from imgscore.embedders import lite0, lite0_spec
from imgscore.groups import best
from imgscore.groups.best import best_first
from imgscore.heads.base import Examples
from imgscore.heads.extras import extras_of
from imgscore.heads.recipes import recipe
from imgscore.images.decode import decode
from imgscore.workers.measure_quality import quality_of

MIN_PIXELS = 300_000
"""the smallest image that is degraded"""
BLANK = 4.0
"""the largest standard deviation of luma of an image that shows nothing"""
LABELS = 50
"""the number of images of each kind from which the head learns"""


def sources(corpus: Path, count: int) -> list[Path]:
    """Images of the corpus: first photographs and paintings, then some drawings and screenshots."""
    wallpapers = [
        path
        for path in sorted((corpus / "wallpapers").iterdir())
        if "screenshot" not in path.name and _size(path) >= MIN_PIXELS
    ]
    chance = random.Random(8)
    chance.shuffle(wallpapers)
    others = sorted([*(corpus / "screenshots").iterdir(), *(corpus / "stamps").rglob("*.*")])
    chance.shuffle(others)
    large = (path for path in others if _size(path) >= MIN_PIXELS // 3)
    chosen = wallpapers[: count * 4 // 5]
    return [*chosen, *(path for path, _ in zip(large, range(count - len(chosen)), strict=False))]


def _size(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except OSError:
        return 0


def opened(path: Path, side: int) -> Image.Image | None:
    """The image with at most `side` pixels a side, or None if it is blank."""
    picture = decode(path.read_bytes(), 2 * side)
    if picture.traits.contrast * 255 < BLANK:
        return None
    image = Image.fromarray(picture.pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def measure(job: tuple[Path, int]) -> tuple[str, list[dict[str, Any]]]:
    """Make and measure the copies of one image: a row for each."""
    path, side = job
    image = opened(path, side)
    rows: list[dict[str, Any]] = []
    embedder = lite0.load()
    for seed, how in enumerate(degradations(path.name) if image is not None else ()):
        assert image is not None
        data = degrade(image, how, seed)
        picture = decode(data)
        rows.append(
            {
                "how": how,
                "quality": quality_of(data),
                "embedding": embedder.embed([picture])[0],
                "extras": extras_of([picture.traits])[0],
            }
        )
    return path.name, rows


Rows = dict[str, list[dict[str, Any]]]


def measure_all(corpus: Path, cache: Path | None, count: int, side: int) -> Rows:
    """Measure the copies of all sources that the cache lacks."""
    done: Rows = {}
    if cache is not None and cache.exists():
        done = pickle.loads(cache.read_bytes())
    jobs = [(path, side) for path in sources(corpus, count) if path.name not in done]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, rows in pool.map(measure, jobs):
            done[name] = rows
            print(name, len(rows), file=sys.stderr, flush=True)
            if cache is not None:
                cache.write_bytes(pickle.dumps(done))
    return {name: rows for name, rows in done.items() if rows}


def pairs_of(rows: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """The pairs (better, worse) of the copies of one image."""
    numbers = permutations(range(len(rows)), 2)
    return [(a, b) for a, b in numbers if is_better(rows[a]["how"], rows[b]["how"])]


def head_scores(corpus: Path, measured: Rows) -> dict[str, np.ndarray]:
    """The scores that a head gives to the copies of each image."""
    embedder, chance = lite0.load(), random.Random(9)
    values, extras, grades = [], [], []
    for folder, grade in (("wallpapers", 1.0), ("screenshots", 0.0)):
        files = [path for path in sorted((corpus / folder).iterdir()) if path.name not in measured]
        for path in chance.sample(files, min(LABELS, len(files))):
            picture = decode(path.read_bytes())
            values.append(embedder.embed([picture])[0])
            extras.append(extras_of([picture.traits])[0])
            grades.append(grade)
    known, numbers = np.array(values), np.array(extras)
    head = recipe("auto").fit(
        Examples(
            known,
            np.array(grades, np.float32),
            known,
            lite0_spec.SECTIONS,
            lite0_spec.ID,
            numbers,
            numbers,
        )
    )
    return {
        name: head.score(
            np.array([row["embedding"] for row in rows]), np.array([row["extras"] for row in rows])
        ).score
        for name, rows in measured.items()
    }


def table(measured: Rows, scores: dict[str, np.ndarray]) -> Iterable[str]:
    """The lines of the table: the shares of the pairs that are ranked right."""
    right: defaultdict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    firsts = []
    for name, rows in measured.items():
        qualities = [row["quality"] for row in rows]
        whole = best_first(qualities)
        firsts.append(whole[0] == 0)
        place = {index: at for at, index in enumerate(whole)}
        for a, b in pairs_of(rows):
            by_two = best_first([qualities[b], qualities[a]]) == [1, 0]
            results = by_two, place[a] < place[b], bool(scores[name][a] > scores[name][b])
            right[name_of(rows[a]["how"], rows[b]["how"])].append(results)
    every = [result for results in right.values() for result in results]
    yield "| the worse copy has | pairs | groups of two | one large group | score of the head |"
    yield "|---|---|---|---|---|"
    for kind, results in [*sorted(right.items()), ("all", every)]:
        two, large, head = np.mean(results, axis=0)
        yield f"| {kind} | {len(results)} | {two:.3f} | {large:.3f} | {head:.3f} |"
    kinds = np.mean([np.mean(results, axis=0) for results in right.values()], axis=0)
    yield f"| mean of the kinds | | {kinds[0]:.3f} | {kinds[1]:.3f} | {kinds[2]:.3f} |"
    yield f"the original is the first of all its copies: {np.mean(firsts):.2f}"


def differences(measured: Rows, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The differences of the facts of all pairs, float [n, k], and the weights of the pairs."""
    values: list[list[float]] = []
    kinds: list[str] = []
    for name in names:
        rows = measured[name]
        facts = [[fact(row["quality"]) for _, fact in best.FACTS] for row in rows]
        for a, b in pairs_of(rows):
            both = zip(facts[a], facts[b], strict=True)
            values.append([0.0 if None in (x, y) else x - y for x, y in both])  # type: ignore[operator]
            kinds.append(name_of(rows[a]["how"], rows[b]["how"]))
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    return np.array(values), np.array([1 / counts[kind] / len(counts) for kind in kinds])


def fit(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights of the facts by logistic regression, each with the sign that it has in FACTS."""
    signs = np.sign([weight for weight, _ in best.FACTS])
    scale = values.std(axis=0) + 1e-9
    x = values / scale * signs
    found = np.full(x.shape[1], 0.3)
    for _ in range(3000):
        wrong = 1 / (1 + np.exp(x @ found))
        found = np.maximum(0, found + 2 * (x.T @ (weights * wrong) - 1e-3 * found))
    fitted: np.ndarray = found / scale * signs
    return fitted / fitted[0]


def fitted_lines(measured: Rows) -> Iterable[str]:
    """The weights from one half of the images, and the share of right pairs of the other half."""
    names = sorted(measured)
    for train, test in ((names[::2], names[1::2]), (names[1::2], names[::2])):
        weights = fit(*differences(measured, train))
        values, _ = differences(measured, test)
        share = np.mean(values @ weights > 0)
        now = np.mean(values @ np.array([weight for weight, _ in best.FACTS]) > 0)
        yield f"{np.round(weights, 3).tolist()}: {share:.4f}; the weights in use: {now:.4f}"
    yield f"all images: {np.round(fit(*differences(measured, names)), 3).tolist()}"


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--side", type=int, default=1200)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    measured = measure_all(options.corpus, options.cache, options.images, options.side)
    copies = sum(map(len, measured.values()))
    print(f"{len(measured)} images, {copies} copies")
    for line in table(measured, head_scores(options.corpus, measured)):
        print(line)
    for line in fitted_lines(measured) if options.fit else ():
        print(line)


if __name__ == "__main__":
    main()
