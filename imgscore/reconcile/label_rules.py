"""The label rules: which label a digest gets from the folder that its file is in. Pure.

In a keep folder: keep. In a trash folder: trash. Moved back to the inbox: the label is cleared.
Deleted, or moved out of the watch: the label stays.
"""

from dataclasses import dataclass

from imgscore.store.schema import EventName, Label, Source
from imgscore.watches import Role

# Sources of labels that come from a file's folder. A move clears only such a label; one that the
# user gave by a command or an import stays.
FROM_FOLDER: frozenset[Source] = frozenset({"place", "xdg_trash"})
# Nanoseconds. A file that reappears within this time was moved; later, it is a new copy.
MOVE_WINDOW_NS = 60 * 10**9


@dataclass(frozen=True)
class Appearance:
    """A digest that was just seen at a path of a watch.

    label: its present label; the "label's file" below is the file at `label.path`.
    label_file_known: whether a file was ever seen at the label's path.
    label_file_exists: whether the label's file is still at its path.
    label_file_missed_ns: how long the label's file has been missing; 0 if no scan missed it.
    same_file: whether the label's file and this one have the same inode.
    taught_elsewhere: whether a copy of the digest is in a keep or trash folder.
    """

    path: bytes
    role: Role
    label: Label | None
    label_file_known: bool = True
    label_file_exists: bool = False
    label_file_missed_ns: int = 0
    same_file: bool = False
    taught_elsewhere: bool = False


def label_event(seen: Appearance) -> EventName | None:
    """Return the event to append to the label log, or None."""
    label = seen.label
    if seen.role != "inbox":
        if label is None or label.label != seen.role:
            return seen.role
        # The label's file was moved to another folder of the same label: log its new path, by
        # which a later move back to the inbox is recognised.
        moved = (
            label.source in FROM_FOLDER and label.path != seen.path and not seen.label_file_exists
        )
        return seen.role if moved else None
    if label is None or label.source not in FROM_FOLDER or label.path == seen.path:
        return None
    if seen.label_file_exists or seen.taught_elsewhere:
        return None
    if not seen.label_file_known:  # the log of an earlier version has a move that failed
        return None
    moved_back = seen.same_file or seen.label_file_missed_ns < MOVE_WINDOW_NS
    return "clear" if moved_back else None


def trashed_event(label: Label | None, *, copy_stays: bool) -> EventName | None:
    """Return the event for an image that was deleted into the desktop's trash, or None.

    `copy_stays`: whether a copy is still in the watch. Deleting one of two copies is tidying up,
    and labels nothing; so is deleting the RAW or the JPEG of a pair.
    """
    return None if copy_stays or (label is not None and label.label == "trash") else "trash"
