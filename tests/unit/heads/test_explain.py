"""Explanations of a score."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.heads.explain import explain
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import fit_features, library_features
from imgscore.heads.training import train


def test_explain_gives_most_similar_of_each_kind(made_up):
    examples = made_up(40)
    head = train(examples).head
    features = fit_features(examples.background)
    explanation = explain(head, features, examples, examples.embeddings[0], limit=3)
    assert explanation.keeps[0].row == 0
    assert explanation.keeps[0].similarity == pytest.approx(1, abs=1e-3)
    assert len(explanation.trashes) == 3
    assert 0 <= explanation.low <= explanation.score <= explanation.high <= 1


def test_explain_lists_undecided_images_apart(made_up):
    examples = made_up(40)
    examples.grades[10:20] = 0.5
    head = train(examples).head
    features = fit_features(examples.background)
    explanation = explain(head, features, examples, examples.embeddings[12], limit=3)
    assert explanation.undecided[0].row == 12 and len(explanation.undecided) == 3
    rows = {row.row for row in (*explanation.keeps, *explanation.trashes)}
    assert not rows & set(range(10, 20))


def test_explain_orders_traits_by_change(made_up):
    examples = made_up(200)
    extras = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    extras[:, 0] += np.where(examples.keep, 2, -2)
    examples = replace(examples, extras=extras, background_extras=extras)
    head = train(examples).head
    explanation = explain(
        head,
        head.features,
        examples,
        examples.embeddings[0],
        extras=np.array([2, 0], np.float32),
        names=("telling", "noise"),
    )
    assert [trait.name for trait in explanation.traits] == ["telling", "noise"]
    assert explanation.traits[0].change > 0


def test_explain_lists_the_most_similar_compared_images(made_up):
    examples = made_up(20)
    images = examples.background[:40]
    rows = np.column_stack([20 + np.arange(0, 40, 2), 21 + np.arange(0, 40, 2), np.zeros(20, int)])
    rows[-1, 2] = 1
    examples = replace(examples, comparisons=rows, compared=images)
    head = KernelRecipe().fit(examples).head
    features = library_features(examples)
    explained = explain(head, features, examples, images[1], limit=3)
    assert explained.worse[0].row == 21 and explained.worse[0].similarity > 0.99
    assert len(explained.better) == len(explained.worse) == 3
    assert all(example.row % 2 == 0 and example.row < 58 for example in explained.better)
    similarities = [example.similarity for example in explained.better]
    assert similarities == sorted(similarities, reverse=True)


def test_explain_without_comparisons_lists_no_compared_images(made_up):
    examples = made_up(20)
    head = KernelRecipe().fit(examples).head
    explained = explain(head, library_features(examples), examples, examples.background[0])
    assert explained.better == explained.worse == []
