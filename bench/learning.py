"""What the default head learns from few labels: the tables of LEARNING.md.

`python bench/learning.py CACHE.npz TABLE [DRAWS [LABELS]]`, TABLE one of official, own, original,
imbalance, wrong, suspects, next, speed; LABELS (such as 50,300) for the first three. Those against
the plain SVM need scikit-learn (for comparison only); `original` needs torch.
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
from imgscore.heads.groups import near_duplicates
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import library_features
from imgscore.heads.measures import Ranking, losses
from imgscore.heads.mlp import MlpRecipe
from imgscore.heads.next_labels import next_labels
from imgscore.heads.suspects import suspects
from imgscore.heads.training import train

COUNTS = (10, 20, 50, 100, 300, 1000)


def plain_svm(corpus: Corpus) -> np.ndarray:
    """Kernel [n, n] of issue 4's SVM: square root, centred on the whole library, unit, gamma 1."""
    values = np.sqrt(np.maximum(corpus.embeddings[:, :1280].astype(np.float32), 0))
    values -= values.mean(axis=0)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return np.exp(2 * (values @ values.T - 1))


def svm_scores(kernel: np.ndarray, rows: np.ndarray, keep: np.ndarray, reap_idle: np.ndarray):
    """Decision values of the rest."""
    from sklearn.svm import SVC

    machine = SVC(C=10, kernel="precomputed", class_weight="balanced")
    machine.fit(kernel[np.ix_(rows, rows)], keep)
    return machine.decision_function(kernel[np.ix_(reap_idle, rows)])


def heads(corpus: Corpus, official: bool, draws: int = 5, counts: tuple[int, ...] = COUNTS) -> None:
    """AUC, average precision and log loss of head and plain SVM, by taste and on average."""
    kernel = plain_svm(corpus)
    names = ("plain SVM", "head")
    tasks = {name: task for name, task in tastes(corpus).items() if (name in OFFICIAL) == official}
    found = np.zeros((len(tasks), len(counts), 2, 3))
    known = np.zeros(len(counts))
    for task, (keep, eligible) in enumerate(tasks.values()):
        for place, count in enumerate(counts):
            for seed in range(draws):
                rows, reap_idle = draw(keep, eligible, count, seed)
                truth, prior = keep[reap_idle], keep[rows].mean()
                known[place] -= prior * np.log(prior) + (1 - prior) * np.log(1 - prior)
                # log loss on a rest that has the labels' share of keeps, as in a real library
                weight = np.where(truth, prior / truth.mean(), (1 - prior) / (1 - truth.mean()))
                head = KernelRecipe().fit(corpus.examples(rows, keep[rows])).head
                score = head.score(corpus.embeddings[reap_idle], corpus.extras[reap_idle]).score
                loss = float(np.mean(weight * losses(score, truth)))
                plain = svm_scores(kernel, rows, keep[rows], reap_idle)
                for number, (values, surprise) in enumerate(((plain, np.nan), (score, loss))):
                    ranking = Ranking(values, truth)
                    measured = (ranking.auc(), ranking.average_precision(), surprise)
                    found[task, place, number] += np.array(measured) / draws
        print(
            list(tasks)[task], found[task, :, :, 0].round(3).tolist(), file=sys.stderr, flush=True
        )
    title = f"{'official' if official else 'own'} tastes, {draws} draws"
    mean = found.mean(axis=0)
    _table(f"AUC, {title}", counts, names, mean[:, :, 0].T)
    error = 1 - mean[:, :, 0].T
    _table(f"error (1 - AUC) against the SVM's, {title}", counts, ("head",), error[1:] / error[0])
    _table(f"average precision, {title}", counts, names, mean[:, :, 1].T)
    share = known[None] / draws / len(tasks)
    rows = np.concatenate([share, mean[:, 1:, 2].T])
    _table(f"log loss, {title}", counts, ("knowing only the share of keeps", "head"), rows)
    _table(f"AUC of the head, {title}", counts, list(tasks), found[:, :, 1, 0])
    _table(f"AUC of the plain SVM, {title}", counts, list(tasks), found[:, :, 0, 0])


