"""The checks of groups that come from a worker that a hostile image may have taken over."""

import math
from typing import Any

import msgspec
import pytest

from imgscore.store.pair_blocks import PairBlock
from imgscore.store.similarity import IndexState, Link, cell_entry, frame_entry
from imgscore.workers.answer_checks import check
from imgscore.workers.group_messages import (
    CompareNew,
    ComparePairs,
    FindGroups,
    FoundGroup,
    GroupsFound,
)
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


BLOCK = ComparePairs(7, PairBlock(NEW + OLD + OTHER, bytes([0, 0, 1, 0, 1, 0, 2, 0])))
"""The pairs (NEW, OLD) and (OLD, OTHER)."""


def test_check_of_links_of_the_pairs_of_a_block_accepts_them() -> None:
    links = [Link(NEW, OLD, 1, 0.9), Link(OTHER, OLD, 2, 0.8, 0.5)]
    check(BLOCK, GroupsFound(last=True, links=links), None)
    check(BLOCK, GroupsFound(last=True), None)


@pytest.mark.parametrize(
    "change",
    [
        {"links": [Link(NEW, OTHER, 1, 0.9)]},
        {"links": [Link(NEW, OLD, 1, math.nan)]},
        {"last": False},
        {"done": [OLD]},
        {"entries": [cell_entry(3, OLD, b"sketch")]},
        {"groups": [FoundGroup("bursts", [NEW, OLD], "")]},
        {"blocks": [PairBlock(NEW + OLD, bytes(4))]},
    ],
)
def test_check_of_a_block_with_other_links_raises(change: dict[str, Any]) -> None:
    found = GroupsFound(last=True, links=[Link(NEW, OLD, 1, 0.9)])
    with pytest.raises(WrongAnswerError):
        check(BLOCK, msgspec.structs.replace(found, **change), None)
