"""The events that `watch-log` prints, one struct each; docs/guide.md lists them."""

import time

import msgspec


class _Event(msgspec.Struct, tag_field="event", kw_only=True):
    time_ns: int = msgspec.field(default_factory=time.time_ns)
    """when it happened, in nanoseconds since 1970"""


class Failed(_Event, tag="failed"):
    """A file could not be embedded or scored, or a taste could not be trained."""

    path: str | None
    """the file; null if the failure is not about a file"""
    reason: str
    """what is wrong"""
    remedy: str
    """what to do; may be empty"""


class Following(_Event, tag="following"):
    """`watch-log` is connected: events follow from now on."""


class Labelled(_Event, tag="label"):
    """An image got a label, or lost it."""

    path: str
    """where the image lay"""
    sha256: str
    """the digest of the image"""
    label: str
    """`keep`, `trash` or `clear`"""
    source: str
    """where the label comes from: `place`, `xdg_trash`, `cli`, `import` or `undo`"""
    taste: str
    """the taste that learns from the label"""


class ManyLabelled(_Event, tag="labels"):
    """Many images got a label at once."""

    keep: int
    """how many were labelled keep"""
    trash: int
    """how many were labelled trash"""
    clear: int
    """how many lost their label"""


class _DatesSet(_Event):
    inbox: str | None
    """the inbox; null if the files lie in no inbox"""
    files: int
    """how many files got another date"""


class Ordered(_DatesSet, tag="ordered"):
    """An inbox was brought into score order."""


class Restored(_DatesSet, tag="restored"):
    """Files got their own dates back."""


class Undone(_DatesSet, tag="undone"):
    """An ordering was undone."""


class Paused(_Event, tag="paused"):
    """The user paused the daemon."""


class Resumed(_Event, tag="resumed"):
    """A pause ended."""


class Rescored(_Event, tag="rescored"):
    """The images of a taste were scored with another head."""

    taste: str
    """the taste"""
    head: str
    """the version of the head"""
    files: int
    """how many images were scored"""


class Scored(_Event, tag="scored"):
    """An image was embedded and scored."""

    path: str
    """the file"""
    sha256: str
    """the digest of the image"""
    score: float | None
    """the probability that you keep it; null without a head"""
    taste: str
    """the taste that scored it"""
    head: str | None
    """the version of the head; null without a head"""


class Trained(_Event, tag="trained"):
    """A head was trained."""

    taste: str
    """the taste"""
    head: str
    """the version of the head"""
    labels: int
    """from how many labels it was trained"""
    used: bool
    """whether it is in use; a head that is worse than the one before is not"""


class Problem(_Event, tag="trouble"):
    """Something outside imgscore is wrong, such as a full disk."""

    reason: str
    """what is wrong, and what to do"""


Event = (
    Failed
    | Following
    | Labelled
    | ManyLabelled
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