def original(corpus: Corpus, draws: int = 1, counts: tuple[int, ...] = (300, 1000)) -> None:
    """AUC of the original recipe, official tastes; minutes a fit.

    On the average of the last layer alone, as in issue 4's figures, and on all that a head sees;
    standardised by the library, and ten times that: its rate is too small for the former.
    """
    for width, scale in itertools.product((1280, corpus.embeddings.shape[1]), (1, 10)):
        values = corpus.embeddings[:, :width].astype(np.float32)
        values = scale * (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3)
        scaled = replace(corpus, embeddings=values.astype(np.float16))
        found = np.zeros((len(OFFICIAL), len(counts)))
        for place, count in enumerate(counts):
            for task, name in enumerate(OFFICIAL):
                keep, eligible = tastes(scaled)[name]
                for seed in range(draws):
                    rows, reap_idle = draw(keep, eligible, count, seed)
                    examples = scaled.examples(rows, keep[rows])
                    # one fold that holds all labels: nothing is trained for the held-out answers
                    whole = np.zeros(len(rows), np.int64)
                    score = (
                        MlpRecipe().fit(examples, whole).head.score(scaled.embeddings[reap_idle])
                    )
                    found[task, place] += Ranking(score.score, keep[reap_idle]).auc() / draws
                auc = found[task, place].round(3)
                print(width, scale, name, count, auc, file=sys.stderr, flush=True)
        rows = np.vstack([found, found.mean(axis=0)])
        title = f"AUC of the original recipe on {width} numbers × {scale}, {draws} draws"
        _table(title, counts, (*OFFICIAL, "mean"), rows)


