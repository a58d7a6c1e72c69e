"""The events that `watch-log` prints. Each kind of event is a struct.

docs/guide.md contains a list of the events.
"""

import time

import msgspec


class _Event(msgspec.Struct, tag_field="event", kw_only=True):
    time_ns: int = msgspec.field(default_factory=time.time_ns)
    """the time of the event, in nanoseconds since 1970"""


class Failed(_Event, tag="failed"):
    """A file could not be embedded or scored, or a taste could not be trained."""

    path: str | None
    """the path of the file; null if the failure is not about a file"""
    reason: str
    """the problem"""
    remedy: str
    """a remedy for the problem; may be empty"""


class Following(_Event, tag="following"):
    """The connection of `watch-log` to the daemon is ready. All later events will be printed."""


class Labelled(_Event, tag="label"):
    """An image got a label, or its label was cleared."""

    path: str
    """the path of the image when its label changed"""
    sha256: str
    """the digest of the image"""
    label: str
    """`keep`, `undecided` or `trash`; `clear` if the label was cleared"""
    source: str
    """the origin of the label: `place`, `xdg_trash`, `rating`, `cli`, `import`, `undo` or
    `rewrite`"""
    taste: str
    """the taste that learns from the label"""
    grade: float | None = None
    """the grade, from 0 (trash) to 1 (keep); null if the label was cleared"""


class ManyLabelled(_Event, tag="labels"):
    """Many images were labelled, or their labels were cleared, at the same time."""

    keep: int
    """the number of images that got the label keep"""
    trash: int
    """the number of images that got the label trash"""
    clear: int
    """the number of images whose label was cleared"""
    undecided: int = 0
    """the number of images that got the label undecided"""


class MassChange(_Event, tag="mass_change"):
    """Many labels were cleared or flipped at once, because files were moved."""

    cleared: int
    """the number of labels that were cleared"""
    flipped: int
    """the number of labels that changed to another label, such as from keep to trash"""
    remedy: str
    """how to undo this"""


class _DatesSet(_Event):
    inbox: str | None
    """the path of the inbox; null if the files are in no inbox"""
    files: int
    """the number of files whose date changed"""


class Ordered(_DatesSet, tag="ordered"):
    """The files of an inbox got dates in the order of their scores."""


class Restored(_DatesSet, tag="restored"):
    """Files got their original dates back."""


class Undone(_DatesSet, tag="undone"):
    """An ordering was undone."""


class Paused(_Event, tag="paused"):
    """The user paused the daemon."""


class Resumed(_Event, tag="resumed"):
    """The daemon continues after a pause."""


class Rescored(_Event, tag="rescored"):
    """The images of a taste got new scores from another head."""

    taste: str
    """the name of the taste"""
    head: str
    """the version of the head"""
    files: int
    """the number of images that got new scores"""


class Scored(_Event, tag="scored"):
    """An image was embedded and scored."""

    path: str
    """the path of the file"""
    sha256: str
    """the digest of the image"""
    score: float | None
    """the probability that you would keep the image, from 0 to 1; null if there is no head"""
    taste: str
    """the taste to which the score belongs"""
    head: str | None
    """the version of the head; null if there is no head"""


class Trained(_Event, tag="trained"):
    """A head was trained."""

    taste: str
    """the name of the taste"""
    head: str
    """the version of the head"""
    labels: int
    """the number of labels in the training"""
    used: bool
    """true if the new head was accepted; false if it was worse than the previous head"""


class Problem(_Event, tag="trouble"):
    """Something outside imgscore is wrong, such as a full disk."""

    reason: str
    """the problem and a remedy"""


Event = (
    Failed
    | Following
    | Labelled
    | ManyLabelled
    | MassChange
    | Ordered
    | Paused
    | Problem
    | Rescored
    | Restored
    | Resumed
    | Scored
    | Trained
    | Undone
)
