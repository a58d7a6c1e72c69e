"""Labels that the other labels contradict."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.suspects import contradicting, suspects


def test_suspects_flipped_labels_come_first(made_up):
    examples = made_up(400)
    # Only clear cases are flipped: near the border, a mistake looks like a matter of taste.
    clear = np.argsort(-np.abs(examples.embeddings[:, :3].astype(float).sum(axis=1) - 1.5))[:100]
    flipped = clear[:20]
    grades = examples.grades.copy()
    grades[flipped] = 1 - grades[flipped]
    examples = replace(examples, grades=grades)
    first = suspects(examples, KernelRecipe().fit(examples), 20)
    assert len({suspect.row for suspect in first} & set(flipped.tolist())) >= 12


def test_suspects_of_grades_are_those_far_from_their_score(made_up):
    """Four stars for a bad image are a mistake; three stars are one only if the head is certain."""
    examples = made_up(300, width=6)
    value = examples.embeddings[:, :3].astype(np.float32).sum(axis=1)
    grades = (np.digitize(value, np.quantile(value, [0.2, 0.4, 0.6, 0.8])) / 4).astype(np.float32)
    worst, middle = int(np.argmin(value)), np.argsort(value)[140:160]
    grades[worst] = 0.7
    examples = replace(examples, grades=grades)
    found = suspects(examples, KernelRecipe().fit(examples))
    assert found[0].row == worst
    assert not set(middle.tolist()) & {suspect.row for suspect in found}
    assert (contradicting(examples, found[0]) == examples.trash).all()


def test_suspects_of_two_stars_are_found_on_their_scale(made_up):
    """All scores of a person who gives only two and four stars lie near 0.3 and 0.7."""
    examples = made_up(200, width=6)
    grades = np.where(examples.keep, np.float32(0.7), np.float32(0.3))
    worst = int(np.argmin(examples.embeddings[:, :3].astype(np.float32).sum(axis=1)))
    grades[worst] = 0.7
    examples = replace(examples, grades=grades)
    found = suspects(examples, KernelRecipe().fit(examples))
    assert found[0].row == worst


@pytest.mark.parametrize("levels", [(0.5, 0.9), (0, 0.5), (0.5, 0.5, 0, 1)])
def test_suspects_undecided_twins_contradict_nobody(made_up, levels):
    examples = made_up(40)
    grades = np.resize(np.array(levels, np.float32), 40)
    examples = replace(examples, grades=grades, copies=np.repeat(np.arange(20), 2))
    for suspect in suspects(examples, KernelRecipe().fit(examples)):
        if suspect.twin >= 0:
            assert (grades[suspect.twin] - 0.5) * (grades[suspect.row] - 0.5) < 0


def test_suspects_outvoted_near_duplicate_comes_first(made_up):
    examples = made_up(40)
    grades = examples.grades.copy()
    groups = np.arange(40)
    groups[[10, 11, 12]] = 10
    grades[[10, 11, 12]] = [1, 0, 1]
    examples = replace(examples, grades=grades, copies=groups)
    first = suspects(examples, KernelRecipe().fit(examples))[0]
    assert first.row == 11
    assert first.twin in (10, 12)
