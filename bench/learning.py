"""The quality of the default head after few labels: prints the tables of LEARNING.md.

`python bench/learning.py CACHE.npz TABLE [DRAWS [LABELS]]`. TABLE is official, own, original,
imbalance, wrong, suspects, next or speed; the first three accept LABELS, such as 50,300. Tables
with the plain SVM need scikit-learn, `original` needs torch.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from learning_corpus import OFFICIAL, Corpus, draw, read, tastes

from imgscore.embedders import lite0_spec
from imgscore.heads.base import Examples
from imgscore.heads.extras import NAMES as TRAITS
from imgscore.heads.groups import fold_groups
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import library_features
from imgscore.heads.measures import Ranking, losses
from imgscore.heads.mlp import MlpRecipe
from imgscore.heads.next_labels import next_labels
from imgscore.heads.similar import similar_pairs
from imgscore.heads.suspects import suspects
from imgscore.heads.training import train

COUNTS = (10, 20, 50, 100, 300, 1000)
"""numbers of labels"""


def svm_kernel(corpus: Corpus) -> np.ndarray:
    """The kernel [n, n] of the plain SVM that all heads are compared with: RBF with gamma 1.

    Its features are the square roots of the last layer, centred on the library, of unit length.
    """
    values = np.sqrt(np.maximum(corpus.embeddings[:, :1280].astype(np.float32), 0))
    values -= values.mean(axis=0)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return np.exp(2 * (values @ values.T - 1))


def svm_scores(kernel: np.ndarray, rows: np.ndarray, keep: np.ndarray, rest: np.ndarray):
    """Train the SVM on the labelled rows; returns the decision values of the `rest`."""
    from sklearn.svm import SVC

    machine = SVC(C=10, kernel="precomputed", class_weight="balanced")
    machine.fit(kernel[np.ix_(rows, rows)], keep)
    return machine.decision_function(kernel[np.ix_(rest, rows)])


def compare_heads(
    corpus: Corpus, official: bool, draws: int = 5, counts: tuple[int, ...] = COUNTS
) -> None:
    """Print AUC, average precision and log loss of head and plain SVM, by taste and on average."""
    kernel = svm_kernel(corpus)
    names = ("plain SVM", "head")
    tasks = {name: task for name, task in tastes(corpus).items() if (name in OFFICIAL) == official}
    results = np.zeros((len(tasks), len(counts), 2, 3))
    prior_loss = np.zeros(len(counts))
    for task, (keep, eligible) in enumerate(tasks.values()):
        for column, count in enumerate(counts):
            for seed in range(draws):
                rows, rest = draw(keep, eligible, count, seed)
                truth, prior = keep[rest], keep[rows].mean()
                prior_loss[column] -= prior * np.log(prior) + (1 - prior) * np.log(1 - prior)
                # Weight the log loss as if the rest had the labels' share of keeps.
                weight = np.where(truth, prior / truth.mean(), (1 - prior) / (1 - truth.mean()))
                head = KernelRecipe().fit(corpus.examples(rows, keep[rows])).head
                score = head.score(corpus.embeddings[rest], corpus.extras[rest]).score
                loss = float(np.mean(weight * losses(score, truth)))
                plain = svm_scores(kernel, rows, keep[rows], rest)
                for number, (values, log_loss) in enumerate(((plain, np.nan), (score, loss))):
                    ranking = Ranking(values, truth)
                    measures = (ranking.auc(), ranking.average_precision(), log_loss)
                    results[task, column, number] += np.array(measures) / draws
        auc = results[task, :, :, 0].round(3).tolist()
        print(list(tasks)[task], auc, file=sys.stderr, flush=True)
    title = f"{'official' if official else 'own'} tastes, {draws} draws"
    mean = results.mean(axis=0)
    print_table(f"AUC, {title}", counts, names, mean[:, :, 0].T)
    error = 1 - mean[:, :, 0].T
    ratio = error[1:] / error[0]
    print_table(f"error (1 - AUC) of the head / of the SVM, {title}", counts, ("head",), ratio)
    print_table(f"average precision, {title}", counts, names, mean[:, :, 1].T)
    rows = np.concatenate([prior_loss[None] / draws / len(tasks), mean[:, 1:, 2].T])
    print_table(f"log loss, {title}", counts, ("a constant, the share of keeps", "head"), rows)
    print_table(f"AUC of the head, {title}", counts, list(tasks), results[:, :, 1, 0])
    print_table(f"AUC of the plain SVM, {title}", counts, list(tasks), results[:, :, 0, 0])


def compare_original(corpus: Corpus, draws: int = 1, counts: tuple[int, ...] = (300, 1000)) -> None:
    """Print the AUC of the original recipe for the official tastes; a fit takes minutes.

    Its inputs are the last layer or the whole embedding, standardised on the library or ten times
    that: its learning rate is too small for standardised inputs.
    """
    for width, scale in itertools.product((1280, corpus.embeddings.shape[1]), (1, 10)):
        values = corpus.embeddings[:, :width].astype(np.float32)
        values = scale * (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3)
        scaled = replace(corpus, embeddings=values.astype(np.float16))
        results = np.zeros((len(OFFICIAL), len(counts)))
        for column, count in enumerate(counts):
            for task, name in enumerate(OFFICIAL):
                keep, eligible = tastes(scaled)[name]
                for seed in range(draws):
                    rows, rest = draw(keep, eligible, count, seed)
                    examples = scaled.examples(rows, keep[rows])
                    # All labels in one fold: no head is trained for held-out scores.
                    folds = np.zeros(len(rows), np.int64)
                    head = MlpRecipe().fit(examples, folds).head
                    score = head.score(scaled.embeddings[rest]).score
                    results[task, column] += Ranking(score, keep[rest]).auc() / draws
                auc = results[task, column].round(3)
                print(width, scale, name, count, auc, file=sys.stderr, flush=True)
        rows = np.vstack([results, results.mean(axis=0)])
        title = f"AUC of the original recipe on {width} numbers × {scale}, {draws} draws"
        print_table(title, counts, (*OFFICIAL, "mean"), rows)


def print_table(title: str, columns: tuple[object, ...], names, values: np.ndarray) -> None:
    """Print a table in Markdown."""
    print(f"\n**{title}**\n\n| | " + " | ".join(str(column) for column in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in zip(names, values, strict=True):
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |", flush=True)


def compare_imbalance(corpus: Corpus, draws: int = 1) -> None:
    """Print the AUC of SVM and head for labels at 1:5 and 5:1, as a mean over all tastes."""
    kernel, counts = svm_kernel(corpus), (12, 60, 300)
    for share in (1 / 6, 5 / 6):
        results = np.zeros((2, len(counts)))
        for keep, eligible in tastes(corpus).values():
            for column, count in enumerate(counts):
                for seed in range(draws):
                    rows, rest = draw(keep, eligible, count, seed, share)
                    head = KernelRecipe().fit(corpus.examples(rows, keep[rows])).head
                    score = head.score(corpus.embeddings[rest], corpus.extras[rest]).score
                    plain = svm_scores(kernel, rows, keep[rows], rest)
                    results[:, column] += [
                        Ranking(values, keep[rest]).auc() for values in (plain, score)
                    ]
        results /= draws * len(tastes(corpus))
        print_table(f"AUC, share of keeps {share:.2f}", counts, ("plain SVM", "head"), results)


def _flip_labels(examples: Examples, seed: int) -> tuple[Examples, np.ndarray]:
    """Flip 5 % of the labels; returns the examples, and a mask of the flipped labels."""
    count = len(examples)
    wrong = np.zeros(count, bool)
    wrong[np.random.default_rng(seed).permutation(count)[: max(1, count // 20)]] = True
    return replace(examples, grades=np.abs(examples.grades - wrong)), wrong


def compare_wrong_labels(corpus: Corpus, draws: int = 1) -> None:
    """Print the AUC of SVM and head with 5 % wrong labels, as a mean over all tastes."""
    kernel, counts = svm_kernel(corpus), (20, 100, 300, 1000)
    results = np.zeros((2, len(counts)))
    for keep, eligible in tastes(corpus).values():
        for column, count in enumerate(counts):
            for seed in range(draws):
                rows, rest = draw(keep, eligible, count, seed)
                examples, _ = _flip_labels(corpus.examples(rows, keep[rows]), seed)
                head = KernelRecipe().fit(examples).head
                score = head.score(corpus.embeddings[rest], corpus.extras[rest]).score
                plain = svm_scores(kernel, rows, examples.keep, rest)
                results[:, column] += [
                    Ranking(values, keep[rest]).auc() for values in (plain, score)
                ]
    results /= draws * len(tastes(corpus))
    print_table("AUC with 5 % wrong labels, all tastes", counts, ("plain SVM", "head"), results)


def measure_suspects(corpus: Corpus, draws: int = 3) -> None:
    """Print the precision of the first k suspects, where k of 1,000 labels are wrong."""
    names, results = [], []
    for name, (keep, eligible) in tastes(corpus).items():
        precision = []
        for seed in range(draws):
            rows, _ = draw(keep, eligible, 1000, seed)
            examples, flipped = _flip_labels(corpus.examples(rows, keep[rows]), seed)
            features = corpus.features(extras=False)
            pairs = similar_pairs(
                features.projected(examples.embeddings),
                features,
                examples.background,
                np.zeros((1000, 256), np.float32),
            )
            examples = replace(examples, groups=fold_groups(pairs), copies=pairs.groups())
            first = suspects(examples, KernelRecipe().fit(examples), int(flipped.sum()))
            precision.append(np.sum([flipped[suspect.row] for suspect in first]) / flipped.sum())
        names.append(name)
        results.append([len(rows), np.mean(precision)])
    columns = ("labels", "precision")
    print_table("precision of the first k suspects", columns, names, np.array(results))


def compare_next_labels(corpus: Corpus, rounds: int = 4, batch: int = 20, draws: int = 1) -> None:
    """Print the AUC after each batch of labels: chosen by next_labels, and at random."""
    results = np.zeros((2, rounds + 1))
    features = corpus.features()
    for keep, eligible in tastes(corpus).values():
        for seed in range(draws):
            start, rest = draw(keep, eligible, 20, seed)
            # Half of the rest is for testing only: neither method may label it.
            rest = np.random.default_rng(seed).permutation(rest)
            test, pool = rest[: len(rest) // 2], rest[len(rest) // 2 :]
            for method in range(2):
                rows, left = start, pool
                for turn in range(rounds + 1):
                    head = KernelRecipe().fit(corpus.examples(rows, keep[rows])).head
                    score = head.score(corpus.embeddings[test], corpus.extras[test]).score
                    results[method, turn] += Ranking(score, keep[test]).auc()
                    chosen = np.arange(batch)
                    if method == 0:
                        labelled = corpus.examples(rows, keep[rows])
                        more = corpus.extras[left]
                        chosen = next_labels(
                            head, features, labelled, corpus.embeddings[left], batch, more
                        )
                    rows, left = np.concatenate([rows, left[chosen]]), np.delete(left, chosen)
    results /= draws * len(tastes(corpus))
    columns = tuple(20 + batch * turn for turn in range(rounds + 1))
    print_table("AUC by number of labels", columns, ("next_labels", "random"), results)


def measure_speed() -> None:
    """Print time and peak memory of training and scoring random vectors of the shipped width."""
    width = lite0_spec.DIM
    generator = np.random.default_rng(0)

    def make_vectors(count: int) -> np.ndarray:
        return generator.random((count, width), np.float32).astype(np.float16)

    background = make_vectors(7500)
    for count in (20, 1000, 25_000):
        values = make_vectors(count)
        grades = (values[:, :20].sum(axis=1) > 10).astype(np.float32)
        start, cpu_start = time.perf_counter(), time.process_time()
        extras = generator.normal(size=(count, len(TRAITS))).astype(np.float32)
        library = generator.normal(size=(len(background), len(TRAITS))).astype(np.float32)
        examples = Examples(
            values,
            grades,
            background,
            lite0_spec.SECTIONS,
            extras=extras,
            background_extras=library,
        )
        features = library_features(examples)
        grids = generator.normal(size=(count, 256)).astype(np.float32)
        grids /= np.linalg.norm(grids, axis=1, keepdims=True)
        projected = features.projected(values)
        groups = fold_groups(similar_pairs(projected, features, background, grids))
        examples = replace(examples, groups=groups, features=features, projected=projected)
        trained = train(examples)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count} labels grouped, trained, calibrated, evaluated: "
            f"{wall:.2f} s, {cpu:.2f} s CPU, {peak:.0f} MB"
        )
        unlabelled = values if count == 25_000 else make_vectors(20_000)
        start = time.process_time()
        trained.head.score(unlabelled, np.resize(library, (len(unlabelled), len(TRAITS))))
        scoring = time.process_time() - start
        weights = np.ones(width, np.float32)
        start = time.process_time()
        for block in range(0, len(unlabelled), 1024):
            unlabelled[block : block + 1024].astype(np.float32) @ weights
        product = time.process_time() - start
        rate = len(unlabelled) / scoring
        print(
            f"  {rate:.0f} scores a CPU second, {product / scoring:.2f} of the rate of one product"
        )


def main() -> None:
    """Print the table that the command line names."""
    table = sys.argv[2]
    if table == "speed":
        measure_speed()
        return
    options: dict[str, object] = {"draws": int(sys.argv[3])} if len(sys.argv) > 3 else {}
    if len(sys.argv) > 4:
        options["counts"] = tuple(map(int, sys.argv[4].split(",")))
    corpus = read(Path(sys.argv[1]))
    {
        "official": partial(compare_heads, official=True),
        "own": partial(compare_heads, official=False),
        "original": compare_original,
        "imbalance": compare_imbalance,
        "wrong": compare_wrong_labels,
        "suspects": measure_suspects,
        "next": compare_next_labels,
    }[table](corpus, **options)


if __name__ == "__main__":
    main()
