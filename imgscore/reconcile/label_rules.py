"""The rules that determine which label a digest gets from the folder of its file.

This module reads no files. A file in a keep folder gets the label keep, and a file in a trash
folder gets the label trash. If the file is moved back to the inbox, its label is cleared. If the
file is deleted or moved out of the watch, its label stays.
"""

from dataclasses import dataclass

from imgscore.store.schema import EventName, Label, Source
from imgscore.watches import Role

# The sources of labels that result from a file's folder. A move to the inbox clears such a label.
# It does not clear a label that the user set by a command or an import.
FROM_FOLDER: frozenset[Source] = frozenset({"place", "xdg_trash"})
# The longest duration of a move, in nanoseconds. A file that reappears within this time was moved.
# A file that reappears later is a new copy.
MOVE_WINDOW_NS = 60 * 10**9


@dataclass(frozen=True)
class Appearance:
    """A digest that was just seen at a path of a watch.

    In this text, "the label's file" is the file at `label.path`.

    label: the present label of the digest, or None.
    label_file_known: whether a file was ever seen at `label.path`.
    label_file_exists: whether the label's file is still at `label.path`.
    label_file_missed_ns: the nanoseconds for which the label's file has been missing. 0 means that
    no scan found it missing.
    same_file: whether the label's file and the file at `path` have the same inode.
    taught_elsewhere: whether a keep or trash folder contains a file with the digest.
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
    """Return the event to append to the label log. None means that the label does not change."""
    label = seen.label
    if seen.role != "inbox":
        if label is None or label.label != seen.role:
            return seen.role
        # The label's file was moved to another folder with the same label. Log the new path. Later,
        # the new path is needed to recognise a move back to the inbox.
        moved = (
            label.source in FROM_FOLDER and label.path != seen.path and not seen.label_file_exists
        )
        return seen.role if moved else None
    if label is None or label.source not in FROM_FOLDER or label.path == seen.path:
        return None
    if seen.label_file_exists or seen.taught_elsewhere:
        return None
    if not seen.label_file_known:
        # The store has never had a sighting for the label's path. The label comes from a move that
        # failed, so no file ever reached this path. Earlier versions of imgscore logged such failed
        # moves.
        return None
    moved_back = seen.same_file or seen.label_file_missed_ns < MOVE_WINDOW_NS
    return "clear" if moved_back else None


def trashed_event(label: Label | None, *, copy_stays: bool) -> EventName | None:
    """Return the event for an image that the user moved to the desktop's trash.

    None means that the label does not change. `copy_stays`: whether the watch still contains a copy
    of the image, or the other file of a RAW and JPEG pair. In this case, the result is None,
    because the user only deleted one of two similar files. The result is also None if the image
    already has the label trash.
    """
    return None if copy_stays or (label is not None and label.label == "trash") else "trash"
