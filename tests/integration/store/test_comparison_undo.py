"""The undo of comparisons in the log: which events it withdraws, and what the pairs get back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.store import comparison_undo, comparisons
from imgscore.store.comparisons import AnswerEvent, ComparisonEvent
from imgscore.store.store import Store

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as opened:
        yield opened


def answer(
    store: Store, first: bytes, second: bytes, name: AnswerEvent, *, time_ns: int = 0
) -> int:
    event = ComparisonEvent(time_ns, "default", first, second, name, "cli")
    return store.commit(lambda txn: comparisons.append(txn, event))


def undo(store: Store, *numbers: int) -> int:
    """Undo answers; gives how many were undone."""
    with store.read() as txn:
        found = comparison_undo.withdrawals(txn, numbers, 99)
    for event in found.values():
        store.commit(lambda txn, event=event: comparisons.append(txn, event))
    return len(found)


def present(store: Store, first: bytes, second: bytes) -> str | None:
    with store.read() as txn:
        current = comparisons.current(txn, "default", first, second)
    return None if current is None else current.answer


def last(store: Store) -> list[int]:
    with store.read() as txn:
        return [number for number, _ in comparison_undo.last_together(txn)]


def test_withdrawal_of_the_only_answer_clears_the_pair(store: Store) -> None:
    number = answer(store, A, B, "first")
    assert undo(store, number) == 1
    assert present(store, A, B) is None and not last(store)
    assert undo(store, number) == 0, "undone before"


def test_withdrawal_restores_the_earlier_answer_and_its_sides(store: Store) -> None:
    answer(store, A, B, "first", time_ns=1)
    newer = answer(store, B, A, "first", time_ns=2)
    assert undo(store, newer) == 1
    with store.read() as txn:
        current = comparisons.current(txn, "default", A, B)
    assert current is not None and (current.first, current.answer) == (A, "first")


def test_withdrawal_of_an_answer_with_a_later_one_changes_nothing(store: Store) -> None:
    older = answer(store, A, B, "first", time_ns=1)
    answer(store, A, B, "same", time_ns=2)
    assert undo(store, older) == 0 and present(store, A, B) == "same"


def test_withdrawal_out_of_turn_leaves_the_other_pairs(store: Store) -> None:
    first = answer(store, A, B, "first", time_ns=1)
    second = answer(store, B, C, "second", time_ns=2)
    assert undo(store, first) == 1
    assert (present(store, A, B), present(store, B, C)) == (None, "second")
    assert last(store) == [second]


def test_last_together_choice_among_four_is_one_group(store: Store) -> None:
    answer(store, A, B, "first", time_ns=1)
    numbers = [answer(store, C, other, "first", time_ns=2) for other in (A, B)]
    assert last(store) == numbers[::-1]
    assert undo(store, *numbers) == 2
    assert (present(store, C, A), present(store, C, B), present(store, A, B)) == (
        None, None, "first",
    )  # fmt: skip


@given(st.lists(st.one_of(st.just(None), st.sampled_from(("first", "second", "same", "skip")))))
def test_repeated_undo_walks_back_through_every_answer(
    tmp_path_factory: pytest.TempPathFactory, steps: list[AnswerEvent | None]
) -> None:
    """The model is a stack: an answer pushes, an undo pops. None is an undo."""
    stack: list[AnswerEvent] = []
    with Store(tmp_path_factory.mktemp("store")) as store:
        for time_ns, step in enumerate(steps):
            if step is None:
                numbers = last(store)
                assert bool(numbers) == bool(stack)
                assert undo(store, *numbers) == len(numbers)
                stack = stack[:-1]
            else:
                answer(store, A, B, step, time_ns=time_ns)
                stack.append(step)
            assert present(store, A, B) == (stack[-1] if stack else None)
