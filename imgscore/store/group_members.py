"""The groups with the images that are on disk now, the best image of each group first.

Every reader that shows or uses the best image of a group reads it here, so that all agree.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from imgscore.groups.best import Quality, best_first
from imgscore.groups.copy_names import original_first
from imgscore.store import groups, sightings
from imgscore.store.group_order import positions, quality_of
from imgscore.store.groups import MIN_MEMBERS, Group, Kind
from imgscore.store.transaction import Txn
from imgscore.watches import within


class File(NamedTuple):
    """A file of an image. `size`: in bytes."""

    path: bytes
    size: int


class PresentMember(NamedTuple):
    """An image of a group. `paths`: the paths at which it is now, the original first."""

    digest: bytes
    paths: tuple[bytes, ...]
    quality: Quality


class PresentGroup(NamedTuple):
    """A group with at least two images that are on disk. `members`: the best image first."""

    number: int
    kind: Kind
    why: str
    members: tuple[PresentMember, ...]


def present_groups(
    txn: Txn, inboxes: Collection[bytes], folder: bytes | None = None, kind: Kind | None = None
) -> Iterator[PresentGroup]:
    """Yield the groups of images in the watches of `inboxes`, in the order of their numbers.

    `folder`: use only the images in this folder or below it. `kind`: yield only this kind.
    """
    for group in groups.iter_all(txn):
        if kind is None or group.kind == kind:
            present = present_group(txn, group, inboxes, folder)
            if present is not None:
                yield present


def groups_among(
    txn: Txn,
    files_of: Callable[[bytes], Sequence[File]],
    quality: Callable[[bytes], Quality],
) -> Iterator[PresentGroup]:
    """Yield the groups of some images, as `present_groups` does.

    A caller that has read all sightings and traits gives them: `files_of` returns the files of a
    digest that count, and `quality` its quality. To read them again would take three times as long.
    """
    for group in groups.iter_all(txn):
        members = []
        for digest in group.members:
            files = files_of(digest)
            if files:
                members.append(_member(digest, files, quality))
        if len(members) >= MIN_MEMBERS:
            yield _ranked(group, members)


def present_group(
    txn: Txn, group: Group, inboxes: Collection[bytes], folder: bytes | None = None
) -> PresentGroup | None:
    """Return a group with its images in the watches of `inboxes`.

    An image in a trash folder is left out. Return None if fewer than two images are left. For
    `folder`, see `present_groups`.
    """
    members: list[PresentMember] = []
    quality = partial(quality_of, txn)
    for digest in group.members:
        files = [
            File(sighting.path, sighting.seen.size)
            for sighting in sightings.of_digest(txn, digest)
            if not sighting.gone_ns
            and sighting.role != "trash"
            and sighting.inbox in inboxes
            and (folder is None or within(sighting.path, folder))
        ]
        if files:
            members.append(_member(digest, files, quality))
    return None if len(members) < MIN_MEMBERS else _ranked(group, members)


def _member(
    digest: bytes, files: Sequence[File], quality_of: Callable[[bytes], Quality]
) -> PresentMember:
    paths = [file.path for file in files]
    if len(paths) > 1:
        paths.sort(key=original_first)
    quality = quality_of(digest)
    if quality.bytes is None:
        quality = quality._replace(bytes=files[0].size)
    return PresentMember(digest, tuple(paths), quality)


def _ranked(group: Group, members: list[PresentMember]) -> PresentGroup:
    places = positions([member.digest for member in members], group.wholes)
    ranks = best_first([member.quality for member in members], places)
    return PresentGroup(group.number, group.kind, group.why, tuple(members[at] for at in ranks))
