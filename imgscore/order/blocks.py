"""This module decides where the entries of a group stand in the order.

A group contains the entries of similar images. A block is a part of a group that stands
together: no other entry is between the entries of a block. A block has one position, and in the
block the best entry comes first. The functions read no files.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from imgscore.grades import UNDECIDED

Mode = Literal["together", "best-on-top", "off"]
"""The value of the setting `groups`."""

# The range of scores that the copies of a better image share, if they stand at the end of the kept
# part. No head gives two images scores that differ by less, so no other image is in this range.
_END_OF_KEPT = 1e-6


class Block(NamedTuple):
    """Entries that stand together.

    `members`: numbers of entries, the best entry first. The caller chooses the numbers. `score` and
    `deviation`: the interval that decides the position of the block.
    """

    members: tuple[int, ...]
    score: float
    deviation: float


def blocks_of(scored: Sequence[tuple[float, float]], mode: Mode) -> list[Block]:
    """Return the blocks of one group.

    `scored`: (score, deviation) of each member, the best member first. The members of the returned
    blocks are indices of `scored`; each index is in one block.

    "together": All members are one block. It stands where the best member would stand alone. The
    mean and the highest score were not used: with the mean, the only good image of a burst would
    stand among bad images. The highest score of many members is high by chance.

    "best-on-top": The best member stands alone, where its score puts it. The other members with a
    score of at least 0.5 are a block at the score 0.5, below all images that are more likely kept.
    Several such blocks are sorted by score. The members with a lower score stand alone.
    """
    if mode == "together" and scored:
        return [Block(tuple(range(len(scored))), *scored[0])]
    alone = [Block((i,), *row) for i, row in enumerate(scored)]
    if mode == "off":
        return alone
    others = [i for i in range(1, len(scored)) if scored[i][0] >= UNDECIDED]
    if not others:
        return alone
    score, deviation = scored[others[0]]
    low = UNDECIDED - _END_OF_KEPT * (1 - score)
    end = Block(tuple(others), low, _END_OF_KEPT * deviation)
    return [block for block in alone if block.members[0] not in others] + [end]


def block_for(scored: Sequence[tuple[float, float]], new: int, mode: Mode) -> Block | None:
    """Return the block of the member `new`, if the other members need no other positions for it.

    `scored`: as in `blocks_of`, with the new member. Return None if another member changes its
    block, for example because the new member is better than the one that stands alone.
    """
    rest = [i for i in range(len(scored)) if i != new]
    before = {
        frozenset(rest[k] for k in block.members): block[1:]
        for block in blocks_of([scored[i] for i in rest], mode)
    }
    found: Block | None = None
    for block in blocks_of(scored, mode):
        others = frozenset(block.members) - {new}
        if new in block.members:
            found = block
        elif before.get(others) != block[1:]:
            return None
        if others and others not in before:
            return None
    return found
