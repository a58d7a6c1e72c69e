"""The present work of imgscore and the next step of the user, until the first order is complete.

The commands `start` and `status` and a daemon in a terminal print these texts. No text contains a
long path, so that each fits into a line of 80 columns.
"""

from collections.abc import Sequence

from imgscore.engine.log_text import counted
from imgscore.engine.tastes import MIN_LABELS
from imgscore.escape import printable
from imgscore.verbs.status import Response, WatchStatus

MAX_NAME = 14
"""The largest number of characters of a folder name in a text: two names must fit into a line."""


MAX_ORDER_ITEMS = 10
"""The largest number of pending items that are probably orders. More items are images to read or
to measure for groups."""


def what_to_do(watch: WatchStatus) -> str | None:
    """Return the next step of the user before a watch can be ordered.

    None means that no step is needed: there are enough labels, or the inbox is offline.
    """
    if not watch.state.startswith("needs"):
        return None
    keep = max(0, MIN_LABELS - watch.labels.keep)
    trash = max(0, MIN_LABELS - watch.labels.trash)
    if not watch.files + watch.keep + watch.trash:
        return "put images into this folder"
    into_keep = f"into {_folder(watch.keep_folder, 'keep')}"
    into_trash = f"into {_folder(watch.trash_folder, 'trash')}"
    if not trash:
        return f"move at least {_images(keep)} that you like {into_keep}"
    if not keep:
        return f"move at least {_images(trash)} that you do not like {into_trash}"
    if (watch.keep_folder, watch.trash_folder) != ("keep", "trash"):  # the line would be too long
        return f"move at least {_images(keep)} {into_keep} and {trash} {into_trash}"
    return (
        f"move at least {_images(keep)} that you like {into_keep} and {trash} others {into_trash}"
    )


def _folder(path: str, label: str) -> str:
    """Return the name of a label folder, or a description if its path is long."""
    return f"{printable(path)}/" if len(path) <= MAX_NAME else f"a {label} folder"


def next_steps(status: Response) -> list[str]:
    """Return the present work of imgscore and the next step, until the first order is complete.

    Each text is one line. The list is empty if an inbox is in order, or if imgscore cannot go on:
    the command `status` then prints the reason.
    """
    watches = [watch for watch in status.watches if watch.state != "offline"]
    held = any(watch.state.startswith("held") for watch in watches)
    learned = any(watch.head is not None and watch.files for watch in watches)
    if status.state != "running" or not watches or held or (learned and not status.pending):
        return []
    steps = []
    known = sum(watch.files + watch.keep + watch.trash for watch in watches)
    todo = None if learned else next(filter(None, map(what_to_do, watches)), None)
    labels = _labels_text(watches, todo is not None)
    if status.waiting:
        steps.append(f"waiting: {status.waiting}; to process the files now: imgscore scan")
    elif learned:
        work = "ordering" if status.pending <= MAX_ORDER_ITEMS else "in order so far"
        steps.append(f"{work}: {counted(status.pending, 'item')} left")
    elif status.pending and known and todo is None:
        steps.append(f"reading images and learning: {counted(status.pending, 'item')} left")
    elif status.pending:
        steps.append(f"reading images: {known:,} read, {status.pending:,} left")
    if labels and not learned:
        steps.append(labels)
    if todo is not None and (known or not status.pending):
        steps.append(f"next: {todo}")
    if todo is None and not learned and not (status.waiting or status.pending):
        steps.insert(0, "learning from your labels")
    return steps


def _labels_text(watches: Sequence[WatchStatus], more: bool) -> str:
    """Return the number of labels of the first taste as text, or "" if it has none.

    `more`: whether the taste needs more labels for its first order.
    """
    labels = watches[0].labels
    if not labels.keep + labels.trash:
        return ""
    missing = max(0, MIN_LABELS - labels.keep) + max(0, MIN_LABELS - labels.trash)
    until = f"; {missing} more until the first order" if more and missing else ""
    return f"labels so far: {labels.keep} keep, {labels.trash} trash{until}"


def ordered_inbox(status: Response) -> str | None:
    """Return the first inbox that is in order, or None if there is none."""
    inboxes = (watch.inbox for watch in status.watches if watch.head is not None and watch.files)
    return next(inboxes, None)


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
