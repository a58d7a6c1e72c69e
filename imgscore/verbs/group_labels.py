"""Functions for verbs that label the images of groups, or undo these labels.

All labels of a request are one act: `imgscore undo label` takes them back together. No image file
is read or moved.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from imgscore.grades import KEEP, TRASH, UNDECIDED
from imgscore.messages import Result
from imgscore.verbs.base import Steps, display_path
from imgscore.watches import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgscore.engine.engine import Engine
    from imgscore.engine.group_labels import GroupLabels, Member, Photo
    from imgscore.store.group_members import PresentGroup
    from imgscore.store.groups import Kind
    from imgscore.store.schema import LabelEvent
    from imgscore.store.transaction import Txn


class LabelledGroup(msgspec.Struct):
    """A group whose images got labels, would get labels, or were skipped."""

    kind: str
    """the kind of the group: `bursts` or `near-duplicates`"""
    files: list[str]
    """the paths of the images, the best image first"""
    why: str
    """one sentence about what the images have in common"""
    taste: str
    """the taste of the labels"""
    keep: str | None
    """the path of the image that got the label keep; null if an image of the group has this label
    already, or if the group was skipped"""
    trash: list[str]
    """the paths of the images that got the label trash"""
    kept: list[str]
    """the paths of the images that had the label keep before, or 4 or 5 stars. They can be
    outside of the given folder"""
    skipped: str | None
    """the reason why no image of the group got a label; null if the group was not skipped"""
    dry_run: bool = False
    """true if no label was stored, because this is a dry run"""
    error: str | None = None
    """always null"""


def label_best(
    engine: Engine, folder: bytes | None, kind: Kind | None, *, dry_run: bool
) -> Steps[LabelledGroup]:
    """Label the best image of each group keep, and the others trash.

    An image keeps the label that it has. `folder`: only images in this folder or below it get
    labels. `kind`: only the groups of this kind. Yield a row for each group with new labels, and
    for each group that was skipped. The labels of all groups are stored in one commit.
    """
    from imgscore.engine.group_labels import GroupLabels, raw_names
    from imgscore.store.group_members import present_groups

    now_ns = time.time_ns()
    tastes = list(dict.fromkeys(watch.taste for watch in engine.ctx.watches.all))
    place = engine.ctx.watches.locate(folder) if folder is not None else None
    rows: list[LabelledGroup] = []
    events: list[LabelEvent] = []
    with engine.ctx.store.read() as txn:
        names = raw_names(txn)
        for taste in tastes if place is None else [place.watch.taste]:
            inboxes = {watch.inbox for watch in engine.ctx.watches.all if watch.taste == taste}
            act = GroupLabels(engine.ctx.watches, taste, now_ns=now_ns, raw_names=names)
            for group in present_groups(txn, inboxes, kind=kind):
                row = _label_best(txn, act, group, folder)
                if row.keep is not None or row.trash or row.skipped is not None:
                    row.taste, row.dry_run = taste, dry_run
                    rows.append(row)
            events += act.events
    if not dry_run:
        _commit(engine, events)
    yield from map(Result, rows)


def _label_best(
    txn: Txn, act: GroupLabels, group: PresentGroup, folder: bytes | None
) -> LabelledGroup:
    """Collect the labels of one group."""
    from imgscore.engine.group_labels import Member
    from imgscore.groups.choice import choose

    members: list[Member] = []
    inside: set[int] = set()
    for at, present in enumerate(group.members):
        paths = [path for path in present.paths if folder is None or within(path, folder)]
        members.append(Member(present.digest, (paths or present.paths)[0]))
        if paths:
            inside.add(at)
    photos = act.photos(txn, members)
    listed = [photo for photo in photos if not inside.isdisjoint(photo.at)]
    kept = [photo for photo in photos if photo.grade is not None and photo.grade > UNDECIDED]
    choice = choose(
        [photo.grade for photo in listed],
        kept_elsewhere=any(inside.isdisjoint(photo.at) for photo in kept),
    )

    def files(photo: Photo) -> list[str]:
        places = [at for at in photo.at if at in inside] or photo.at
        return [display_path(members[at].path) for at in places]

    if choice.keep is not None:
        photo = listed[choice.keep]
        act.add(txn, photo, os.fsencode(files(photo)[0]), KEEP)
    for at in choice.trash:
        act.add(txn, listed[at], os.fsencode(files(listed[at])[0]), TRASH)
    return LabelledGroup(
        kind=group.kind,
        files=[display_path(members[at].path) for at in sorted(inside)],
        why=group.why,
        taste="",
        keep=None if choice.keep is None else files(listed[choice.keep])[0],
        trash=[file for at in choice.trash for file in files(listed[at])],
        kept=[file for photo in kept for file in files(photo)],
        skipped=choice.skipped,
    )


def keep_and_trash(
    engine: Engine, taste: str, kept: Sequence[Member], trashed: Sequence[Member]
) -> dict[Member, int | None]:
    """Label the images of a group in one commit.

    Return the images, and each RAW or JPEG that shares a label with one of them, with the number of
    the label in the log. The number is None if nothing was logged.

    A label with the wanted name stays: 4 stars are a label keep. If a RAW or its JPEG is in `kept`,
    both get the label keep.
    """
    from imgscore.engine.group_labels import GroupLabels, Member, changes_name

    keep = {member.digest for member in kept}
    # Of two files with equal bytes, one is enough. The images to keep are labelled first.
    members = list({member.digest: member for member in (*kept, *trashed)}.values())
    act = GroupLabels(engine.ctx.watches, taste, now_ns=time.time_ns(), raw_names=None)
    with engine.ctx.store.read() as txn:
        for photo in act.photos(txn, members):
            grade = TRASH if keep.isdisjoint(photo.digests) else KEEP
            if changes_name(photo.grade, grade):
                act.add(txn, photo, members[photo.at[0]].path, grade)
    logged = _commit(engine, act.events)
    paths = {member.digest: member.path for member in members}
    for event in logged.values():
        paths.setdefault(event.digest, event.path)
    numbers = {event.digest: number for number, event in logged.items()}
    return {Member(digest, path): numbers.get(digest) for digest, path in paths.items()}


def undo_together(
    engine: Engine, taste: str, numbers: Iterable[int]
) -> tuple[list[LabelEvent], list[LabelEvent]]:
    """Undo labels of one act in one commit. `numbers`: their numbers in the log.

    Return the events that took labels back, and the last events of the images that have got a later
    label and keep it.
    """
    from imgscore.engine.group_labels import withdrawn

    with engine.ctx.store.read() as txn:
        events, later = withdrawn(txn, taste, numbers)
    _commit(engine, events)
    return events, later


def _commit(engine: Engine, events: list[LabelEvent]) -> dict[int, LabelEvent]:
    """Log events in one commit, and return them by their numbers in the log."""
    from imgscore.store import labels

    if not events:
        return {}

    def log(txn: Txn) -> dict[int, LabelEvent]:
        return {labels.append(txn, event): event for event in events}

    logged = engine.ctx.store.commit(log)
    for taste in sorted({event.taste for event in events}):
        engine.trainer.relearn(taste)
    return logged
