"""What an order costs: time to plan and to apply, touches an arrival, touches a retrain.

`python -m bench.order [EMBEDDINGS.npy]`: with the path of a float array (images, dimensions), the
session of retrains runs on those instead of on synthetic embeddings.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from math import log2
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgscore.order.entries import NANOSECONDS, Entry, Member
from imgscore.order.plan import Touch, plan
from imgscore.order.spacing import space
from imgscore.order.ties import MOST_SHIFT, knots, tie_deviation
from imgscore.order.touch import Seen, touch

Array = npt.NDArray[np.float64]
NOW = 1_790_000_000
NOW_NS = NOW * NANOSECONDS


def folder(count: int, deviation: float = 0.0, seed: int = 1) -> list[Entry]:
    """`count` files with random scores and dates of the last five years: nothing is in order."""
    chance = random.Random(seed)
    return [
        Entry(
            (Member(b"%08d.jpg" % i, (NOW - chance.randrange(157_000_000)) * NANOSECONDS),),
            chance.random(),
            deviation,
        )
        for i in range(count)
    ]


def applied(entries: Sequence[Entry], touches: Sequence[Touch]) -> list[Entry]:
    """The entries after the touches, without a disk."""
    after = {item.path: item.after_ns for item in touches}
    return [
        entry._replace(
            members=tuple(Member(path, after.get(path, ns)) for path, ns in entry.members)
        )
        for entry in entries
    ]


def plan_speed(count: int = 100_000) -> dict[str, float]:
    """CPU seconds (best of three) to plan `count` files: unsorted, with noise, and in order."""
    fresh, noisy = folder(count), folder(count, deviation=0.005)
    ordered = applied(noisy, plan(noisy, NOW_NS))
    return {
        f"plan {count} unsorted, CPU s": _best_of_three(lambda: plan(fresh, NOW_NS)),
        f"plan {count} unsorted with noise, CPU s": _best_of_three(lambda: plan(noisy, NOW_NS)),
        f"plan {count} already in order, CPU s": _best_of_three(lambda: plan(ordered, NOW_NS)),
    }


def apply_speed(count: int = 10_000) -> dict[str, float]:
    """CPU microseconds a file: `touch` with its checks and read-back, against os.utime alone."""
    with tempfile.TemporaryDirectory() as place:
        paths = [os.fsencode(Path(place) / f"{i}.jpg") for i in range(count)]
        for path in paths:
            Path(os.fsdecode(path)).touch()
        seen = [os.lstat(path) for path in paths]

        def bare() -> None:
            for path, status in zip(paths, seen, strict=True):
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

        def checked() -> None:
            for path, status in zip(paths, seen, strict=True):
                expect = Seen(status.st_dev, status.st_ino, status.st_mtime_ns)
                touch(path, expect, status.st_mtime_ns)

        plain, ours = _best_of_three(bare), _best_of_three(checked)
    return {
        "os.utime, CPU µs a file": plain / count * 1e6,
        "touch, CPU µs a file": ours / count * 1e6,
        "touch / os.utime": ours / plain,
    }


def arrivals(count: int = 10_000, trials: int = 50) -> dict[str, float]:
    """Touches for one new file, dated now, in an ordered folder of `count`: mean and most."""
    fresh = folder(count, deviation=0.005)
    ordered = applied(fresh, plan(fresh, NOW_NS))
    chance = random.Random(3)
    costs = [
        len(plan([*ordered, Entry((Member(b"new", NOW_NS),), chance.random(), 0.005)], NOW_NS))
        for _ in range(trials)
    ]
    return {
        f"touches for one arrival in {count}, mean": sum(costs) / trials,
        f"touches for one arrival in {count}, most": max(costs),
    }


def adversary(fresh: int = 500, count: int = 1_500) -> dict[str, float]:
    """Touches an insertion, all at one point while the clock stands still; and log2 of the size."""
    figures = {}
    for name, place in (("top", -1), ("middle", fresh // 2), ("bottom", 0)):
        dates, touches = space([None] * fresh, NOW), 0
        for _ in range(count):
            at = len(dates) if place < 0 else place
            before = [*dates[:at], None, *dates[at:]]
            dates = space(before, NOW)
            touches += sum(old != new for old, new in zip(before, dates, strict=True))
        figures[f"touches an insertion, all at the {name}"] = touches / count
    return figures | {"log2 of the entries at the end": log2(fresh + count)}


def stability(
    embeddings: Array | None = None,
    labels: int = 300,
    every: int = 10,
    most_shift: float | None = MOST_SHIFT,
    seed: int = 4,
) -> dict[str, float]:
    """A session: `labels` labels given, a retrain each `every`, the folder ordered each time.

    Logistic regression, its noise from the Laplace approximation; `most_shift` None plans without
    noise. Gives touches a retrain (after the first order), and the correlation that ties cost:
    1 - Spearman(order on disk, scores).
    """
    chance = np.random.default_rng(seed)
    vectors = _synthetic(chance) if embeddings is None else _whitened(embeddings)
    count = len(vectors)
    taste = vectors @ chance.normal(size=vectors.shape[1])
    likes = taste / taste.std() + chance.normal(scale=0.3, size=count) > 0
    queue = chance.permutation(count)[:labels]
    dates = {i: (NOW - int(chance.integers(157_000_000))) * NANOSECONDS for i in range(count)}
    touches, costs = [], []
    for known in range(every, labels + 1, every):
        scores, noise = _scores(vectors, vectors[queue[:known]], likes[queue[:known]])
        table = knots(scores.tolist(), most_shift) if most_shift else []
        entries = [
            Entry(
                (Member(b"%06d" % i, dates[i]),),
                score,
                tie_deviation(score, float(noise[i]), table) if most_shift else 0.0,
            )
            for i, score in enumerate(scores.tolist())
        ]
        planned = plan(entries, NOW_NS)
        touches.append(len(planned))
        dates.update({int(item.path): item.after_ns for item in planned})
        costs.append(1 - _spearman(np.array([dates[i] for i in range(count)]), scores))
    half = len(touches) // 2
    return {
        "touches a retrain, mean": float(np.mean(touches[1:])),
        "touches a retrain, second half": float(np.mean(touches[half:])),
        "rank correlation lost, mean": float(np.mean(costs)),
        "rank correlation lost, most": max(costs),
    }


def _synthetic(chance: np.random.Generator, count: int = 2_000, dimensions: int = 64) -> Array:
    """Gaussian embeddings whose spread falls along the dimensions, as real ones' does."""
    return chance.normal(size=(count, dimensions)) / np.sqrt(np.arange(1, dimensions + 1))


