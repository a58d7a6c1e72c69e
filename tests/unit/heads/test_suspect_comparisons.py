"""Comparisons that the other answers contradict."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.heads.base import Examples, Fitted
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.suspect_comparisons import suspect_comparisons
from tests.unit.heads.conftest import MakeUp


def fitted_with(examples: Examples, odds: list[float]) -> Fitted:
    """A result with known held-out odds; the head is not used."""
    whole = KernelRecipe().fit(examples)
    return whole._replace(comparison_odds=np.array(odds, np.float32))


@pytest.fixture
def labelled(made_up: MakeUp) -> Examples:
    return made_up(12)


def test_suspect_comparisons_sorts_by_evidence_and_leaves_probable_answers_out(
    labelled: Examples,
) -> None:
    grades = np.linspace(1, 0, 12).astype(np.float32)
    rows = np.array([(0, 5, 0), (1, 6, 0), (2, 7, 0), (3, 8, 1)])
    examples = replace(labelled, grades=grades, comparisons=rows)
    found = suspect_comparisons(examples, fitted_with(examples, [-1, 2, -3, -4]))
    assert [suspect.row for suspect in found] == [2, 0]
    assert found[0].evidence == pytest.approx(np.log1p(np.exp(3)))
    assert len(suspect_comparisons(examples, fitted_with(examples, [-1, 2, -3, -4]), 1)) == 1


def test_suspect_comparisons_against_labels_come_first(labelled: Examples) -> None:
    keep, trash = (int(np.flatnonzero(labelled.grades == grade)[0]) for grade in (1, 0))
    others = labelled.background[:2]
    rows = np.array([(12, 13, 0), (trash, keep, 0), (keep, trash, 0)])
    examples = replace(labelled, comparisons=rows, compared=others)
    found = suspect_comparisons(examples, fitted_with(examples, [-2.0, 1.0, 1.0]))
    assert [suspect.row for suspect in found] == [1, 0]


def test_suspect_comparisons_of_a_circle_names_its_weakest_answer(labelled: Examples) -> None:
    rows = np.array([(12, 13, 0), (13, 14, 0), (14, 12, 0), (13, 15, 0), (15, 14, 1)])
    examples = replace(labelled, comparisons=rows, compared=labelled.background[:4])
    found = suspect_comparisons(examples, fitted_with(examples, [3.0, 2.0, 0.5, 1.0, 0.0]))
    assert [suspect.row for suspect in found] == [2]


def test_suspect_comparisons_finds_wrong_answers(labelled: Examples) -> None:
    generator = np.random.default_rng(4)
    images = generator.random((300, 40)).astype(np.float16)
    value = images[:, :3].astype(float).sum(axis=1).reshape(-1, 2)
    pairs = np.arange(300).reshape(-1, 2)
    pairs = np.where((value[:, 0] > value[:, 1])[:, None], pairs, pairs[:, ::-1])
    clear = np.argsort(-np.abs(value[:, 0] - value[:, 1]))[:10]
    pairs[clear] = pairs[clear][:, ::-1]
    examples = replace(
        labelled.take(np.zeros(12, bool)),
        comparisons=np.column_stack([pairs, np.zeros(150, int)]),
        compared=images,
    )
    found = suspect_comparisons(examples, KernelRecipe().fit(examples), 10)
    assert len({suspect.row for suspect in found} & set(clear.tolist())) >= 5


def test_suspect_comparisons_without_comparisons_is_empty(labelled: Examples) -> None:
    assert suspect_comparisons(labelled, KernelRecipe().fit(labelled)) == []
