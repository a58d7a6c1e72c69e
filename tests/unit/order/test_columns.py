"""The plan that is computed with arrays equals the plan that is computed with entries."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.order.blocks import Block
from imgscore.order.columns import (
    Columns,
    keepable_dates,
    plan_columns,
    tie_deviations,
)
from imgscore.order.entries import NANOSECONDS, Entry, Member
from imgscore.order.plan import Direction, plan_with_timeline
from imgscore.order.spacing import EARLIEST
from imgscore.order.ties import knots, tie_deviation

NOW = 1_790_000_000
NOW_NS = NOW * NANOSECONDS + 123_456_789

seconds = st.one_of(
    st.integers(NOW - 40, NOW + 5),  # crowded, some in the future
    st.integers(EARLIEST - 10, EARLIEST + 10),
    st.integers(-100, NOW + 10**6),
)
mtimes = st.builds(
    lambda second, rest: second * NANOSECONDS + rest,
    seconds,
    st.one_of(st.just(0), st.integers(0, NANOSECONDS - 1)),
)
scores = st.one_of(st.integers(0, 6).map(lambda k: k / 6), st.floats(0, 1))
deviations = st.one_of(st.just(0.0), st.floats(0, 0.5))


@st.composite
def folders(draw: st.DrawFn) -> tuple[list[Entry], list[Block]]:
    """Entries with random dates and scores, and blocks of some of them."""
    rows = draw(st.lists(st.tuples(mtimes, scores, deviations), max_size=24))
    names = draw(st.permutations(range(len(rows))))
    entries = [
        Entry((Member(b"%06d" % name, mtime),), score, deviation)
        for name, (mtime, score, deviation) in zip(names, rows, strict=True)
    ]
    places, blocks = draw(st.permutations(range(len(rows)))), []
    while places and draw(st.booleans()):
        size = draw(st.integers(1, 5))
        members, places = tuple(places[:size]), places[size:]
        blocks.append(Block(members, draw(scores), draw(deviations)))
    return entries, blocks


def columns_of(entries: list[Entry]) -> Columns:
    ns = [item.members[0].mtime_ns for item in entries]
    dates = np.array([value // NANOSECONDS for value in ns], np.int64)
    rests = np.array([value % NANOSECONDS for value in ns], np.int64)
    paths = sorted(item.path for item in entries)
    return Columns(
        dates,
        keepable_dates(dates, rests, NOW_NS),
        np.array([item.score for item in entries], np.float64),
        np.array([item.deviation for item in entries], np.float64),
        np.array([paths.index(item.path) for item in entries], np.int64),
    )


def assert_equal_plans(entries: list[Entry], blocks: list[Block], direction: Direction) -> None:
    touches, timeline = plan_with_timeline(entries, NOW_NS, direction, blocks)
    found = plan_columns(columns_of(entries), NOW_NS, direction, blocks)
    newest_first = (found.order[::-1], found.dates[::-1], found.changed[::-1])
    changed = [
        (entries[i].path, date * NANOSECONDS)
        for i, date, is_changed in zip(*(column.tolist() for column in newest_first), strict=True)
        if is_changed
    ]
    assert changed == [(touch.path, touch.after_ns) for touch in touches]
    assert found.timeline == timeline.packed()


@given(folders(), st.sampled_from(("best-newest", "worst-newest")))
@settings(deadline=None, max_examples=300)
def test_plan_columns_any_folder_equals_the_plan_of_its_entries(
    folder: tuple[list[Entry], list[Block]], direction: Direction
) -> None:
    assert_equal_plans(*folder, direction)


@pytest.mark.parametrize("spread", [3_000, 10**8])
def test_plan_columns_of_a_large_folder_equals_the_plan_of_its_entries(spread: int) -> None:
    chance = random.Random(spread)
    entries = [
        Entry(
            (Member(b"%06d" % number, (NOW - chance.randrange(spread)) * NANOSECONDS),),
            chance.random(),
            0.1 * chance.random(),
        )
        for number in range(2_000)
    ]
    places = chance.sample(range(len(entries)), 600)
    blocks = [Block((*places[at : at + 3],), chance.random(), 0.01) for at in range(0, 600, 3)]
    assert_equal_plans(entries, blocks, "best-newest")


@given(
    st.lists(scores, max_size=40),
    st.lists(st.tuples(scores, deviations), min_size=1, max_size=20),
)
@settings(deadline=None)
def test_tie_deviations_equal_those_of_single_scores(
    known: list[float], rows: list[tuple[float, float]]
) -> None:
    quantiles = knots(known)
    values, noises = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    expected = [tie_deviation(*row, quantiles) for row in rows]
    assert tie_deviations(values, noises, quantiles).tolist() == expected
