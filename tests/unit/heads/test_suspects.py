"""Labels that the other labels contradict."""

from dataclasses import replace

import numpy as np

from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.suspects import suspects


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
