"""The tasks to find groups of similar images, and their answer. `messages` lists them."""

from typing import ClassVar

import msgspec

from imgscore.store.groups import Kind, Whole
from imgscore.store.similarity import IndexState, Link


class FindGroups(msgspec.Struct, tag=True, frozen=True):
    """The task to make a new index, and new groups of all images."""

    handler: ClassVar[str] = "find_groups:find_groups"
    seconds: ClassVar[int] = 6 * 3600


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
    """A part of the answer to FindGroups, or the answer to CompareNew.

    `first`: whether the old index must be deleted before this part is stored. `done`: the images
    that were compared. `entries`, `links`: what must be added to the index. `regrouped`: the images
    whose groups are replaced by `groups`. `state`: what the index contains; only the last part of a
    new index has it. `last`: whether this is the last part.
    """

    last: bool
    first: bool = False
    done: list[bytes] = []
    entries: list[tuple[bytes, bytes]] = []
    links: list[Link] = []
    regrouped: list[bytes] = []
    groups: list[FoundGroup] = []
    state: IndexState | None = None