def _table(title: str, columns: tuple[object, ...], names, values: np.ndarray) -> None:
    """One Markdown table."""
    print(f"\n**{title}**\n\n| | " + " | ".join(str(one) for one in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in zip(names, values, strict=True):
        print(f"| {name} | " + " | ".join(f"{one:.3f}" for one in row) + " |", flush=True)


def imbalance(corpus: Corpus, draws: int = 1) -> None:
    """AUC of SVM and head with 1:5 and 5:1 labels, over all tastes."""
    kernel, counts = plain_svm(corpus), (12, 60, 300)
    for share in (1 / 6, 5 / 6):
        found = np.zeros((2, len(counts)))
        for keep, eligible in tastes(corpus).values():
            for place, count in enumerate(counts):
                for seed in range(draws):
                    rows, reap_idle = draw(keep, eligible, count, seed, share)
                    head = KernelRecipe().fit(corpus.examples(rows, keep[rows])).head
                    score = head.score(corpus.embeddings[reap_idle], corpus.extras[reap_idle]).score
                    plain = svm_scores(kernel, rows, keep[rows], reap_idle)
                    found[:, place] += [
                        Ranking(one, keep[reap_idle]).auc() for one in (plain, score)
                    ]
        found /= draws * len(tastes(corpus))
        _table(f"AUC, share of keeps {share:.2f}", counts, ("plain SVM", "head"), found)


def _flipped(examples: Examples, seed: int) -> tuple[Examples, np.ndarray]:
    """5 % of the labels wrong, and which."""
    count = len(examples)
    wrong = np.zeros(count, bool)
    wrong[np.random.default_rng(seed).permutation(count)[: max(1, count // 20)]] = True
    return replace(examples, keep=examples.keep ^ wrong), wrong


def wrong(corpus: Corpus, draws: int = 1) -> None:
    """AUC of SVM and head with 5 % wrong labels, over all tastes."""
    kernel, counts = plain_svm(corpus), (20, 100, 300, 1000)
    found = np.zeros((2, len(counts)))
    for keep, eligible in tastes(corpus).values():
        for place, count in enumerate(counts):
            for seed in range(draws):
                rows, reap_idle = draw(keep, eligible, count, seed)
                examples, _ = _flipped(corpus.examples(rows, keep[rows]), seed)
                head = KernelRecipe().fit(examples).head
                score = head.score(corpus.embeddings[reap_idle], corpus.extras[reap_idle]).score
                plain = svm_scores(kernel, rows, examples.keep, reap_idle)
                found[:, place] += [Ranking(one, keep[reap_idle]).auc() for one in (plain, score)]
    found /= draws * len(tastes(corpus))
    _table("AUC with 5 % wrong labels, all tastes", counts, ("plain SVM", "head"), found)


def find_suspects(corpus: Corpus, draws: int = 3) -> None:
    """Precision among the first k suspects, k labels being wrong, at 1,000 labels."""
    names, found = [], []
    for name, (keep, eligible) in tastes(corpus).items():
        precision = []
        for seed in range(draws):
            rows, _ = draw(keep, eligible, 1000, seed)
            examples, flipped = _flipped(corpus.examples(rows, keep[rows]), seed)
            features = corpus.features(extras=False)
            examples = replace(examples, groups=near_duplicates(examples.embeddings, features))
            first = suspects(examples, KernelRecipe().fit(examples), int(flipped.sum()))
            precision.append(np.sum([flipped[one.row] for one in first]) / flipped.sum())
        names.append(name)
        found.append([len(rows), np.mean(precision)])
    _table("precision among the first k suspects", ("labels", "precision"), names, np.array(found))


def choose_next(corpus: Corpus, rounds: int = 4, batch: int = 20, draws: int = 1) -> None:
    """AUC on the unlabelled after each batch of labels chosen by us and at random."""
    found = np.zeros((2, rounds + 1))
    features = corpus.features()
    for keep, eligible in tastes(corpus).values():
        for seed in range(draws):
            start, reap_idle = draw(keep, eligible, 20, seed)
            # judged on a half that neither way may label
            reap_idle = np.random.default_rng(seed).permutation(reap_idle)
            judged, pool = reap_idle[: len(reap_idle) // 2], reap_idle[len(reap_idle) // 2 :]
            for way in range(2):
                rows, left = start, pool
                for turn in range(rounds + 1):
                    head = KernelRecipe().fit(corpus.examples(rows, keep[rows])).head
                    score = head.score(corpus.embeddings[judged], corpus.extras[judged]).score
                    found[way, turn] += Ranking(score, keep[judged]).auc()
                    chosen = np.arange(batch)
                    if way == 0:
                        labelled = corpus.examples(rows, keep[rows])
                        more = corpus.extras[left]
                        chosen = next_labels(
                            head, features, labelled, corpus.embeddings[left], batch, more
                        )
                    rows, left = np.concatenate([rows, left[chosen]]), np.delete(left, chosen)
    found /= draws * len(tastes(corpus))
    columns = tuple(20 + batch * turn for turn in range(rounds + 1))
    _table("AUC by labels, chosen or random", columns, ("next_labels", "random"), found)


def speed() -> None:
    """Time and peak memory on made-up vectors of the shipped width; scoring against products."""
    width = lite0_spec.DIM
    generator = np.random.default_rng(0)

    def made_up(count: int) -> np.ndarray:
        return generator.random((count, width), np.float32).astype(np.float16)

    background = made_up(7500)
    for count in (20, 1000, 25_000):
        values = made_up(count)
        keep = values[:, :20].sum(axis=1) > 10
        start, busy = time.perf_counter(), time.process_time()
        examples = Examples(values, keep, background, lite0_spec.SECTIONS)
        features = library_features(examples)
        groups = near_duplicates(values, features)
        done = train(replace(examples, groups=groups, features=features))
        took, busy = time.perf_counter() - start, time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count} labels grouped, trained, calibrated, evaluated: "
            f"{took:.2f} s, {busy:.2f} s CPU, {peak:.0f} MB"
        )
        many = values if count == 25_000 else made_up(20_000)
        start = time.process_time()
        done.head.score(many)
        scoring = time.process_time() - start
        weights = np.ones(width, np.float32)
        start = time.process_time()
        for block in range(0, len(many), 1024):
            many[block : block + 1024].astype(np.float32) @ weights
        product = time.process_time() - start
        rate = len(many) / scoring
        print(f"  scores {rate:.0f} a CPU second, {product / scoring:.2f} of the product's rate")


def main() -> None:
    """See the module's docstring."""
    table = sys.argv[2]
    if table == "speed":
        speed()
        return
    chosen: dict[str, object] = {"draws": int(sys.argv[3])} if len(sys.argv) > 3 else {}
    if len(sys.argv) > 4:
        chosen["counts"] = tuple(map(int, sys.argv[4].split(",")))
    corpus = read(Path(sys.argv[1]))
    {
        "official": partial(heads, official=True),
        "own": partial(heads, official=False),
        "original": original,
        "imbalance": imbalance,
        "wrong": wrong,
        "suspects": find_suspects,
        "next": choose_next,
    }[table](corpus, **chosen)


if __name__ == "__main__":
    main()
