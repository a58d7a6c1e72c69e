"""The place of a file in its group, for `explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.verbs.base import display_path
from imgscore.verbs.groups import EQUAL_BYTES

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class GroupPlace(msgspec.Struct):
    """The place of a file in a group of similar images of its inbox."""

    kind: str
    """the kind of the group: `bursts`, `near-duplicates` or `copies`"""
    why: str
    """the reason why the images are a group, as one sentence"""
    place: int
    """the rank of the file in the group; 1 is the best image"""
    size: int
    """the number of files of the group that are in the inbox"""
    best: str
    """the path of the best image"""
    order: str
    """the setting `groups` of the inbox: `together`, `best-on-top` or `off`"""


def group_place(engine: Engine, path: bytes, digest: bytes) -> GroupPlace | None:
    """Return the place of a file in its group.

    Return None if the file is in no inbox, or if no other file of its group is in the inbox.
    """
    from imgscore.store import groups
    from imgscore.workers.inbox_groups import best_first, members_of

    place = engine.ctx.watches.image_place(path)
    if place is None or place.role != "inbox":
        return None
    with engine.ctx.store.read() as txn:
        members = members_of(txn, place.watch, [path])
        if len(members) < groups.MIN_MEMBERS:
            return None
        ranked = best_first(txn, place.watch.taste, members)
        group = groups.of(txn, digest)
    return GroupPlace(
        kind="copies" if group is None else group.kind,
        why=EQUAL_BYTES if group is None else group.why,
        place=ranked.index(path) + 1,
        size=len(ranked),
        best=display_path(ranked[0]),
        order=place.watch.groups,
    )
