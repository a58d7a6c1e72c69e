"""Training heads and comparing them with the previous one."""

from dataclasses import replace
from types import MappingProxyType

import msgspec
import numpy as np
import pytest

from imgscore.errors import UsageError
from imgscore.heads.base import Scores
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.measures import Ranking
from imgscore.heads.training import _compare, train


class Backwards:
    """A head that ranks all images in the opposite order."""

    kind = "kernel"
    embedder = "made-up"
    dimensions = 40
    settings = MappingProxyType({})

    def score(self, embeddings, extras=None):
        score = 1 - embeddings[:, :3].mean(axis=1).astype(np.float32)
        return Scores(score, np.zeros_like(score))


def test_train_learns_a_linear_taste(made_up):
    head = train(made_up(200)).head
    test = made_up(300, seed=1)
    assert Ranking(head.score(test.embeddings).score, test.keep).auc() > 0.9


def test_train_twice_gives_the_same_scores(made_up):
    examples = made_up(60)
    first, second = (train(examples).head.score(examples.background) for _ in range(2))
    assert np.array_equal(first.score, second.score)


def test_train_too_few_labels_raises(made_up):
    with pytest.raises(UsageError, match="too few"):
        train(made_up(40).take(np.arange(3)))


def test_train_arrays_of_different_width_raises(made_up):
    examples = made_up(10)
    with pytest.raises(UsageError):
        train(replace(examples, background=examples.background[:, :7]))


def test_train_report_encodes_to_json(made_up):
    report = train(made_up(30)).report
    assert msgspec.json.decode(msgspec.json.encode(report))["labels"] == 30


def test_train_refuses_a_worse_head_and_accepts_a_better_one(made_up, monkeypatch):
    examples = made_up(120)
    good = train(examples).head
    assert train(examples, previous=Backwards()).accepted

    spoilt = replace(examples, grades=np.random.default_rng(0).permutation(examples.grades))
    # The previous head predicts the labels; one that is trained on shuffled labels does not.
    monkeypatch.setattr(
        KernelRecipe,
        "fit",
        lambda self, _, *rest, fit=KernelRecipe.fit, **more: fit(self, spoilt, *rest, **more),
    )
    refused = train(examples, previous=good, seen=np.zeros(120, bool))
    assert not refused.accepted
    assert "worse" in refused.report.reason


def test_train_with_grades_compares_heads_by_pairwise_accuracy(made_up):
    """Two heads tell keep from trash equally well, and only one of them orders the good ones."""
    examples = made_up(240, width=6)
    value = examples.embeddings[:, :3].astype(np.float32).sum(axis=1)
    grades = np.digitize(value, np.quantile(value, [0.2, 0.4, 0.6, 0.8])) / 4
    graded = replace(examples, grades=grades.astype(np.float32))
    sides = replace(examples, grades=(grades > 0.4).astype(np.float32))
    seen = np.arange(240) < 120
    report = train(graded, previous=train(sides.take(seen)).head, seen=seen).report
    assert report.quality.measure == report.comparison.measure == "pairwise accuracy"
    assert report.accepted and "pairwise accuracy" in report.reason
    assert report.comparison.gain.value > 0
    assert train(sides, previous=Backwards()).report.comparison.measure == "AUC"


@pytest.mark.parametrize("levels", [(0.7, 0.9), (0.5, 0.7, 0.9), (0.1, 0.3, 0.5)])
def test_train_grades_of_one_side_learns_their_order(made_up, levels):
    """A person who gives only three to five stars has no trash."""
    examples = made_up(120, width=6)
    value = examples.embeddings[:, :3].astype(np.float32).sum(axis=1)
    cuts = np.quantile(value, np.arange(1, len(levels)) / len(levels))
    grades = np.array(levels, np.float32)[np.digitize(value, cuts)]
    trained = train(replace(examples, grades=grades), previous=Backwards())
    assert trained.report.quality.auc is None and trained.accepted
    assert trained.report.quality.pairwise_accuracy.value > 0.85
    score = trained.head.score(examples.embeddings).score
    assert abs(score.mean() - grades.mean()) < 0.05


def test_train_compares_on_unseen_labels_only(made_up):
    examples = made_up(60)
    seen = np.arange(60) < 30
    previous = train(examples.take(seen)).head
    comparison = train(examples, previous=previous, seen=seen).report.comparison
    assert comparison is not None
    assert (comparison.basis, comparison.labels) == ("new labels", 30)
    # Each new label is a near-duplicate of a seen one: none is left for a comparison.
    twins = replace(examples, groups=np.arange(60) % 30)
    assert train(twins, previous=previous, seen=seen).report.comparison is None


def test_train_with_other_settings_compares_on_same_folds(made_up):
    examples = made_up(80)
    previous = KernelRecipe().fit(examples, None, {"reaches": [0.0]}).head
    report = train(examples, previous=previous, seen=np.ones(80, bool)).report
    assert report.comparison is not None
    assert report.comparison.basis == "same folds"


def test_train_after_an_older_version_compares_with_todays_settings(made_up):
    examples = made_up(80)
    older = {"gamma": 1.0, "reaches": [0.0, 8.0], "curves": [0.0, 1.0], "noises": [0.1, 1.0]}
    previous = replace(KernelRecipe().fit(examples).head, settings=older)
    trained = train(examples, previous=previous, seen=np.ones(80, bool))
    assert trained.report.accepted
    assert trained.report.settings == dict(KernelRecipe().fit(examples).head.settings)


@pytest.mark.parametrize("share", [1 / 6, 5 / 6])
def test_train_imbalanced_labels_give_their_share_as_mean_score(made_up, share):
    examples = made_up(240, share=share)
    score = train(examples).head.score(made_up(400, seed=1, share=share).embeddings).score
    assert abs(float(score.mean()) - share) < 0.12


def test_compare_ten_labels_refuses_a_head_at_chance(made_up):
    examples = replace(made_up(10), grades=np.repeat([1, 0], 5).astype(np.float32))
    good = np.arange(10, 0, -1, dtype=np.float32)
    chance = np.array([1, 3, 5, 7, 9, 2, 4, 6, 8, 0], np.float32)
    assert _compare("new labels", examples, chance, good)[1]
    assert not _compare("new labels", examples, good, good)[1]
    one_wrong = good.copy()
    one_wrong[[4, 5]] = good[[5, 4]]
    comparison, is_worse = _compare("new labels", examples, one_wrong, good)
    assert not is_worse
    assert comparison.gain.low < comparison.gain.value < 0 < comparison.gain.high


def test_train_ten_new_labels_are_compared(made_up):
    examples = made_up(40)
    seen = np.arange(40) < 30
    previous = train(examples.take(seen)).head
    comparison = train(examples, previous=previous, seen=seen).report.comparison
    assert comparison is not None and comparison.labels == 10
    # The new labels have only one side.
    one_side = seen | examples.keep
    assert train(examples, previous=previous, seen=one_side).report.comparison is None
