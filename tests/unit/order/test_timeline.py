"""Inserting one entry into a timeline does what a full plan would do, or returns None."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgscore.order.entries import NANOSECONDS, Entry, Member
from imgscore.order.plan import Direction, Touch, insert_entry, plan, plan_with_timeline
from imgscore.order.spacing import EARLIEST, HEADROOM, SPACING, STEP
from imgscore.order.stable_order import OrderItem
from imgscore.order.timeline import Timeline

NOW = 1_790_000_000
NOW_NS = NOW * NANOSECONDS + 123_456_789

directions = st.sampled_from(["best-newest", "worst-newest"])
seconds = st.one_of(
    st.integers(NOW - 40, NOW + 5),  # crowded, some in the future
    st.integers(NOW - HEADROOM - 5 * SPACING, NOW - HEADROOM),  # the dates of a new order
    st.integers(EARLIEST - 10, EARLIEST + 10),
    st.integers(-100, NOW + 10**6),
)
scores = st.one_of(st.integers(0, 6).map(lambda k: k / 6), st.floats(0, 1))
deviations = st.one_of(st.just(0.0), st.floats(0, 0.5))
files = st.tuples(seconds, st.sampled_from([0, 1, 999_999_999]), scores, deviations)


def entry(name: int, second: int, rest: int, score: float, deviation: float) -> Entry:
    return Entry((Member(b"%06d" % name, second * NANOSECONDS + rest),), score, deviation)


def applied(entries: list[Entry], touches: list[Touch]) -> list[Entry]:
    after = {touch.path: touch.after_ns for touch in touches}
    return [
        old._replace(members=(Member(old.path, after.get(old.path, old.members[0].mtime_ns)),))
        for old in entries
    ]


def in_order(
    existing: list[tuple[int, int, float, float]], direction: Direction
) -> tuple[list[Entry], Timeline]:
    """Return files after a full plan, and their timeline."""
    entries = [entry(i, *row) for i, row in enumerate(existing)]
    touches, timeline = plan_with_timeline(entries, NOW_NS, direction)
    return applied(entries, touches), timeline


# A full plan gives the last file the second that it has, but its date is in the future by 0.9 s.
FUTURE_DATE = [
    *[(NOW - 40, 0, 0.0, 0.0)] * 6,
    (NOW - 40, 0, 1 / 6, 0.0),
    (NOW - 15, 0, 0.0, 0.0),
    (NOW, 999_999_999, 1 / 6, 0.0),
]


@given(st.lists(files, max_size=12), st.lists(files, max_size=12), directions)
@example(FUTURE_DATE, FUTURE_DATE[:1], "best-newest")
@settings(max_examples=400)
def test_insert_entry_touches_no_more_than_a_plan_and_leaves_it_nothing(
    existing: list[tuple[int, int, float, float]],
    coming: list[tuple[int, int, float, float]],
    direction: Direction,
) -> None:
    entries, timeline = in_order(existing, direction)
    for i, row in enumerate(coming):
        item = entry(1000 + i, *row)
        entries.append(item)
        whole = plan(entries, NOW_NS, direction)
        before = timeline.packed()
        touches = insert_entry(timeline, item, NOW_NS, direction) or []
        if timeline.packed() == before:  # it needs a full plan
            touches, timeline = plan_with_timeline(entries, NOW_NS, direction)
        else:
            assert len(touches) <= len(whole) and all(touch.path == item.path for touch in touches)
            assert all(touch.before_ns == item.members[0].mtime_ns for touch in touches)
            assert all(touch.after_ns % (STEP * NANOSECONDS) == 0 for touch in touches)
        entries = applied(entries, touches)
        assert plan(entries, NOW_NS, direction) == []
        assert timeline.packed() == plan_with_timeline(entries, NOW_NS, direction)[1].packed()


steps = st.one_of(files, st.integers(0, 100))


@given(st.lists(files, min_size=1, max_size=12), st.lists(steps, max_size=16), directions)
@settings(max_examples=400)
def test_insert_entry_with_deleted_or_moved_entries_keeps_the_order(
    existing: list[tuple[int, int, float, float]],
    happening: list[tuple[int, int, float, float] | int],
    direction: Direction,
) -> None:
    """A number: that file is deleted and appears again unchanged, like a renamed one."""
    entries, timeline = in_order(existing, direction)
    for i, what in enumerate(happening):
        if not isinstance(what, int):
            item = entry(1000 + i, *what)
        elif what % 2 and entries:
            entries.pop(what % len(entries))
            continue
        elif entries:
            item = entries.pop(what % len(entries))
        else:
            continue
        entries.append(item)
        touched = insert_entry(timeline, item, NOW_NS, direction)
        if touched is None:
            touched, timeline = plan_with_timeline(entries, NOW_NS, direction)
            assert not isinstance(what, int) or not touched
        assert not isinstance(what, int) or not touched
        entries = applied(entries, touched)
        assert plan(entries, NOW_NS, direction) == []


def test_insert_entry_hundred_new_files_need_one_touch_each() -> None:
    existing = [entry(i, NOW - i, 0, (i * 7 % 1000) / 1000, 0.001) for i in range(1000)]
    _, timeline = plan_with_timeline(existing, NOW_NS, "best-newest")
    for i in range(100):
        item = entry(1000 + i, NOW, 0, (i * 37 % 99 + 0.5) / 100, 0.001)
        assert len(insert_entry(timeline, item, NOW_NS) or []) == 1
    assert len(timeline) == 1100


def test_insert_entry_into_a_full_gap_returns_none() -> None:
    existing = [entry(0, NOW - 4, 0, 0.1, 0.0), entry(1, NOW - 2, 0, 0.9, 0.0)]
    touches, timeline = plan_with_timeline(existing, NOW_NS, "best-newest")
    assert touches == []
    assert insert_entry(timeline, entry(2, NOW - 100, 0, 0.5, 0.0), NOW_NS) is None
    assert len(timeline) == 2


def test_insert_entry_into_an_empty_timeline_dates_it() -> None:
    timeline = plan_with_timeline([], NOW_NS, "best-newest")[1]
    (touch,) = insert_entry(timeline, entry(0, NOW + 9, 0, 0.5, 0.0), NOW_NS) or []
    assert touch.after_ns <= NOW_NS and len(timeline) == 1


def test_insert_entry_with_nan_score_returns_none() -> None:
    timeline = plan_with_timeline([], NOW_NS, "best-newest")[1]
    assert insert_entry(timeline, entry(0, NOW, 0, math.nan, 0.0), NOW_NS) is None


@pytest.mark.parametrize("count", [0, 1, 50])
def test_timeline_packed_and_unpacked_is_equal(count: int) -> None:
    existing = [entry(i, NOW - 2 * i, 0, i / 50, 0.01) for i in range(count)]
    timeline = plan_with_timeline(existing, NOW_NS, "worst-newest")[1]
    sent = Timeline.unpacked(timeline.packed())
    assert len(sent) == count and sent.packed() == timeline.packed()


def test_insert_into_block_members_dates_that_the_user_changed_need_a_plan() -> None:
    items = [OrderItem(NOW - 40 + 10 * i, True, i / 10, 0.01, b"%d" % i) for i in range(4)]
    timeline = Timeline.of([item.second for item in items], items, [False] * 4)
    others = [NOW, NOW - 20]
    assert timeline.insert_into_block(items[3], others, 1, NOW) is None
    assert len(timeline) == 4
