"""The kernel head."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.heads import files
from imgscore.heads.base import Examples
from imgscore.heads.evaluate import evaluate
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import library_features
from imgscore.heads.library_mean import MEAN_IMAGES
from imgscore.heads.measures import Ranking


@settings(max_examples=25)
@given(
    count=st.integers(4, 40),
    width=st.integers(1, 12),
    seed=st.integers(0, 99),
    spoil=st.sampled_from(
        ["nothing", "duplicates", "constant", "no background", "zeros", "extras"]
    ),
    levels=st.sampled_from([(0, 1), (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)]),
)
def test_fit_any_vectors_give_probabilities(count, width, seed, spoil, levels):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, width)).astype(np.float16)
    background = generator.normal(size=(50, width)).astype(np.float16)
    extras = background_extras = None
    if spoil == "duplicates":
        values[:] = values[0]
    elif spoil == "constant":
        values[:, 0] = background[:, 0] = 3
    elif spoil == "no background":
        background = background[:0]
    elif spoil == "zeros":
        values[:], background[:] = 0, 0
    elif spoil == "extras":
        extras = generator.normal(size=(count, 3)).astype(np.float32)
        extras[0], background_extras = np.nan, np.full((50, 3), np.nan, np.float32)
    grades = generator.choice(np.array(levels, np.float32), count)
    grades[:4] = [1, 1, 0, 0]
    examples = Examples(
        values, grades, background, extras=extras, background_extras=background_extras
    )
    fitted = KernelRecipe().fit(examples)
    for scores in (fitted.held_out, fitted.head.score(values, extras)):
        assert np.isfinite(scores.score).all()
        assert ((scores.score >= 0) & (scores.score <= 1)).all()
        assert (scores.deviation >= 0).all()


def test_fit_grades_orders_images_better_than_keep_and_trash_alone(made_up):
    examples, test = made_up(60, width=6), made_up(400, width=6, seed=1)

    def latent(examples):
        return examples.embeddings[:, :3].astype(np.float32).sum(axis=1)

    def correlation(grades):
        head = KernelRecipe().fit(replace(examples, grades=grades)).head
        return np.corrcoef(head.score(test.embeddings).score, latent(test))[0, 1]

    value = latent(examples)
    grades = np.digitize(value, np.quantile(value, [0.2, 0.4, 0.6, 0.8])) / 4
    sides = (value > np.median(value)).astype(np.float32)
    assert correlation(grades.astype(np.float32)) > correlation(sides) + 0.02


def test_fit_grades_scores_are_expected_grades(made_up):
    """Half of the labels are 0.9 and the others 0.5, at random: the expected grade is 0.7."""
    examples = made_up(400)
    random = np.random.default_rng(0).random(400) < 0.5
    grades = np.where(random, np.float32(0.9), np.float32(0.5))
    score = KernelRecipe().fit(replace(examples, grades=grades)).held_out.score
    assert np.abs(score - 0.7).mean() < 0.06
    assert abs(score.mean() - 0.7) < 0.02


@pytest.mark.parametrize("limit", [100, 1500])
def test_fit_undecided_labels_lie_between_keep_and_trash(made_up, monkeypatch, limit):
    monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", limit)
    examples = made_up(300, width=6)
    value = examples.embeddings[:, :3].astype(np.float32).sum(axis=1)
    grades = np.digitize(value, np.quantile(value, [1 / 3, 2 / 3])).astype(np.float32) / 2
    score = KernelRecipe().fit(replace(examples, grades=grades)).held_out.score
    low, middle, high = (score[grades == grade].mean() for grade in (0, 0.5, 1))
    assert low < 0.35 < middle < 0.65 < high


def test_fit_many_labels_uses_landmarks(made_up, monkeypatch):
    monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", 100)
    fitted = KernelRecipe().fit(made_up(400))
    test = made_up(300, seed=1)
    assert len(fitted.head.nodes) == 100
    assert Ranking(fitted.head.score(test.embeddings).score, test.keep).auc() > 0.9


def test_fit_held_out_scores_equal_training_without_the_fold(made_up):
    examples = made_up(40)
    folds = np.arange(40) % 4
    fixed = {"noise": 0.1, "reaches": [1.0]}
    all_labels = KernelRecipe().fit(examples, folds, fixed)
    # The closed form ranks a fold like a head that is trained without it.
    without_fold = KernelRecipe().fit(examples.take(folds != 0), None, fixed).head
    held = folds == 0
    # Compare log-odds: the scores are close to 0 or 1, where the slopes of the two heads matter.
    held_out = all_labels.held_out.score[held].astype(np.float64)
    odds = without_fold.odds(examples.embeddings[held])[:, 0]
    assert np.corrcoef(np.log(held_out / (1 - held_out)), odds)[0, 1] > 0.95


def test_fit_with_features_uses_them(made_up):
    examples = made_up(40)
    features = library_features(examples)
    head = KernelRecipe().fit(replace(examples, features=features)).head
    assert head.features is features
    alone = KernelRecipe().fit(examples).head
    assert np.array_equal(alone.score(examples.background), head.score(examples.background))


@pytest.mark.parametrize("kinds", [1, 2])
def test_fit_labels_of_one_or_two_bursts_gives_held_out_scores_of_a_half(made_up, kinds):
    """All labels are in one fold, or all labels of one kind. Then no fold can be tested."""
    examples = made_up(8)
    examples = replace(examples, groups=examples.keep.astype(np.int64) * (kinds - 1))
    fitted = KernelRecipe().fit(examples)
    assert (fitted.held_out.score == 0.5).all()
    score = fitted.head.score(examples.embeddings).score
    assert score[examples.keep].min() > 0.55 and score[~examples.keep].max() < 0.45
    measured = evaluate(examples, kind="kernel", fitted=fitted).quality
    for figure in (measured.auc, measured.accuracy, measured.average_precision, measured.log_loss):
        assert np.isfinite([figure.value, figure.low, figure.high]).all()


def test_fit_learns_that_the_mean_of_the_library_is_trash(made_up):
    examples = made_up(12)
    small = replace(examples, background=examples.background[: MEAN_IMAGES - 1])

    def place_of_library(head) -> float:
        """0: as the trash labels, 1: as the keep labels."""
        sets = (examples.background, *(examples.embeddings[examples.keep == k] for k in (0, 1)))
        library, trash, keep = (float(head.odds(values)[:, 0].mean()) for values in sets)
        return (library - trash) / (keep - trash)

    head, without = KernelRecipe().fit(examples).head, KernelRecipe().fit(small).head
    assert len(head.near) == len(examples) + MEAN_IMAGES
    assert place_of_library(head) < place_of_library(without) - 0.05


def test_fit_a_small_library_has_no_mean(made_up):
    examples = made_up(20)
    small = replace(examples, background=examples.background[: MEAN_IMAGES - 1])
    assert len(KernelRecipe().fit(small).head.near) == len(small)


def test_head_with_wrong_labels_is_saved_and_read_with_their_share(made_up, tmp_path):
    examples = made_up(40)
    head = replace(KernelRecipe().fit(examples).head, whims=0.1)
    files.save(head, tmp_path / "head.safetensors")
    loaded = files.load(tmp_path / "head.safetensors")
    scores = head.score(examples.embeddings).score
    assert np.array_equal(loaded.score(examples.embeddings).score, scores)
    certain = replace(head, whims=0.0).score(examples.embeddings).score
    np.testing.assert_allclose(scores, 0.1 + 0.8 * certain, rtol=1e-5)


def test_restore_head_of_an_older_version_has_no_wrong_labels(made_up):
    head = replace(KernelRecipe().fit(made_up(40)).head, whims=0.0)
    arrays, values = head.state()
    del values["whims"]
    assert KernelRecipe().restore(arrays, values).whims == 0
    with pytest.raises(ValueError, match="whims is out of bounds"):
        KernelRecipe().restore(arrays, {**values, "whims": 0.5})
