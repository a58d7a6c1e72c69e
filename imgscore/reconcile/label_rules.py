"""The label rules: what a place says about a digest. Pure.

Found in a keep folder = keep; in a trash folder = trash; moved back to the inbox = cleared; gone
from disk, or out of the watch = the label stays.
"""

from dataclasses import dataclass

from imgscore.store.schema import EventName, Label, Source
from imgscore.watches import Role

# A label from where a file was found; any other was said, and a move does not take it back.
FOUND: frozenset[Source] = frozenset({"place", "xdg_trash"})
# A file that came back this long after it went missing was moved; later, it was brought anew.
MOVE_WINDOW_NS = 60 * 10**9


@dataclass(frozen=True)
class Appearance:
    """A digest newly seen at a path in a place, and what is known about it.

    `label_file_known`: whether a file was ever seen where the label says that it stood.
    `label_file_exists`: whether the file that gave the label still stands where it stood.
    `label_file_missed_ns`: how long that file has been missing, 0 where it was not missed before.
    `same_file`: whether that file and this one are one inode.
    `taught_elsewhere`: whether a copy of the digest stands in a keep or trash folder.
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
    """What the appearance adds to the label log, or None."""
    label = seen.label
    if seen.role != "inbox":
        if label is None or label.label != seen.role:
            return seen.role
        # The same label from a new place is worth a line when the old place is gone: the label's
        # path is how a move back to the inbox is known.
        moved = label.source in FOUND and label.path != seen.path and not seen.label_file_exists
        return seen.role if moved else None
    if label is None or label.source not in FOUND or label.path == seen.path:
        return None
    if seen.label_file_exists or seen.taught_elsewhere:
        return None
    if not seen.label_file_known:  # a move that was logged, and never done
        return None
    moved_back = seen.same_file or seen.label_file_missed_ns < MOVE_WINDOW_NS
    return "clear" if moved_back else None


def deletion_event(label: Label | None, *, copy_stays: bool) -> EventName | None:
    """What an image adds to the label log that was deleted into the desktop's trash.

    Who deletes one of two copies tidies up: while the other stays, that is no verdict. So it is
    with a RAW and its JPEG.
    """
    return None if copy_stays or (label is not None and label.label == "trash") else "trash"
