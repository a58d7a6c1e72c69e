"""The blocks of a group: together in the order, the best first, and few touches."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.order.blocks import Block, Mode, block_for, blocks_of
from imgscore.order.entries import NANOSECONDS, Entry, Member
from imgscore.order.plan import (
    Direction,
    Neighbours,
    Touch,
    insert_entry,
    plan,
    plan_with_timeline,
)
from imgscore.order.spacing import EARLIEST, HEADROOM, SPACING, STEP
from imgscore.order.timeline import Timeline

NOW = 1_790_000_000
NOW_NS = NOW * NANOSECONDS + 123_456_789

directions = st.sampled_from(["best-newest", "worst-newest"])
modes = st.sampled_from(["together", "best-on-top"])
seconds = st.one_of(
    st.integers(NOW - 40, NOW + 5),  # crowded, some in the future
    st.integers(NOW - HEADROOM - 5 * SPACING, NOW - HEADROOM),  # the dates of a new order
    st.integers(EARLIEST - 10, EARLIEST + 10),
    st.integers(-100, NOW + 10**6),
)
scores = st.one_of(st.integers(0, 6).map(lambda k: k / 6), st.floats(0, 1))
deviations = st.one_of(st.just(0.0), st.floats(0, 0.3))
groups = st.one_of(st.just(None), st.integers(0, 3))
files = st.tuples(seconds, scores, deviations, groups, st.integers(0, 5))
Row = tuple[int, float, float, int | None, int]


class Folder:
    """Files with their groups. The quality of a file is a number: the best file has the largest."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.entries: list[Entry] = []
        self.group: dict[bytes, int | None] = {}
        self.quality: dict[bytes, int] = {}
        self.made = 0

    def add(self, row: Row) -> Entry:
        second, score, deviation, group, quality = row
        path = b"%06d" % self.made
        self.made += 1
        self.entries.append(Entry((Member(path, second * NANOSECONDS),), score, deviation))
        self.group[path], self.quality[path] = group, quality
        return self.entries[-1]

    def members(self, group: int | None) -> list[int]:
        """Return the indices of the entries of a group, the best first."""
        found = [i for i, item in enumerate(self.entries) if self.group[item.path] == group]
        return sorted(
            found, key=lambda i: (-self.quality[self.entries[i].path], self.entries[i].path)
        )

    def scored(self, members: list[int]) -> list[tuple[float, float]]:
        return [(self.entries[i].score, self.entries[i].deviation) for i in members]

    def blocks(self) -> list[Block]:
        found = []
        for group in {group for group in self.group.values() if group is not None}:
            members = self.members(group)
            for places, score, deviation in blocks_of(self.scored(members), self.mode):
                found.append(Block(tuple(members[k] for k in places), score, deviation))
        return found

    def is_unneeded(self, item: Entry) -> bool:
        """Return whether the other members keep their positions if an entry is deleted."""
        group = self.group[item.path]
        members = self.members(group)
        place = next(k for k, i in enumerate(members) if self.entries[i].path == item.path)
        own = block_for(self.scored(members), place, self.mode)
        return group is None or (own is not None and own.members[0] != place)

    def plan(self, direction: Direction) -> list[Touch]:
        return plan(self.entries, NOW_NS, direction, self.blocks())

    def apply(self, touches: list[Touch]) -> None:
        after = {touch.path: touch.after_ns for touch in touches}
        self.entries = [
            old._replace(members=(Member(old.path, after.get(old.path, old.members[0].mtime_ns)),))
            for old in self.entries
        ]

    def insert(
        self, timeline: Timeline, item: Entry, direction: Direction, *, removed: bool = False
    ) -> list[Touch] | None:
        """Insert an entry that is already in `entries`. None: the whole folder must be planned."""
        group = self.group[item.path]
        if group is None:
            return insert_entry(timeline, item, NOW_NS, direction, removed=removed)
        members = self.members(group)
        new = next(k for k, i in enumerate(members) if self.entries[i].path == item.path)
        block = block_for(self.scored(members), new, self.mode)
        if block is None:
            return None
        at = block.members.index(new)
        others = [members[k] for k in block.members if k != new]
        position = Neighbours([self.entries[i].second for i in others], at)
        item = item._replace(score=block.score, deviation=block.deviation)
        return insert_entry(timeline, item, NOW_NS, direction, position, removed=removed)


