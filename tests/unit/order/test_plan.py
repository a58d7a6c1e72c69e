"""The promises of a plan, for any folder: sorted, in the past, fewest touches, idempotent."""

import math
import random
import subprocess
import sys
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.order.entries import NANOSECONDS, Entry, Member
from imgscore.order.plan import Direction, Touch, plan
from imgscore.order.spacing import EARLIEST, HEADROOM, SPACING, STEP, space
from imgscore.order.stable_order import OrderItem, longest_stable

NOW = 1_790_000_000
NOW_NS = NOW * NANOSECONDS + 123_456_789


def entry(name: int, second: float, score: float, deviation: float = 0.0) -> Entry:
    return Entry((Member(b"%06d" % name, round(second * NANOSECONDS)),), score, deviation)


def applied(entries: list[Entry], touches: list[Touch]) -> list[Entry]:
    after = {touch.path: touch.after_ns for touch in touches}
    return [
        item._replace(
            members=tuple(
                Member(path, after.get(path, mtime_ns)) for path, mtime_ns in item.members
            )
        )
        for item in entries
    ]


def oldest_first(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda item: item.members[0].mtime_ns)


def in_order(low: Entry, high: Entry, sign: int = 1) -> bool:
    """Whether `high` may be newer than `low`: not if its whole interval is lower."""
    return (
        sign * low.score - low.deviation
        <= sign * high.score + high.deviation + 1e-9  # the sums are rounded
    )


seconds = st.one_of(
    st.integers(NOW - 40, NOW + 5),  # crowded, some in the future
    st.integers(EARLIEST - 10, EARLIEST + 10),
    st.integers(-100, NOW + 10**6),
)
nanoseconds = st.one_of(st.just(0), st.integers(0, NANOSECONDS - 1))
mtimes = st.builds(lambda second, rest: second * NANOSECONDS + rest, seconds, nanoseconds)
scores = st.one_of(st.integers(0, 6).map(lambda k: k / 6), st.floats(0, 1))
deviations = st.one_of(st.just(0.0), st.floats(0, 0.5))


@st.composite
def folders(draw: st.DrawFn) -> list[Entry]:
    rows = draw(
        st.lists(
            st.tuples(st.lists(mtimes, min_size=1, max_size=3), scores, deviations), max_size=25
        )
    )
    return [
        Entry(
            tuple(Member(b"%d-%d" % (i, k), mtime) for k, mtime in enumerate(members)),
            score,
            deviation,
        )
        for i, (members, score, deviation) in enumerate(rows)
    ]


directions = st.sampled_from(["best-newest", "worst-newest"])