def _whitened(embeddings: Array, dimensions: int = 64) -> Array:
    """The leading principal components, scaled as in _synthetic, of at most 2,000 images."""
    centred = embeddings[:2_000].astype(np.float64)
    centred = centred - centred.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    components: Array = (left * singular)[:, :dimensions]
    components /= components[:, 0].std()
    return components


def _scores(vectors: Array, known: Array, likes: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Probabilities and their deviations: regularised logistic regression by Newton's method."""
    weights = np.zeros(known.shape[1] + 1)
    design = np.column_stack([known, np.ones(len(known))])
    for _ in range(20):
        p = 1 / (1 + np.exp(-design @ weights))
        hessian = design.T @ (design * (p * (1 - p))[:, None]) + np.eye(len(weights))
        weights -= np.linalg.solve(hessian, design.T @ (p - likes) + weights)
    everything = np.column_stack([vectors, np.ones(len(vectors))])
    scores: Array = 1 / (1 + np.exp(-everything @ weights))
    variance = np.sum(everything * np.linalg.solve(hessian, everything.T).T, axis=1)
    return scores, scores * (1 - scores) * np.sqrt(variance)


def _spearman(a: npt.NDArray[np.int64], b: Array) -> float:
    """Spearman's correlation of two arrays without equal values."""
    shift = (np.argsort(np.argsort(a)) - np.argsort(np.argsort(b))).astype(np.float64)
    return float(1 - 6 * np.sum(shift**2) / (len(a) * (len(a) ** 2 - 1)))


def _best_of_three(work: Callable[[], object]) -> float:
    """Least CPU time of three runs, in seconds: the machine may have other work to do."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure all of it and print one line a figure."""
    embeddings = np.load(sys.argv[1]) if len(sys.argv) > 1 else None
    figures = plan_speed() | apply_speed() | arrivals() | adversary()
    for name, most_shift in (("exact scores", None), ("ties", MOST_SHIFT)):
        session = stability(embeddings, most_shift=most_shift)
        figures |= {f"{name}: {key}": value for key, value in session.items()}
    for name, value in figures.items():
        print(f"{value:12.4f}  {name}")


if __name__ == "__main__":
    main()
