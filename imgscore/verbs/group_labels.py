"""Functions for verbs that label the images of groups, or undo these labels.

All labels of a request are one act: `imgscore undo label` takes them back together. No image file
is read or moved.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imgscore.grades import KEEP, TRASH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgscore.engine.engine import Engine
    from imgscore.engine.group_labels import Member
    from imgscore.store.schema import LabelEvent
    from imgscore.store.transaction import Txn


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

    members = list(dict.fromkeys([*kept, *trashed]))
    act = GroupLabels(engine.ctx.watches, taste, now_ns=time.time_ns(), raw_names=None)
    with engine.ctx.store.read() as txn:
        for photo in act.photos(txn, members):
            grade = KEEP if any(at < len(kept) for at in photo.at) else TRASH
            if changes_name(photo.grade, grade):
                act.add(txn, photo, members[photo.at[0]].path, grade)
    logged = _commit(engine, taste, act.events)
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
    _commit(engine, taste, events)
    return events, later


def _commit(engine: Engine, taste: str, events: list[LabelEvent]) -> dict[int, LabelEvent]:
    """Log events in one commit, and return them by their numbers in the log."""
    from imgscore.store import labels

    if not events:
        return {}

    def log(txn: Txn) -> dict[int, LabelEvent]:
        return {labels.append(txn, event): event for event in events}

    logged = engine.ctx.store.commit(log)
    engine.trainer.relearn(taste)
    return logged