def check_order(folder: Folder, direction: Direction) -> None:
    """Check that blocks stand together, best first, and that all intervals are in order."""
    sign = 1 if direction == "best-newest" else -1
    interval = {item.path: (item.score, item.deviation) for item in folder.entries}
    in_time = sorted(folder.entries, key=lambda item: item.second)
    assert all(high.second - low.second >= STEP for low, high in pairwise(in_time))
    at = {item.path: place for place, item in enumerate(in_time)}
    for block in folder.blocks():
        paths = [folder.entries[i].path for i in block.members]
        places = [at[path] for path in paths]
        assert places == list(range(places[0], places[0] - sign * len(places), -sign))
        interval |= dict.fromkeys(paths, (block.score, block.deviation))
    for low, high in combinations([interval[item.path] for item in in_time], 2):
        assert sign * low[0] - low[1] <= sign * high[0] + high[1] + 1e-9


@given(st.lists(files, max_size=25), directions, modes)
@settings(max_examples=400)
def test_plan_with_groups_puts_each_block_together_and_the_next_plan_is_empty(
    rows: list[Row], direction: Direction, mode: Mode
) -> None:
    folder = Folder(mode)
    for row in rows:
        folder.add(row)
    folder.apply(folder.plan(direction))
    check_order(folder, direction)
    assert folder.plan(direction) == []


@given(st.lists(files, max_size=12), st.lists(files, max_size=12), directions, modes)
@settings(max_examples=400)
def test_insert_entry_with_groups_leaves_a_plan_nothing(
    existing: list[Row], coming: list[Row], direction: Direction, mode: Mode
) -> None:
    folder = Folder(mode)
    for row in existing:
        folder.add(row)
    touches, timeline = plan_with_timeline(folder.entries, NOW_NS, direction, folder.blocks())
    folder.apply(touches)
    for row in coming:
        item = folder.add(row)
        before = timeline.packed()
        inserted = folder.insert(timeline, item, direction)
        if inserted is None:
            assert timeline.packed() == before
            inserted, timeline = plan_with_timeline(
                folder.entries, NOW_NS, direction, folder.blocks()
            )
        else:
            assert len(inserted) <= 1
            assert all(touch.path == item.path for touch in inserted)
        folder.apply(inserted)
        check_order(folder, direction)
        assert folder.plan(direction) == []


@given(st.lists(files, min_size=1, max_size=12), st.data(), directions, modes)
@settings(max_examples=300)
def test_timeline_with_removed_and_reinserted_entries_leaves_a_plan_nothing(
    existing: list[Row], data: st.DataObject, direction: Direction, mode: Mode
) -> None:
    """Groups change, or files are deleted. The timeline may still contain the deleted files."""
    folder = Folder(mode)
    for row in existing:
        folder.add(row)
    touches, timeline = plan_with_timeline(folder.entries, NOW_NS, direction, folder.blocks())
    folder.apply(touches)
    for _ in range(data.draw(st.integers(0, 10))):
        unneeded = [item for item in folder.entries if folder.is_unneeded(item)]
        if unneeded and data.draw(st.booleans()):
            item = data.draw(st.sampled_from(unneeded))
            folder.entries.remove(item)
            if data.draw(st.booleans()):
                assert timeline.remove(item.second)
        item = folder.add(data.draw(files))
        inserted = folder.insert(timeline, item, direction)
        if inserted is None:
            inserted, timeline = plan_with_timeline(
                folder.entries, NOW_NS, direction, folder.blocks()
            )
        folder.apply(inserted)
        check_order(folder, direction)
        assert folder.plan(direction) == []


@given(st.lists(st.tuples(scores, deviations), max_size=8), modes)
def test_blocks_of_a_group_contain_each_member_once(
    scored: list[tuple[float, float]], mode: Mode
) -> None:
    members = [i for block in blocks_of(scored, mode) for i in block.members]
    assert sorted(members) == list(range(len(scored)))


def test_blocks_of_together_stand_where_the_best_would_stand() -> None:
    assert blocks_of([(0.4, 0.1), (0.9, 0.2)], "together") == [Block((0, 1), 0.4, 0.1)]


def test_blocks_of_best_on_top_puts_the_others_at_the_end_of_the_kept_part() -> None:
    scored = [(0.7, 0.1), (0.9, 0.1), (0.3, 0.1), (0.6, 0.1), (0.1, 0.0)]
    blocks = {block.members: block for block in blocks_of(scored, "best-on-top")}
    assert set(blocks) == {(0,), (2,), (4,), (1, 3)}
    assert all(blocks[i,][1:] == scored[i] for i in (0, 2, 4))
    end = blocks[1, 3]
    assert 0.499 < end.score <= end.score + end.deviation < 0.500001


