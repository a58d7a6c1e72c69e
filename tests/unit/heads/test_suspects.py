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
    keep = examples.keep.copy()
    keep[flipped] ^= True
    examples = replace(examples, keep=keep)
    first = suspects(examples, KernelRecipe().fit(examples), 20)
    assert len({suspect.row for suspect in first} & set(flipped.tolist())) >= 12


def test_suspects_outvoted_near_duplicate_comes_first(made_up):
    examples = made_up(40)
    keep = examples.keep.copy()
    groups = np.arange(40)
    groups[[10, 11, 12]] = 10
    keep[[10, 11, 12]] = [True, False, True]
    examples = replace(examples, keep=keep, copies=groups)
    first = suspects(examples, KernelRecipe().fit(examples))[0]
    assert first.row == 11
    assert first.twin in (10, 12)
