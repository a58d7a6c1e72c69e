"""The answers that the server of the review sends to the page."""

from __future__ import annotations

import msgspec


class ImageNumbers(msgspec.Struct):
    """Images, as a list of their numbers on the page."""

    numbers: list[int]
    error: str | None = None


class Proposals(msgspec.Struct):
    """Images to compare, as lists of their numbers on the page, and the reason for each list."""

    numbers: list[list[int]]
    why: list[str]
    error: str | None = None


class Recorded(msgspec.Struct):
    """The numbers of the recorded answers in the log, and the number of pairs with an answer."""

    numbers: list[int]
    count: int


class ImageLabel(msgspec.Struct):
    """The present label of an image. `error`: the reason why it was not undone, or None."""

    sha256: str
    label: str | None
    grade: float | None
    error: str | None


class GroupAnswer(msgspec.Struct):
    """The labels of the images of a group after an act, and the numbers that undo the act."""

    labels: list[ImageLabel]
    numbers: list[int]


class OrderVersion(msgspec.Struct):
    """The version of the present order."""

    version: str


class FinishedThumbnails(msgspec.Struct):
    """The thumbnails that have been finished since the last answer, by sha256."""

    at: int
    """the number to send with the next request"""
    made: list[str]
    failed: list[str]
    """the images whose thumbnails could not be made: their files are deleted, changed or broken"""
