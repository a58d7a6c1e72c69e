"""The trait kernel, and what the head learns by it."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.heads import files
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.measures import Ranking
from imgscore.heads.trait_curves import (
    BETWEEN_KNOTS,
    TraitCurves,
    TraitScale,
    curves_of,
    curves_of_rows,
    knot_weights,
    trait_kernel,
    trait_rows,
)

LIMITS = pytest.mark.parametrize("limit", [1500, 100], ids=["few labels", "many labels"])


SCALE = TraitScale.of(np.random.default_rng(5).normal(size=(1000, 3)).astype(np.float32))


def traits(count: int, seed: int = 0) -> np.ndarray:
    """Random values of three traits."""
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def ranks(count: int, seed: int = 0) -> np.ndarray:
    return SCALE(traits(count, seed), count)


def test_scale_ranks_of_the_library_are_uniform():
    library = np.random.default_rng(0).lognormal(sigma=3, size=(500, 1)).astype(np.float32)
    scaled = TraitScale.of(library)(library, 500)[:, 0]
    assert np.array_equal(np.argsort(scaled), np.argsort(library[:, 0]))
    assert np.quantile(scaled, [0.1, 0.5, 0.9]) == pytest.approx(
        3**0.5 * np.array([-0.8, 0, 0.8]), abs=0.03
    )


def test_scale_equal_values_have_their_mean_rank():
    library = np.array([[0]] * 30 + [[1]] * 10, np.float32)
    scaled = TraitScale.of(library)(np.array([[0], [1], [7]], np.float32), 3)[:, 0]
    assert scaled == pytest.approx(3**0.5 * np.array([-0.25, 0.75, 0.75]))


def test_scale_unknown_values_have_the_middle_rank():
    library = np.full((5, 2), np.nan, np.float32)
    library[:, 0] = [1, 2, np.nan, 3, 4]
    scale = TraitScale.of(library)
    extras = np.array([[np.nan, 2], [-np.inf, np.nan]], np.float32)
    assert not scale(extras, 2).any()
    assert not scale(None, 2).any()


def test_trait_kernel_equals_the_mean_of_one_kernel_for_each_trait():
    first, second = ranks(40), ranks(30, seed=1)
    exact = np.exp(-0.5 * (first[:, None, :] - second[None]) ** 2).mean(axis=2)
    assert np.abs(trait_kernel(knot_weights(first), knot_weights(second)) - exact).max() < 0.02


def test_curves_equal_the_sum_of_kernels():
    knots, others = knot_weights(ranks(40)), knot_weights(ranks(30, seed=1))
    weights = np.random.default_rng(2).normal(size=(3, 40, 5))
    curves = TraitCurves(SCALE, curves_of(knots, weights))
    expected = (others @ BETWEEN_KNOTS @ knots.transpose(0, 2, 1) @ weights).sum(axis=0)
    assert curves(traits(30, seed=1), 30) == pytest.approx(expected, abs=1e-4)


def test_curves_beyond_the_library_have_the_values_at_their_ends():
    values = np.random.default_rng(3).normal(size=(3, len(BETWEEN_KNOTS), 1)).astype(np.float32)
    ends = np.array([[-1e6] * 3, [1e6] * 3], np.float32)
    found = TraitCurves(SCALE, values)(ends, 2)[:, 0]
    assert found == pytest.approx([values[:, 0].sum(), values[:, -1].sum()], rel=0.05, abs=0.05)


def test_trait_rows_products_are_about_the_kernel():
    rows, knots = trait_rows(ranks(40)), knot_weights(ranks(40))
    assert rows @ rows.T == pytest.approx(trait_kernel(knots, knots), abs=0.01)


def test_curves_of_rows_equal_the_products_with_coefficients():
    rows = trait_rows(ranks(40))
    coefficients = np.random.default_rng(1).normal(size=(rows.shape[1], 2))
    curves = TraitCurves(SCALE, curves_of_rows(coefficients, 3))
    assert curves(traits(40), 40) == pytest.approx(rows @ coefficients, abs=1e-4)


@pytest.fixture
def with_traits(made_up):
    """with_traits(count, seed): Examples with 12 traits, of which the fourth decides the label."""

    def make(count: int, seed: int = 0):
        examples = made_up(count, seed=seed)
        extras = np.random.default_rng(seed + 10).normal(size=(count, 12)).astype(np.float32)
        background = np.random.default_rng(99).normal(size=(200, 12)).astype(np.float32)
        keep = np.abs(extras[:, 3]) > 0.7
        keep[:4] = [True, True, False, False]
        return replace(
            examples,
            grades=keep.astype(np.float32),
            extras=extras,
            background_extras=background,
        )

    return make


def auc_of(head, test) -> float:
    return Ranking(head.score(test.embeddings, test.extras).score, test.grades).auc()


@LIMITS
def test_fit_taste_of_one_trait_is_learned_by_its_curve(with_traits, monkeypatch, limit):
    monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", limit)
    examples, test = with_traits(160), with_traits(400, seed=1)
    with_curves = KernelRecipe().fit(examples).head
    without = KernelRecipe().fit(examples, None, {"trait_weight": 0.0}).head
    assert auc_of(with_curves, test) > 0.9 > auc_of(without, test) + 0.1


@LIMITS
def test_fit_held_out_scores_agree_with_the_heads_scores(with_traits, monkeypatch, limit):
    monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", limit)
    examples = with_traits(160)
    folds = np.arange(160) % 4
    fixed = {"noise": 0.1, "reaches": [0.0]}
    held_out = KernelRecipe().fit(examples, folds, fixed).held_out.score
    without_fold = KernelRecipe().fit(examples.take(folds != 0), None, fixed).head
    held = folds == 0
    score = without_fold.score(examples.embeddings[held], examples.extras[held]).score
    assert np.corrcoef(held_out[held], score)[0, 1] > 0.9


def test_fit_few_labels_of_one_trait_finds_this_trait(with_traits):
    head = KernelRecipe().fit(with_traits(30)).head
    size = np.ptp(head.curves.curves[:, :, 0], axis=1)
    assert size.argmax() == 3
    assert size[3] > 3 * np.sort(size)[-2]


def test_score_without_extras_is_that_of_middle_ranks(with_traits):
    head = KernelRecipe().fit(with_traits(160)).head
    test = with_traits(20, seed=1)
    unknown = np.full_like(test.extras, np.nan)
    scores = head.score(test.embeddings)
    assert scores.score == pytest.approx(head.score(test.embeddings, unknown).score, abs=1e-5)


def test_head_with_curves_is_saved_and_read(with_traits, tmp_path):
    head = KernelRecipe().fit(with_traits(60)).head
    test = with_traits(20, seed=1)
    files.save(head, tmp_path / "head.safetensors")
    loaded = files.load(tmp_path / "head.safetensors")
    scores = head.score(test.embeddings, test.extras).score
    assert np.array_equal(loaded.score(test.embeddings, test.extras).score, scores)


def test_head_of_an_older_version_scores_without_curves(with_traits):
    examples = with_traits(60)
    head = KernelRecipe().fit(examples, None, {"trait_weight": 0.0}).head
    arrays, values = head.state()
    assert "curves" not in arrays
    values["settings"] = {"gamma": 1.0, "reaches": [0.0, 1.0, 8.0], "noises": [0.1, 1.0]}
    restored = KernelRecipe().restore(arrays, values)
    scores = head.score(examples.embeddings, examples.extras).score
    assert np.array_equal(restored.score(examples.embeddings, examples.extras).score, scores)


def test_restore_damaged_curves_raises_value_error(with_traits):
    arrays, values = KernelRecipe().fit(with_traits(60)).head.state()
    for name, damaged in {
        "curves": arrays["curves"][:, :-1],
        "trait_values": arrays["trait_values"][:, ::-1],
        "trait_ranks": arrays["trait_ranks"] * 10,
    }.items():
        with pytest.raises(ValueError, match=r"fit|ascending|bounds"):
            KernelRecipe().restore(arrays | {name: damaged}, values)