def test_blocks_of_best_on_top_sorts_the_others_of_several_groups_by_score() -> None:
    ends = [blocks_of([(0.99, 0.0), (k / 100, 0.01)], "best-on-top")[-1] for k in range(50, 101)]
    assert all(a.score < b.score for a, b in pairwise(ends))
    assert ends[0].score + ends[0].deviation < ends[3].score - ends[3].deviation


def test_blocks_of_off_leaves_every_member_alone() -> None:
    scored = [(0.7, 0.1), (0.9, 0.1)]
    assert blocks_of(scored, "off") == [Block((0,), 0.7, 0.1), Block((1,), 0.9, 0.1)]


def ordered(count: int, direction: Direction = "best-newest") -> Folder:
    folder = Folder("together")
    for i in range(count):
        folder.add((NOW - 100 * i, i / count, 0.0, None, 0))
    folder.apply(folder.plan(direction))
    return folder


@pytest.mark.parametrize("direction", ["best-newest", "worst-newest"])
def test_plan_group_found_later_touches_all_members_but_the_best(direction: Direction) -> None:
    folder = ordered(1000, direction)
    members = [b"%06d" % i for i in (100, 300, 500, 700, 900)]
    for quality, path in enumerate(members):
        folder.group[path], folder.quality[path] = 1, quality
    touches = folder.plan(direction)
    assert {touch.path for touch in touches} == set(members[:-1])
    folder.apply(touches)
    check_order(folder, direction)


def test_plan_new_best_inside_a_block_touches_one_file() -> None:
    folder = ordered(100)
    for k in range(4):
        folder.add((NOW, 0.505, 0.02, 1, k))
    folder.apply(folder.plan("best-newest"))
    folder.add((NOW, 0.51, 0.02, 1, 9))
    (touch,) = folder.plan("best-newest")
    assert touch.path == b"000104"


def test_plan_two_files_of_a_block_with_new_scores_keep_their_dates() -> None:
    """The head is at chance inside a group, so its scores do not change the order there."""
    folder = ordered(100)
    for score in (0.501, 0.502):
        folder.add((NOW, score, 0.01, 1, 0))
    folder.apply(folder.plan("best-newest"))
    a, b = folder.entries[-2:]
    folder.entries[-2:] = [a._replace(score=0.503), b._replace(score=0.499)]
    assert folder.plan("best-newest") == []


def test_plan_foreign_file_inside_a_block_is_moved_out() -> None:
    folder = ordered(100)
    for k in range(4):
        folder.add((NOW, 0.505, 0.0, 1, k))
    folder.apply(folder.plan("best-newest"))
    inside = folder.entries[-2].second - 60
    folder.add((inside, 0.9, 0.0, None, 0))
    (touch,) = folder.plan("best-newest")
    assert touch.path == b"000104"


def test_block_for_second_best_member_is_the_whole_group() -> None:
    block = block_for([(0.5, 0.1), (0.6, 0.1), (0.7, 0.1)], 1, "together")
    assert block == Block((0, 1, 2), 0.5, 0.1)


def test_block_for_new_best_on_top_is_none() -> None:
    assert block_for([(0.8, 0.1), (0.7, 0.1)], 0, "best-on-top") is None


@given(
    st.lists(st.tuples(seconds, scores, st.just(0.02)), min_size=20, max_size=40),
    st.permutations(range(5)),
    directions,
)
@settings(max_examples=100)
def test_timeline_with_a_reranked_group_inserts_its_members_again(
    rows: list[tuple[int, float, float]], ranks: list[int], direction: Direction
) -> None:
    """The qualities of a group are measured after the group got its place."""
    folder = Folder("together")
    for row in rows:
        folder.add((*row, None, 0))
    for k in range(5):
        folder.add((NOW - 10**8, 0.5 + k / 1000, 0.02, 1, k))
    touches, timeline = plan_with_timeline(folder.entries, NOW_NS, direction, folder.blocks())
    folder.apply(touches)
    members = [item.path for item in folder.entries if folder.group[item.path] == 1]
    folder.quality |= dict(zip(members, ranks, strict=True))
    again = [folder.entries[i] for i in folder.members(1)]
    for item in again:
        assert timeline.remove(item.second)
    folder.entries = [item for item in folder.entries if item not in again]
    for item in again:
        folder.entries.append(item)
        inserted = folder.insert(timeline, item, direction, removed=True)
        if inserted is None:  # There is no room.
            return
        folder.apply(inserted)
    check_order(folder, direction)
    assert folder.plan(direction) == []
