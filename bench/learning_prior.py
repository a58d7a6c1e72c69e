"""A prior for a new taste from the heads of a person's other tastes: prints tables of LEARNING.md.

`python bench/learning_prior.py CACHE.npz TABLE [DRAWS]`. TABLE is same or apart (simulated tastes
of one library, or of two kinds of images), or tastes (those of learning_corpus.py). The log-odds of
the new taste's head get the weight n / (n + n0) for n labels, and the mean log-odds of the other
heads the weight n0 / (n + n0). n0 and the gate are chosen on some simulated persons, and judged on
others. The prior was not adopted.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from learning import print_table
from learning_corpus import Corpus, draw, read, tastes
from learning_grades import NOISE, TESTED, fits_of, value_of

from imgscore.heads.base import Fitted, Head
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.measures import Ranking

COUNTS = (6, 10, 20, 50, 100)
"""numbers of labels of the new taste"""
STRENGTHS = (5, 10, 20)
"""values of n0"""
SHARES = (0.0, 0.3, 0.6, 0.9)
"""the share of the variance that all tastes of a person have in common"""
PERSONS = {"chosen on": range(4), "judged on": range(4, 12)}
OTHERS, OTHER_LABELS = 2, 300
"""the number of other tastes, and the labels of each"""
GATES = ("always", "lower held-out loss", "AUC of the prior, z 1", "AUC of the prior, z 1.64")
"""when the prior is used: if the held-out log loss on the labels is lower with it, and also if the
AUC of the prior on the labels is more than z standard errors above .5"""
FAR = ("screenshots", "computer", "shapes", "signs_and_symbols")
"""categories of the other tastes, if they have an inbox of their own"""


def odds_of(score: np.ndarray) -> np.ndarray:
    score = np.clip(score.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(score / (1 - score))


def prior_of(corpus: Corpus, heads: list[Head], rows: np.ndarray) -> np.ndarray:
    """The mean log-odds of heads for some images of the corpus."""
    each = [
        odds_of(head.score(corpus.embeddings[rows], corpus.extras[rows]).score) for head in heads
    ]
    return np.asarray(np.mean(each, axis=0))


def sides_of(corpus: Corpus, person: int, share: float) -> list[np.ndarray]:
    """The sides (bool [n]) of a person's new taste, and of the other tastes."""
    common = value_of(corpus, 100 + person)
    sides = []
    for taste in range(1 + OTHERS):
        own = value_of(corpus, 1000 + 10 * person + taste)
        value = np.sqrt(share) * common + np.sqrt(1 - share) * own
        judged = value + np.random.default_rng(taste).normal(0, NOISE, len(value))
        sides.append(judged > np.median(judged))
    return sides


def loss_of(odds: np.ndarray, keep: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(keep, -odds, odds)).mean())


def gates_of(own: np.ndarray, mixed: np.ndarray, prior: np.ndarray, keep: np.ndarray):
    """Whether each gate uses the prior. All odds are those of labels that the heads did not see."""
    lower = loss_of(mixed, keep) < loss_of(own, keep)
    keeps, trashes = int(keep.sum()), int((~keep).sum())
    error = np.sqrt((keeps + trashes + 1) / (12 * keeps * trashes))
    excess = (Ranking(prior, keep).auc() - 0.5) / error
    return np.array([True, lower, lower and excess > 1, lower and excess > 1.64])


