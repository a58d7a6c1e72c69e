"""The kernel head learns from comparisons, alone and together with labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
import pytest

from imgscore.errors import UsageError
from imgscore.heads import files
from imgscore.heads.base import MIN_COMPARISONS, Examples, Fitted, Scores
from imgscore.heads.evaluate import evaluate
from imgscore.heads.groups import FOLDS, split, split_answers
from imgscore.heads.kernel import KernelHead, KernelRecipe
from imgscore.heads.library import library_features
from imgscore.heads.measures import Ranking
from imgscore.heads.mlp import MlpRecipe
from imgscore.heads.results import PairQuality, pairs_of
from imgscore.heads.training import train
from tests.unit.heads.conftest import MakeUp

Compare = Callable[..., Examples]


def value_of(embeddings: np.ndarray) -> np.ndarray:
    """The value of each made-up image, which depends on the columns of its label."""
    return embeddings[:, :3].astype(float).sum(axis=1)


@pytest.fixture
def compared(made_up: MakeUp) -> Compare:
    """compared(labels, pairs, noise): Examples with noisy comparisons of other images."""

    def make(labels: int, pairs: int, noise: float = 0.0, same: int = 0) -> Examples:
        examples, generator = made_up(max(labels, 4)), np.random.default_rng(2)
        others = generator.random((2 * pairs, 40)).astype(np.float16)
        rows = labels + np.arange(2 * pairs).reshape(-1, 2)
        seen = value_of(others) + noise * generator.normal(size=2 * pairs)
        better = seen[::2] >= seen[1::2]
        rows = np.where(better[:, None], rows, rows[:, ::-1])
        equal = np.arange(pairs) < same
        return replace(
            examples,
            embeddings=examples.embeddings[:labels],
            grades=examples.grades[:labels],
            comparisons=np.column_stack([rows, equal]),
            compared=others,
        )

    return make


def auc(head: KernelHead, made_up: MakeUp) -> float:
    test = made_up(400, seed=1)
    return Ranking(head.score(test.embeddings).score, test.keep).auc()


def same_heads(one: Fitted, other: Fitted) -> bool:
    arrays = [fitted.head.state()[0] for fitted in (one, other)]
    return arrays[0].keys() == arrays[1].keys() and all(
        np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0]
    )


def test_fit_comparisons_alone_orders_images(compared: Compare, made_up: MakeUp) -> None:
    fitted = KernelRecipe().fit(compared(0, 150))
    assert auc(fitted.head, made_up) > 0.85
    assert len(fitted.held_out.score) == 0 and len(fitted.folds) == 300
    assert np.mean(fitted.comparison_odds > 0) > 0.7


def test_fit_comparisons_alone_gives_the_middle_image_one_half(compared: Compare) -> None:
    examples = compared(0, 100)
    scores = KernelRecipe().fit(examples).head.score(examples.background)
    assert np.median(scores.score) == pytest.approx(0.5, abs=0.01)
    assert scores.score.min() < 0.35 and scores.score.max() > 0.65
    assert (scores.deviation > 0).all()


def test_fit_noisy_comparisons_gives_scores_nearer_to_one_half(compared: Compare) -> None:
    def spread(noise: float) -> float:
        examples = compared(0, 150, noise)
        return float(KernelRecipe().fit(examples).head.score(examples.background).score.std())

    assert spread(0.0) > 1.5 * spread(2.0)


def test_fit_mixture_is_better_than_the_labels_alone(compared: Compare, made_up: MakeUp) -> None:
    mixture = compared(12, 150)
    labels = replace(mixture, compared=None, comparisons=np.empty((0, 3), np.int64))
    alone, both = (
        auc(KernelRecipe().fit(examples).head, made_up) for examples in (labels, mixture)
    )
    assert both > alone + 0.03


def test_fit_mixture_is_calibrated_by_its_labels(compared: Compare) -> None:
    examples = compared(100, 50)
    assert examples.is_calibrated and not compared(0, 50).is_calibrated
    fitted = KernelRecipe().fit(examples)
    assert len(fitted.held_out.score) == 100 and len(fitted.comparison_odds) == 50
    assert fitted.held_out.score.mean() == pytest.approx(examples.grades.mean(), abs=0.1)


def test_fit_without_comparisons_ignores_compared_images(made_up: MakeUp) -> None:
    """Labels alone give the same bytes, whether the fields of comparisons are set or not."""
    examples = made_up(60)
    empty = replace(examples, compared=examples.embeddings[:0], compared_groups=np.arange(0))
    assert same_heads(KernelRecipe().fit(examples), KernelRecipe().fit(empty))


def test_fit_labels_of_one_kind_helps_comparisons(compared: Compare, made_up: MakeUp) -> None:
    examples = compared(40, 40)
    keeps = examples.take(examples.keep)
    assert not keeps.is_calibrated
    head = KernelRecipe().fit(keeps).head
    alone = KernelRecipe().fit(examples.take(np.zeros(40, bool))).head
    assert np.isfinite(head.score(examples.background).score).all()
    assert auc(head, made_up) > auc(alone, made_up) - 0.02


def test_fit_same_alone_gives_every_image_one_half(compared: Compare) -> None:
    examples = compared(0, 20, same=20)
    scores = KernelRecipe().fit(examples).head.score(examples.background)
    assert scores.score == pytest.approx(np.full(200, 0.5), abs=1e-3)


def test_fit_reversed_answers_reverses_the_order(compared: Compare) -> None:
    examples = compared(0, 60)
    turned = replace(examples, comparisons=examples.comparisons[:, [1, 0, 2]])
    scores = [
        KernelRecipe().fit(each).head.score(examples.background) for each in (examples, turned)
    ]
    assert scores[0].score == pytest.approx(1 - scores[1].score, abs=2e-3)


def test_fit_many_comparisons_uses_landmarks(
    compared: Compare, made_up: MakeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = KernelRecipe().fit(compared(30, 150), None, {"reaches": [0.0]})
    monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", 120)
    for labels in (0, 30):
        fitted = KernelRecipe().fit(compared(labels, 150))
        assert len(fitted.head.near) == 120
        assert auc(fitted.head, made_up) > 0.8
    test = made_up(300, seed=1).embeddings
    both = [each.head.score(test).score for each in (exact, fitted)]
    assert np.corrcoef(*both)[0, 1] > 0.95


@pytest.mark.parametrize("landmarks", [False, True])
def test_fit_held_out_odds_are_like_those_of_a_head_without_the_fold(
    compared: Compare, monkeypatch: pytest.MonkeyPatch, landmarks: bool
) -> None:
    if landmarks:
        monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", 100)
    examples = compared(20, 60, 0.3)
    settings = {"reaches": [0.0]}
    fitted = KernelRecipe().fit(examples, None, settings)
    first, second = fitted.folds[examples.comparisons[:, :2]].T
    held = first == 0
    assert held.any() and (first == second).all()
    touching = held | (second == 0)
    without = replace(
        examples.take(fitted.folds[:20] != 0),
        comparisons=examples.take(fitted.folds[:20] != 0).comparisons[~touching],
    )
    head = KernelRecipe().fit(without, None, settings).head
    odds = head.odds(examples.all_embeddings)[:, 0]
    again = odds[examples.comparisons[held, 0]] - odds[examples.comparisons[held, 1]]
    correlation = np.corrcoef(again, fitted.comparison_odds[held])[0, 1]
    # The two heads have other landmarks.
    assert correlation > (0.85 if landmarks else 0.95)


def test_fit_fewer_comparisons_than_needed_is_refused(compared: Compare) -> None:
    with pytest.raises(UsageError, match="too few labels") as caught:
        KernelRecipe().fit(compared(0, MIN_COMPARISONS - 1))
    assert f"compare at least {MIN_COMPARISONS} pairs" in str(caught.value.remedy)
    KernelRecipe().fit(compared(0, MIN_COMPARISONS))


def test_mlp_needs_labels_and_leaves_comparisons_out(compared: Compare) -> None:
    with pytest.raises(UsageError):
        MlpRecipe().fit(compared(0, 50))
    pytest.importorskip("torch")
    fitted = MlpRecipe().fit(compared(12, 10))
    assert len(fitted.folds) == 32 and len(fitted.comparison_odds) == 0


def test_save_then_load_head_of_comparisons_scores_alike(compared: Compare, tmp_path: Path) -> None:
    examples = compared(0, 30)
    head = KernelRecipe().fit(examples).head
    files.save(head, tmp_path / "head")
    loaded = files.load(tmp_path / "head")
    assert np.array_equal(
        loaded.score(examples.background).score, head.score(examples.background).score
    )


def test_take_leaves_out_comparisons_with_other_labelled_images(compared: Compare) -> None:
    examples = replace(
        compared(6, 2), comparisons=np.array([(0, 1, 0), (1, 8, 1), (5, 0, 0), (7, 9, 0)])
    )
    features = library_features(examples)
    examples = replace(examples, projected=features.projected(examples.all_embeddings))
    taken = examples.take(np.array([5, 0]))
    assert np.array_equal(taken.projected, features.projected(taken.all_embeddings))
    assert taken.comparisons.tolist() == [[0, 1, 0], [3, 5, 0]]
    assert np.array_equal(taken.all_embeddings[3], examples.all_embeddings[7])
    assert len(taken.all_groups) == 6


def test_split_answers_keeps_pairs_and_groups_in_one_fold(compared: Compare) -> None:
    examples = compared(40, 60)
    groups = np.arange(160)
    groups[40:44] = 0
    folds = split_answers(examples.upper, examples.comparisons, groups)
    assert folds.max() + 1 == FOLDS and len(set(folds[groups == 0])) == 1
    first, second = folds[examples.comparisons[:, :2]].T
    assert (first == second).all()
    assert np.bincount(folds).max() <= 2 * np.bincount(folds).min()


def test_split_answers_of_a_chain_cuts_it(compared: Compare) -> None:
    """Each image is compared with the next one: one group would be one fold."""
    chain = np.column_stack([np.arange(99), np.arange(1, 100), np.zeros(99, int)])
    folds = split_answers(np.empty(0, bool), chain, np.arange(100))
    assert np.bincount(folds).tolist() == [10] * 10


def test_split_answers_without_comparisons_is_split(compared: Compare) -> None:
    upper = compared(40, 1).upper
    none = np.empty((0, 3), np.int64)
    assert np.array_equal(split_answers(upper, none, np.arange(40)), split(upper))


class Random:
    """A head whose scores say nothing about the images."""

    kind = "kernel"
    embedder = "made-up"
    dimensions = 40
    settings = MappingProxyType({})

    def score(self, embeddings, extras=None):
        score = np.random.default_rng(0).random(len(embeddings)).astype(np.float32)
        return Scores(score, np.zeros_like(score))


class Knowing(Random):
    """A head that knows the value of each image."""

    def score(self, embeddings, extras=None):
        score = (value_of(embeddings) / 3).astype(np.float32)
        return Scores(score, np.zeros_like(score))


def test_train_on_comparisons_replaces_a_worse_head_and_keeps_a_better_one(
    compared: Compare,
) -> None:
    examples = compared(0, 80, 0.4)
    better = train(examples, previous=Random())
    assert better.accepted and better.report.comparison is not None
    assert better.report.comparison.basis == "new comparisons"
    assert better.report.comparison.labels == 80
    worse = train(compared(0, 80, 0.0), previous=Knowing())
    assert not worse.accepted and "held-out comparisons" in worse.report.reason


def test_train_on_comparisons_compares_heads_only_on_new_ones(compared: Compare) -> None:
    examples = compared(0, 60)
    seen = np.arange(60) < 50
    assert train(examples, previous=Random(), seen_comparisons=seen).report.comparison is None
    seen = np.arange(60) < 30
    report = train(examples, previous=Random(), seen_comparisons=seen).report
    assert report.comparison is not None and report.comparison.labels == 30


def test_train_reports_held_out_accuracy_near_that_on_new_pairs(compared: Compare) -> None:
    examples = compared(0, 120, 0.3)
    trained = train(examples)
    generator = np.random.default_rng(9)
    new = generator.random((4000, 40)).astype(np.float16)
    seen = value_of(new) + 0.3 * generator.normal(size=4000)
    score = trained.head.score(new).score
    right = np.mean((seen[::2] > seen[1::2]) == (score[::2] > score[1::2]))
    pairs = trained.report.pairs
    assert isinstance(pairs, PairQuality) and pairs.accuracy is not None
    assert pairs.accuracy.low <= right <= pairs.accuracy.high
    assert pairs.comparisons == 120 and pairs.log_loss.value < np.log(2)
    assert not trained.report.calibrated
    encoded = msgspec.to_builtins(trained.report)
    assert "quality" not in encoded and pairs_of(encoded) == pairs


def test_train_random_answers_are_not_predicted(compared: Compare) -> None:
    examples = compared(0, 150)
    turned = np.random.default_rng(3).random(150) < 0.5
    rows = examples.comparisons.copy()
    rows[turned] = rows[turned][:, [1, 0, 2]]
    report = train(replace(examples, comparisons=rows)).report
    assert isinstance(report.pairs, PairQuality) and report.pairs.accuracy is not None
    assert report.pairs.accuracy.low < 0.5 < report.pairs.accuracy.high


def test_train_near_duplicates_in_two_pairs_are_held_out_together(compared: Compare) -> None:
    """Each image has a copy in another pair; the answers are random, and equal for copies."""
    examples = compared(0, 60)
    assert examples.compared is not None
    images = np.concatenate([examples.compared, examples.compared])
    turned = np.random.default_rng(3).random(60) < 0.5
    rows = examples.comparisons.copy()
    rows[turned] = rows[turned][:, [1, 0, 2]]
    rows = np.concatenate([rows, rows + np.array([120, 120, 0])])
    doubled = replace(examples, compared=images, comparisons=rows)

    def accuracy(groups: np.ndarray) -> float:
        report = train(replace(doubled, compared_groups=groups, groups=np.empty(0, int))).report
        assert isinstance(report.pairs, PairQuality) and report.pairs.accuracy is not None
        return report.pairs.accuracy.value

    assert accuracy(np.tile(np.arange(120), 2)) < 0.68
    assert accuracy(np.arange(240)) > 0.9, "copies in other folds reveal the answers"


def test_evaluate_comparisons_alone_measures_no_labels(compared: Compare) -> None:
    measured = evaluate(compared(0, 40))
    assert measured.quality is None and measured.curve == [] and measured.doubled is None
    assert measured.pairs is not None and measured.pairs.comparisons == 40


def test_evaluate_mixture_measures_both(compared: Compare) -> None:
    measured = evaluate(compared(40, 30, same=3))
    assert measured.quality is not None and measured.quality.labels == 40
    assert measured.pairs is not None
    assert (measured.pairs.comparisons, measured.pairs.same) == (30, 3)
    assert [point.labels for point in measured.curve] == [10, 20, 40]