@given(folders(), directions)
@settings(max_examples=400)
def test_plan_any_folder_becomes_ordered_and_the_next_plan_is_empty(
    entries: list[Entry], direction: Direction
) -> None:
    touches = plan(entries, NOW_NS, direction)
    current = {m.path: m.mtime_ns for item in entries for m in item.members}
    assert len({touch.path for touch in touches}) == len(touches)
    for touch in touches:
        assert touch.before_ns == current[touch.path] != touch.after_ns
        assert touch.after_ns % (STEP * NANOSECONDS) == 0

    done = applied(entries, touches)
    for item in done:
        assert len({member.mtime_ns // NANOSECONDS for member in item.members}) == 1
        assert EARLIEST <= item.second <= NOW
        assert all(member.mtime_ns <= NOW_NS for member in item.members)
    item = oldest_first(done)
    sign = 1 if direction == "best-newest" else -1
    assert all(high.second - low.second >= STEP for low, high in pairwise(item))
    assert all(in_order(low, high, sign) for low, high in combinations(item, 2))
    assert plan(done, NOW_NS, direction) == []
    assert plan(done, NOW_NS + 10**15, direction) == []


@given(st.lists(st.tuples(st.integers(0, 13), scores, deviations), max_size=9))
@settings(max_examples=400)
def test_longest_stable_is_a_largest_valid_subsequence(
    rows: list[tuple[int, float, float]],
) -> None:
    items = [OrderItem(second, True, s, d, b"") for second, s, d in rows]

    def agrees(chosen: tuple[int, ...]) -> bool:
        in_time = sorted(chosen, key=lambda i: items[i].second)
        return all(
            items[b].second // STEP > items[a].second // STEP
            and items[a].score - items[a].deviation <= items[b].score + items[b].deviation
            for a, b in combinations(in_time, 2)
        )

    indices = range(len(items))
    best = max(
        size for size in range(len(items) + 1) if any(map(agrees, combinations(indices, size)))
    )
    kept = longest_stable(items)
    assert len(kept) == best
    assert agrees(tuple(kept))


def longest_increasing(values: list[int]) -> int:
    """The quadratic definition, to compare with."""
    best: list[int] = []
    for i, value in enumerate(values):
        best.append(1 + max((best[k] for k in range(i) if values[k] < value), default=0))
    return max(best, default=0)


@given(st.permutations(range(40)), st.integers(2, 50))
def test_plan_with_large_gaps_touches_all_but_a_longest_increasing_subsequence(
    permutation: list[int], hours: int
) -> None:
    entries = [entry(i, NOW - 3600 * hours * (41 - i), k) for i, k in enumerate(permutation)]
    assert len(plan(entries, NOW_NS)) == 40 - longest_increasing(permutation)


@given(st.lists(st.one_of(st.none(), st.integers(-12, 0)), max_size=8), st.booleans())
@settings(max_examples=400)
def test_plan_touches_no_more_if_some_longest_subsequence_leaves_room(
    steps: list[int | None], spread: bool
) -> None:
    scale = STEP * 3 if spread else STEP
    dates = [None if step is None else NOW - NOW % STEP + scale * step for step in steps]
    last = len(dates) - 1

    def stays(chosen: tuple[int, ...], room: int) -> bool:
        """Whether these rise, with `room` seconds for each position between and above them."""
        item = [(i, date) for i in chosen if (date := dates[i]) is not None]
        return all(b - a >= max(STEP, room * (j - i)) for (i, a), (j, b) in pairwise(item)) and (
            all(NOW - NOW % STEP - date >= room * (last - i) for i, date in item)
        )

    def most(room: int) -> int:
        present = [i for i, date in enumerate(dates) if date is not None]
        return max(
            size
            for size in range(len(present) + 1)
            if any(stays(chosen, room) for chosen in combinations(present, size))
        )

    after = space(dates, NOW)
    assert all(b - a >= STEP for a, b in pairwise(after))
    if most(STEP) == most(0):
        kept = sum(old == new for old, new in zip(dates, after, strict=True))
        assert kept == most(0)


def test_plan_new_file_between_the_two_best_does_not_touch_the_best() -> None:
    entries = [entry(i, 0, i) for i in range(50)]
    ordered = applied(entries, plan(entries, NOW_NS))
    new_file = entry(99, NOW, 48.5)
    assert [touch.path for touch in plan([*ordered, new_file], NOW_NS)] == [new_file.path]


def test_plan_one_new_file_among_ten_thousand_is_one_touch() -> None:
    chance = random.Random(5)
    fresh = [entry(i, NOW - chance.randrange(10**8), chance.random(), 0.01) for i in range(10_000)]
    ordered = applied(fresh, plan(fresh, NOW_NS))
    later = NOW_NS + 60 * NANOSECONDS
    for score in (0.5, 0.001, 0.999):
        new_file = entry(10_000, NOW + 59.5, score, 0.01)
        touches = plan([*ordered, new_file], later)
        assert [touch.path for touch in touches] in ([new_file.path], [])
    worst = entry(10_000, NOW + 59.5, -1.0)
    assert [touch.path for touch in plan([*ordered, worst], later)] == [worst.path]
    best = entry(10_000, NOW + 59.5, 2.0)
    assert plan([*ordered, best], later) == [], "the newest file is the best: nothing to do"


@pytest.mark.parametrize("where", ["top", "middle", "bottom"])
def test_space_repeated_insertions_at_one_point_touch_few_neighbours(where: str) -> None:
    """The worst case: every new file belongs at one position, and no time passes."""
    fresh, insertions = 100, 500
    dates = space([None] * fresh, NOW)
    touches = 0
    for _ in range(insertions):
        at = {"top": len(dates), "middle": fresh // 2, "bottom": 0}[where]
        before = [*dates[:at], None, *dates[at:]]
        dates = space(before, NOW)
        assert all(b - a >= STEP for a, b in pairwise(dates))
        assert EARLIEST <= dates[0] <= dates[-1] <= NOW
        touches += sum(old != new for old, new in zip(before, dates, strict=True))
    assert touches / insertions <= math.log2(fresh + insertions)


def test_plan_new_folder_is_spaced_by_the_hour_and_ends_a_day_ago() -> None:
    entries = [entry(i, 0, i) for i in range(24)]  # 1970: no date can stay
    item = [item.second for item in oldest_first(applied(entries, plan(entries, NOW_NS)))]
    assert {b - a for a, b in pairwise(item)} == {SPACING}
    assert HEADROOM <= NOW - item[-1] < HEADROOM + 2 * SPACING


def test_plan_hundred_thousand_new_files_stay_within_a_year() -> None:
    entries = [entry(i, 0, i) for i in range(100_000)]
    touches = plan(entries, NOW_NS)
    assert len(touches) == 100_000
    assert min(touch.after_ns for touch in touches) > (NOW - 370 * 86_400) * NANOSECONDS


def test_plan_equal_scores_keep_their_order_or_are_sorted_by_path() -> None:
    item = [entry(9 - i, NOW - 1000 + 10 * i, 0.5) for i in range(9)]
    assert plan(item, NOW_NS) == []
    fresh = [entry(i, -5, 0.5) for i in (3, 1, 2)]
    by_date = oldest_first(applied(fresh, plan(fresh, NOW_NS)))
    assert [item.path for item in by_date] == [b"000001", b"000002", b"000003"]


def test_plan_siblings_with_different_dates_take_that_of_most() -> None:
    raw, jpeg, sidecar = (
        Member(name, s * NANOSECONDS) for name, s in ((b"r", 8), (b"j", 8), (b"x", 4))
    )
    shifted = [Member(m.path, m.mtime_ns + (NOW - 100) * NANOSECONDS) for m in (raw, jpeg, sidecar)]
    assert [t.path for t in plan([Entry(tuple(shifted), 0.5)], NOW_NS)] == [b"x"]


def test_plan_siblings_later_than_now_in_the_same_second_are_touched() -> None:
    ahead = tuple(Member(name, NOW_NS + 1) for name in (b"r", b"j"))
    assert {t.path for t in plan([Entry(ahead, 0.5)], NOW_NS)} == {b"r", b"j"}


def test_plan_date_ahead_in_the_second_of_its_new_date_is_touched() -> None:
    """The crowded files before it push the last file to now: to the second that it has."""
    before = [entry(i, NOW - 40, 0.0) for i in range(6)]
    entries = [*before, entry(6, NOW - 40, 0.5), entry(7, NOW - 15, 0.0)]
    ahead = Entry((Member(b"ahead", NOW * NANOSECONDS + 999_999_999),), 0.5)
    touches = {touch.path: touch.after_ns for touch in plan([*entries, ahead], NOW_NS)}
    assert touches[b"ahead"] == NOW * NANOSECONDS


def test_plan_is_independent_of_the_order_of_its_input() -> None:
    chance = random.Random(2)
    entries = [entry(i, NOW - chance.randrange(500), chance.random(), 0.1) for i in range(200)]
    expected = plan(entries, NOW_NS)
    chance.shuffle(entries)
    assert plan(entries, NOW_NS) == expected


@pytest.mark.parametrize("count", [1, 4, 5])
def test_space_just_after_1980_uses_every_slot(count: int) -> None:
    now = EARLIEST + 4 * STEP + 1
    dates = space([None] * count, now)
    assert all(b - a >= STEP for a, b in pairwise(dates))
    assert EARLIEST <= dates[0] <= dates[-1] <= now
    crowded = [EARLIEST + 1, *[None] * (count - 1)]
    dates = space(crowded, now)
    assert all(b - a >= STEP for a, b in pairwise(dates))
    assert EARLIEST <= dates[0] <= dates[-1] <= now


def test_plan_with_nan_or_too_many_entries_raises() -> None:
    with pytest.raises(ValueError, match="NaN"):
        plan([entry(1, NOW, math.nan)], NOW_NS)
    with pytest.raises(ValueError, match="too few dates"):
        plan([entry(i, 0, i) for i in range(5)], (EARLIEST + 7) * NANOSECONDS)


def test_plan_module_imports_nothing_heavy() -> None:
    code = "import sys, imgscore.order.plan, imgscore.order.touch; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