def compare(corpus: Corpus, draws: int, apart: bool) -> None:
    """Print the gain in AUC of each n0 and gate.

    `apart`: whether the other tastes have images of other categories than the new taste.
    """
    features = corpus.features()
    cases = [(person, share) for part in PERSONS.values() for person in part for share in SHARES]
    sides = {case: sides_of(corpus, *case) for case in cases}
    gains = np.zeros((len(GATES), len(STRENGTHS), len(cases), len(COUNTS)))
    plain, fits_made = (np.zeros((len(cases), len(COUNTS))) for _ in range(2))
    far = np.isin(corpus.category, FAR)
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(far))
        near = order[~far[order]] if apart else order
        other_rows = order[far[order]][:OTHER_LABELS] if apart else order[-OTHER_LABELS:]
        tested = min(TESTED, len(near) // 2)
        test, near = near[:tested], near[tested:]
        vectors, extras = corpus.embeddings[test], corpus.extras[test]
        examples = replace(corpus.examples(other_rows, np.zeros(OTHER_LABELS)), features=features)
        gradings = [side[other_rows] for case in cases for side in sides[case][1:]]
        heads = [fitted.head for fitted in fits_of(examples, gradings)]
        others = [heads[number : number + OTHERS] for number in range(0, len(heads), OTHERS)]
        on_test = [prior_of(corpus, each, test) for each in others]
        for column, count in enumerate(COUNTS):
            rows = near[:count]
            examples = replace(corpus.examples(rows, np.zeros(count)), features=features)
            gradings = [sides[case][0][rows] for case in cases]
            able = [min(keep.sum(), count - keep.sum()) >= 2 for keep in gradings]
            fits = iter(fits_of(examples, list(itertools.compress(gradings, able))))
            for number, case in enumerate(cases):
                if not able[number]:
                    continue
                fitted: Fitted = next(fits)
                keep, truth = gradings[number], sides[case][0][test]
                own = odds_of(fitted.head.score(vectors, extras).score)
                held_out = odds_of(fitted.held_out.score)
                prior = prior_of(corpus, others[number], rows)
                alone = Ranking(own, truth).auc()
                plain[number, column] += alone
                fits_made[number, column] += 1
                for index, strength in enumerate(STRENGTHS):
                    weight = strength / (count + strength)
                    mixed = (1 - weight) * own + weight * on_test[number]
                    gain = Ranking(mixed, truth).auc() - alone
                    mixed_held_out = (1 - weight) * held_out + weight * prior
                    used = gates_of(held_out, mixed_held_out, prior, keep)
                    gains[:, index, number, column] += gain * used
            print(seed, count, file=sys.stderr, flush=True)
    persons = np.array([person for person, _ in cases])
    shares = np.array([share for _, share in cases])
    place = "other categories" if apart else "the same library"
    for part, chosen in PERSONS.items():
        for share in SHARES:
            these = np.isin(persons, chosen) & (shares == share)
            sums = [plain[these], *gains[:, :, these].reshape(-1, these.sum(), len(COUNTS))]
            table = np.array(sums).sum(axis=1) / fits_made[these].sum(axis=0)
            names = [f"gain, {gate}, n0 = {n0}" for gate in GATES for n0 in STRENGTHS]
            title = f"{place}: {part} {len(chosen)} persons, common share {share}, {draws} draws"
            print_table(title, COUNTS, ["AUC of the head alone", *names], table)


def compare_tastes(corpus: Corpus, draws: int) -> None:
    """Print the gain for each taste of the corpus, where all other tastes are those of one person.

    Each draw has OTHERS random other tastes. Their heads have OTHER_LABELS labels.
    """
    strength, counts = 10, (10, 20)
    all_tastes = tastes(corpus)
    features = corpus.features()
    results = np.zeros((1 + len(GATES), len(all_tastes), len(counts)))

    def fit(rows: np.ndarray, keep: np.ndarray) -> Fitted:
        return KernelRecipe().fit(replace(corpus.examples(rows, keep[rows]), features=features))

    for seed in range(draws):
        heads = {
            name: fit(draw(keep, eligible, OTHER_LABELS, 100 + seed)[0], keep).head
            for name, (keep, eligible) in all_tastes.items()
        }
        for number, (name, (keep, eligible)) in enumerate(all_tastes.items()):
            names = [other for other in heads if other != name]
            chosen = np.random.default_rng(1000 * seed + number).permutation(names)[:OTHERS]
            others = [heads[other] for other in chosen]
            for column, count in enumerate(counts):
                rows, rest = draw(keep, eligible, count, seed)
                rest = np.random.default_rng(seed).permutation(rest)[:TESTED]
                fitted, weight = fit(rows, keep), strength / (count + strength)
                own = odds_of(fitted.head.score(corpus.embeddings[rest], corpus.extras[rest]).score)
                held_out, prior = odds_of(fitted.held_out.score), prior_of(corpus, others, rows)
                alone = Ranking(own, keep[rest]).auc()
                mixed = (1 - weight) * own + weight * prior_of(corpus, others, rest)
                gain = Ranking(mixed, keep[rest]).auc() - alone
                mixed_held_out = (1 - weight) * held_out + weight * prior
                used = gates_of(held_out, mixed_held_out, prior, keep[rows])
                results[:, number, column] += np.array([alone, *gain * used]) / draws
            print(seed, name, file=sys.stderr, flush=True)
    title = f"tastes of the corpus, n0 = {strength}, {draws} draws"
    names = ["AUC of the head alone", *(f"gain, {gate}" for gate in GATES)]
    print_table(f"mean of the {title}", counts, names, results.mean(axis=1))
    names = [f"{name}: gain, {GATES[-1]}" for name in all_tastes]
    print_table(title, counts, names, results[-1])


if __name__ == "__main__":
    read_corpus = read(Path(sys.argv[1]))
    number_of_draws = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    if sys.argv[2] == "tastes":
        compare_tastes(read_corpus, number_of_draws)
    else:
        compare(read_corpus, number_of_draws, sys.argv[2] == "apart")
