"""When the labels and comparisons of a taste suffice, and when it is trained."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from imgscore.engine import tastes
from imgscore.engine.tastes import (
    MIN_COMPARISONS,
    MIN_LABELS,
    RETRAIN_COMPARISONS,
    TasteState,
    Words,
    missing_labels,
)
from imgscore.heads import base
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side


def test_min_comparisons_is_that_of_the_heads() -> None:
    assert MIN_COMPARISONS == base.MIN_COMPARISONS


@pytest.mark.parametrize(
    ("grades", "comparisons", "missing"),
    [
        ({}, 0, "2 more keep and 2 more trash"),
        ({1.0: 5}, 0, "2 more trash"),
        ({}, 3, "2 more keep and 2 more trash, or 7 more comparisons"),
        ({1.0: 2, 0.0: 1}, 9, "1 more trash, or 1 more comparison"),
        ({}, 10, ""),
        ({1.0: 2, 0.0: 2}, 3, ""),
    ],
)
def test_missing_counts_labels_or_comparisons(
    grades: dict[float, int], comparisons: int, missing: str
) -> None:
    assert TasteState(grades=grades, comparisons=comparisons).missing == missing


@pytest.mark.parametrize(
    ("grades", "allowed", "uses"),
    [
        ({1.0: 1}, True, True),
        ({0.7: 1}, True, True),
        ({1.0: 1, 0.0: 1}, True, True),
        ({1.0: 1}, False, False),
        ({0.0: 9}, True, False),
        ({1.0: 2, 0.0: 2}, True, False),
        ({}, True, False),
    ],
)
def test_uses_keeps_as_long_as_trash_labels_are_missing(
    grades: dict[float, int], allowed: bool, uses: bool
) -> None:
    state = TasteState(grades=grades, may_use_keeps=allowed, due=0.0)
    assert state.uses_keeps == uses
    assert state.wants_training == (uses or not state.missing)
    state.words = Words(("cats",), ())
    assert not state.uses_keeps


def test_missing_with_a_recipe_that_ignores_comparisons_counts_labels_only() -> None:
    state = TasteState(comparisons=100, learns_comparisons=False)
    assert state.missing == "2 more keep and 2 more trash"


def test_postpone_waits_for_a_pause_until_many_comparisons_are_new() -> None:
    state = TasteState(comparisons=50, tried_comparisons=50)
    due = []
    for answer in range(1, 40):
        state.comparisons += 1
        state.postpone(float(answer), 5.0)
        due.append(state.due)
    waiting = RETRAIN_COMPARISONS - 1
    assert due[:waiting] == [answer + 5.0 for answer in range(1, waiting + 1)]
    assert set(due[waiting:]) == {due[waiting - 1]}


def test_postpone_after_new_labels_always_waits() -> None:
    state = TasteState(grades={1.0: 500, 0.0: 500})
    for now in range(100):
        state.postpone(float(now), 5.0)
    assert state.due == 104.0


def test_patience_grows_up_to_a_limit() -> None:
    assert tastes.patience(0, 1.0) < tastes.patience(300, 1.0) < tastes.MAX_PATIENCE
    assert tastes.patience(10**6, 1.0) == tastes.MAX_PATIENCE
    assert tastes.patience(10**6, 90.0) == 90.0
    assert not tastes.patience(10**6, 0.0)


@given(some.lists(some.sampled_from([0.0, 0.1, 0.3, 0.5, 0.65, 0.7, 0.9, 1.0]), max_size=8))
def test_missing_labels_agree_with_the_check_of_the_heads(values: list[float]) -> None:
    missing = missing_labels(Counter(values))
    enough = smaller_side(upper_side(np.array(values, np.float32))) >= MIN_SIDE
    assert (not missing) == enough
    assert MIN_LABELS == MIN_SIDE
    if missing:  # The labels that are asked for are enough.
        more = {"keep": 1.0, "trash": 0.0}
        values += [more[name] for name, count in missing.items() for _ in range(count)]
        assert not missing_labels(Counter(values))
