"""Functions that several verbs use."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imgscore.messages import Progress
from imgscore.verbs.base import Tally


def test_tally_with_new_work_counts_all_items_and_not_backwards() -> None:
    tally = Tally()
    rows = [tally.progress("waiting", pending) for pending in (40, 28, 38, 38, 0)]
    assert rows == [
        Progress("waiting", 0, 40),
        Progress("waiting", 12, 40),
        Progress("waiting", 12, 50),
        Progress("waiting", 12, 50),
        Progress("waiting", 50, 50),
    ]


@given(st.lists(st.integers(0, 1000)))
def test_tally_any_sequence_never_falls_and_names_what_is_left(pending: list[int]) -> None:
    tally = Tally()
    rows = [tally.progress("waiting", number) for number in pending]
    for number, row in zip(pending, rows, strict=True):
        assert row.total - row.done == number
    for before, row in pairwise(rows):
        assert row.done >= before.done and row.total >= before.total
