"""The tasks to find groups of similar images, and their answer. `messages` lists them."""

from typing import ClassVar

import msgspec

from imgscore.store.groups import Kind, Whole
from imgscore.store.pair_blocks import BLOCK_PAIRS, PairBlock
from imgscore.store.similarity import IndexState, Link


class FindPairs(msgspec.Struct, tag=True, frozen=True):
    """The task to make a new index, and to choose the pairs of images that must be compared.

    This is the first step of a comparison of all images. `ComparePairs` and `FindGroups` follow. If
    there are only few pairs, the answer contains the groups.
    """

    handler: ClassVar[str] = "find_pairs:find_pairs"
    seconds: ClassVar[int] = 6 * 3600
    block_pairs: int = BLOCK_PAIRS


class ComparePairs(msgspec.Struct, tag=True, frozen=True):
    """The task to compare the pairs of images of a block.

    File workers do it, because there is one for each CPU. The result of a block does not depend on
    other blocks.
    """

    handler: ClassVar[str] = "compare_pairs:compare_pairs"
    seconds: ClassVar[int] = 600
    number: int
    block: PairBlock


class FindGroups(msgspec.Struct, tag=True, frozen=True):
    """The task to make new groups of all images from the links in the store.

    `completed`: whether the images that are linked only through others were compared, too. If not,
    the answer contains their pairs instead of groups, if there are any.
    """

    handler: ClassVar[str] = "find_groups:find_groups"
    seconds: ClassVar[int] = 6 * 3600
    completed: bool = False


class CompareNew(msgspec.Struct, tag=True, frozen=True):
    """The task to compare new images with the images in the index, and to group them.

    A file worker does it: after a new file, one is running, and the start of the trainer takes more
    time than the task.
    """

    handler: ClassVar[str] = "compare_new:compare_new"
    digests: list[bytes]


class FoundGroup(msgspec.Struct, array_like=True, frozen=True):
    """A group. The fields are those of `store.groups.NewGroup`."""

    kind: Kind
    members: list[bytes]
    why: str
    wholes: list[Whole] = []


class GroupsFound(msgspec.Struct, tag=True, frozen=True):
    """The answer to one of these tasks, or a part of the answer.

    `first`: whether the old index must be deleted before this part is stored. `done`: the images
    that were compared. `entries`, `links`: what must be added to the index. `blocks`: pairs that
    must be compared before the groups can be made. `regrouped`: the images whose groups are
    replaced by `groups`. `state`: what the index contains; only the last part of all groups has it.
    `last`: whether this is the last part.
    """

    last: bool
    first: bool = False
    done: list[bytes] = []
    entries: list[tuple[bytes, bytes]] = []
    links: list[Link] = []
    regrouped: list[bytes] = []
    groups: list[FoundGroup] = []
    state: IndexState | None = None
    blocks: list[PairBlock] = []
