"""The rules that determine which label a digest gets from the folders of its files.

This module reads no files. docs/labels.md contains the same rules as a table. A place label belongs
to the file at a path. It follows this path if the bytes of the file are replaced.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from imgscore import grades
from imgscore.store.schema import Label, Source
from imgscore.watches import Role, grade_of

# The sources of labels that result from a file's folder. A move to the inbox clears such a label.
# It does not clear a label that the user set by a command or an import.
FROM_FOLDER: frozenset[Source] = frozenset({"place", "xdg_trash"})
# The longest duration of a move, in nanoseconds. A file that reappears within this time was moved.
# A file that reappears later is a new copy.
MOVE_WINDOW_NS = 60 * 10**9
# The longest time for which a program that saves a file leaves its path empty, in nanoseconds. A
# file that appears at the path later is another image. Slow programs need a few seconds.
SAVE_WINDOW_NS = 10 * 10**9

What = Literal["appeared", "rewritten", "left", "replaced"]
"""A change of the files with one digest.

"appeared": a file with the digest is new at a path. "rewritten": the bytes of a file were replaced
by new bytes, and the digest is that of the new bytes. "left": a file with the digest has left a
path. "replaced": the bytes of a file were replaced by new bytes, and the digest is that of the old
bytes.
"""


@dataclass(frozen=True)
class Change:
    """A change of the files with one digest, and the present places of these files.

    what: the kind of the change.
    role: the role of the folder in which the change happened.
    label: the label of the digest before the change, or None.
    standing: the grades of the label folders that contain a file with the digest after the change.
    The grade of the file that was moved or copied last comes first.
    in_inbox: whether an inbox contains a file with the digest after the change.
    moved_back: only for "appeared" in an inbox: whether the file was in a label folder before.
    folder_renamed: whether the user renamed the whole label folder that contained the file.
    label_file_lost: whether the file that gave the label has left its path.
    former: only for "rewritten": the label of the old bytes, or None.
    former_stands: only for "rewritten": whether a label folder contains another file with the old
    bytes.
    rating: the grade of the rating that a file with the digest has, or None.
    """

    what: What
    role: Role
    label: Label | None
    standing: tuple[float, ...] = ()
    in_inbox: bool = False
    moved_back: bool = False
    folder_renamed: bool = False
    label_file_lost: bool = False
    former: Label | None = None
    former_stands: bool = False
    rating: float | None = None


class Decision(NamedTuple):
    """The grade of the event to append to the label log, and the source of this event.

    `grade`: None means that the event clears the label.
    """

    grade: float | None
    source: Source = "place"


def label_event(change: Change) -> Decision | None:
    """Return the event to append to the label log. None means that the label does not change."""
    match change.what:
        case "appeared":
            taught = grade_of(change.role)
            if taught is None:
                return _without_teacher(change, clear=change.moved_back)
            return _in_label_folder(change, taught)
        case "rewritten":
            return _rewritten(change)
        case "left":
            return _without_teacher(change, clear=change.in_inbox and change.role != "inbox")
        case "replaced":
            return _replaced(change)


def _in_label_folder(change: Change, taught: float) -> Decision | None:
    """Decide about the label of a file in a label folder that teaches the grade `taught`."""
    label = change.label
    if label is None or label.grade != taught or label.source not in FROM_FOLDER:
        return Decision(taught)
    # The file was moved to another folder with the same label. Log the new path.
    return Decision(taught) if change.label_file_lost else None


def _without_teacher(change: Change, *, clear: bool) -> Decision | None:
    """Decide about a label that may have lost the last file in a label folder.

    `clear`: whether the label is cleared if no label folder contains a file with the digest. If the
    image has a rating, the rating gives the label again, which the folder had replaced.
    """
    label = change.label
    if label is None or label.source not in FROM_FOLDER or label.grade in change.standing:
        return None
    if change.standing:
        return Decision(change.standing[0])
    if not clear or change.folder_renamed:
        return None
    return Decision(None) if change.rating is None else Decision(change.rating, "rating")


def _rewritten(change: Change) -> Decision | None:
    """Decide about the label of new bytes. The label of the file follows the file."""
    former = change.former
    if former is not None and former.source in FROM_FOLDER:
        # The label belongs to the other file if that file stands in a label folder.
        former = None if change.former_stands or change.role != "inbox" else former
    if former is None:
        taught = grade_of(change.role)
        return None if taught is None else _in_label_folder(change, taught)
    if change.label is not None and change.role == "inbox":
        return None
    return Decision(former.grade, former.source)


def _replaced(change: Change) -> Decision | None:
    """Decide about the label of old bytes. The label is cleared unless another file has these
    bytes."""
    label = change.label
    if label is None or label.grade in change.standing:
        return None
    if label.source not in FROM_FOLDER:
        nowhere = not change.standing and not change.in_inbox
        return Decision(None, "rewrite") if nowhere else None
    if change.standing:
        return Decision(change.standing[0])
    if change.role == "inbox" and change.in_inbox:
        return None
    if change.in_inbox and change.rating is not None:
        return Decision(change.rating, "rating")
    return Decision(None, "rewrite")


def is_trashed(label: Label | None, *, copy_stays: bool) -> bool:
    """Return whether an image that the user moved to the desktop's trash gets the label trash.

    `copy_stays`: whether the watch still contains a copy of the image, or the other file of a RAW
    and JPEG pair. In this case, the result is False, because the user only deleted one of two
    similar files. The result is also False if the image already has the label trash.
    """
    return not copy_stays and (label is None or label.grade != grades.TRASH)
