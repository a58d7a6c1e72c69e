"""The checks of groups that come from a worker that a hostile image may have taken over."""

import math
from typing import Any

import msgspec
import pytest

from imgscore.store.similarity import IndexState, Link, cell_entry, frame_entry
from imgscore.workers.answer_checks import check
from imgscore.workers.group_messages import CompareNew, FindGroups, FoundGroup, GroupsFound
from imgscore.workers.messages import WrongAnswerError

NEW, OLD, OTHER = (name * 32 for name in (b"n", b"o", b"x"))
TASK = CompareNew([NEW])
GOOD = GroupsFound(
    last=True,
    done=[NEW],
    entries=[cell_entry(3, NEW, b"sketch")],
    links=[Link(NEW, OLD, 1, 0.9)],
    regrouped=[NEW, OLD],
    groups=[FoundGroup("near-duplicates", [OLD, NEW], "These images are almost equal.")],
)


def test_check_of_possible_groups_accepts_them() -> None:
    check(TASK, GOOD, None)
    check(FindGroups(), GroupsFound(last=False, first=True), None)


@pytest.mark.parametrize(
    "change",
    [
        {"first": True},
        {"last": False},
        {"state": IndexState("x", 1)},
        {"done": [OLD]},
        {"entries": [frame_entry(b"frame")]},
        {"entries": [cell_entry(3, OLD, b"sketch")]},
        {"links": [Link(OLD, OTHER, 1, 0.9)]},
        {"links": [Link(NEW, OLD, 1, 0.9, math.inf)]},
        {"groups": [FoundGroup("bursts", [NEW, OTHER], "")]},
        {"groups": [FoundGroup("bursts", [NEW, OLD], "", [(OTHER, OLD, 0.5)])]},
        {"groups": [FoundGroup("bursts", [NEW, OLD], ""), FoundGroup("bursts", [OLD, NEW], "")]},
    ],
)
def test_check_of_groups_that_reach_beyond_the_new_images_raises(change: dict[str, Any]) -> None:
    with pytest.raises(WrongAnswerError):
        check(TASK, msgspec.structs.replace(GOOD, **change), None)
