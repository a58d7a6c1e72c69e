"""The answers that the server of the review sends to the page."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from imgscore.report.data import Contents, Group, Neighbour, ReportData, Suspect


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


class FoundSuspects(msgspec.Struct):
    """The suspect labels, the strongest evidence first.

    `unlearned`: the reason why there can be none yet; empty if there can be some.
    """

    suspects: list[Suspect]
    unlearned: str


class FoundGroups(msgspec.Struct):
    """The groups of the page. `uncompared`: see Contents."""

    groups: list[Group]
    uncompared: int


def groups_on_page(data: ReportData, shown: Contents) -> list[Group]:
    """Return the groups of `data` with the numbers that their images have on the page `shown`.

    Images that are not on the page are left out, and so are groups of which fewer than two images
    are left.
    """
    groups = data.groups or []
    same_files = data.images.names == shown.images.names and data.folders == shown.folders
    if same_files and data.images.sha256 == shown.images.sha256:
        return groups
    files = zip(shown.images.paths(shown.folders), shown.images.digests(), strict=True)
    number_at = {file: number for number, file in enumerate(files)}
    now = zip(data.images.paths(data.folders), data.images.digests(), strict=True)
    numbers = [number_at.get(file) for file in now]
    found: list[Group] = []
    for group in groups:
        kept = [at for at, image in enumerate(group.images) if numbers[image] is not None]
        if len(kept) > 1:
            found.append(
                Group(
                    group.kind,
                    group.why,
                    [number for at in kept if (number := numbers[group.images[at]]) is not None],
                    [group.sharpness[at] for at in kept],
                    [group.formats[at] for at in kept],
                )
            )
    return found


def suspects_on_page(data: ReportData, number_of: Mapping[str, int]) -> list[Suspect]:
    """Return the suspects of `data` with the numbers that their images have on the page.

    `number_of`: the number of each sha256. Images that are not on the page are left out.
    """
    numbers = [number_of.get(digest) for digest in data.images.digests()]
    found: list[Suspect] = []
    for suspect in data.suspects:
        number = numbers[suspect.image]
        if number is not None:
            near = [
                Neighbour(at, neighbour.similarity)
                for neighbour in suspect.neighbours
                if (at := numbers[neighbour.image]) is not None
            ]
            found.append(Suspect(number, suspect.label, suspect.score, near))
    return found
