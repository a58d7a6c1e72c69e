"""The task to read the ratings of an image, and its answer. `messages` lists both."""

from typing import ClassVar, Literal

import msgspec

from imgscore.store.schema import Fingerprint


class ReadRatings(msgspec.Struct, tag=True, frozen=True):
    """The task to read the ratings that other programs have stored for the image at `path`."""

    handler: ClassVar[str] = "read_ratings:read_ratings"
    path: bytes


class RatingSource(msgspec.Struct, frozen=True, array_like=True):
    """One place that can contain the rating of an image.

    `name`: `sidecar` (`a.jpg.xmp`), `stem` (`a.xmp`), `file` or `xattr`. `path`: the sidecar, or
    the image. `seen`: the state in which it was read. `value`: a grade; a negative number for 0
    stars; None if there is no rating. `problem`: the reason why it cannot be read; may be empty.
    """

    name: Literal["sidecar", "stem", "file", "xattr"]
    path: bytes
    seen: Fingerprint
    value: float | None
    problem: str = ""


class RatingsRead(msgspec.Struct, tag=True, frozen=True):
    """The answer to ReadRatings. `seen`: the state of the image."""

    seen: Fingerprint
    sources: list[RatingSource]
