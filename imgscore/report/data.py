"""The data of a report, as plain structs. This module imports no large libraries.

A worker writes the data into a file, and the command `report` reads this file. If a file name is
not UTF-8, its text contains lone surrogates. msgspec refuses them, so the module json then does the
work: it escapes them, and takes five times as long.
"""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from imgscore.heads.results import Comparison, Evaluation, Quality

_Data = TypeVar("_Data")
ELSEWHERE = "elsewhere"
"""The `place` of an image that is labelled, but is in no watch or has been deleted."""


class Image(msgspec.Struct, array_like=True):
    """An image of the page.

    `folder`: the index of the image's folder in `Contents.folders`. `place`: inbox, keep, trash or
    ELSEWHERE. `taken`: the time of the photograph as ISO text, or empty. `camera`: the index of the
    camera in `Contents.cameras`, or -1. `blur`: the coarse view that blur.py makes.
    """

    name: str
    folder: int
    sha256: str
    score: float | None
    deviation: float | None
    label: str | None
    place: str
    width: int
    height: int
    bytes: int
    grade: float | None = None
    taken: str = ""
    camera: int = -1
    blur: str = ""


class Neighbour(msgspec.Struct):
    """A labelled image that is similar to a suspect image and has the opposite label.

    `image`: the index of the labelled image in `Contents.images`. `similarity`: the cosine between
    the features of the two images, from -1 to 1.
    """

    image: int
    similarity: float


class Suspect(msgspec.Struct):
    """An image whose label is probably wrong.

    `image`: the index of the image in `Contents.images`. `score`: the score of the image from heads
    that were trained without this image. `neighbours`: the most similar images that have the
    opposite label.
    """

    image: int
    label: str
    score: float
    neighbours: list[Neighbour]


class Group(msgspec.Struct):
    """A burst, near-duplicates, or copies with equal bytes. The best image is first.

    `kind`: `near-duplicates`, `bursts` or `copies`. `why`: what the images have in common.
    `images`: the indices of the images in `Contents.images`. The other lists have a value for each
    image. `sharpness`: the detail of a pixel, in bits; None if it was not measured. `taken`: the
    date in the EXIF data, or empty. `formats`: the formats of the files, or empty.
    """

    kind: str
    why: str
    images: list[int]
    sharpness: list[float | None]
    taken: list[str]
    formats: list[str]


class Failure(msgspec.Struct):
    """A file that could not be embedded, with the reason and the remedy."""

    path: str
    reason: str
    remedy: str


class Head(msgspec.Struct):
    """The head that the taste uses at present."""

    version: str
    created_ns: int
    labels: int
    comparison: Comparison | None = None
    """the comparison with the head before it, on labels that both were not trained on"""


class Measured(msgspec.Struct):
    """The part of a training report that the figures of the page show.

    `quality`: the quality that was measured at the training. None means that nothing was measured,
    because the head was imported.
    """

    quality: Quality | None = None


class TrainedHead(msgspec.Struct):
    """A head of the taste. The fields are some of those that `imgscore heads list` prints."""

    head: str
    in_use: bool
    accepted: bool
    labels: int
    report: Measured


class WatchFolders(msgspec.Struct):
    """The inbox, the first keep folder and the first trash folder of a watch."""

    inbox: str
    """the inbox"""
    keep: str | None
    """the first keep folder; null if there is none"""
    trash: str | None
    """the first trash folder; null if there is none"""


class Contents(msgspec.Struct, kw_only=True):
    """The contents of the page.

    In `groups` and `suspects`, an image is given by its index in `images`.
    """

    taste: str
    folder: str | None
    """the folder to which the page is limited; null if the page shows all folders"""
    head: Head | None
    embedder: str
    images: list[Image]
    folders: list[str]
    suspects: list[Suspect]
    groups: list[Group]
    """the groups with an image in an inbox; the group with the best image of all is first"""
    failures: list[Failure]
    unlearned: str
    """the reason why the taste cannot have a head yet; empty if it can have one"""
    answers: int = 0
    """the number of pairs that the user has compared"""
    labels: int = 0
    """the number of labels of the taste, with those of images that are not on the page"""
    cameras: list[str] = []
    """the names of the cameras"""
    uncompared: int = 0
    """the number of images that are not compared with the others yet: groups may be missing"""
    columns: tuple[str, ...] = Image.__struct_fields__


class ReportData(Contents, kw_only=True):
    """The data that a worker gathers for a report: the contents of the page, and the data of its
    figures.
    """

    evaluation: Evaluation | None
    heads: list[TrainedHead]
    learned_of: tuple[str, int]
    """the id of the embedder, and the sequence number of the newest label, when the data was
    gathered; if both are unchanged, the next report can use `evaluation` again"""


class Learned(msgspec.Struct):
    """The part of a ReportData that the next report can use again."""

    evaluation: Evaluation | None
    learned_of: tuple[str, int]


class PageData(Contents, kw_only=True):
    """The data that the script of the page reads."""

    watches: list[WatchFolders]
    thumbnails: str
    """the folder of the thumbnails, relative to the folder of the page"""
    review: bool
    version: str
    """the version of the order that the page shows, in a review; empty in a report"""
    about: str
    learned: str
    doubled: float | None
    """the measured quality that twice as many labels would probably give; null if unknown"""
    stars: dict[str, float]
    """the grade of each number of stars, from 1 to 5"""
    unsearchable: str = ""
    """the reason why the review cannot search for words; empty if it can"""
    tab: str = "order"
    """the tab that the page shows at first"""
    unmade: list[str] = []
    """the sha256 of the images whose thumbnails are made while the page is open, in a review"""


def dump(data: msgspec.Struct) -> str:
    """Encode the data as JSON."""
    try:
        return msgspec.json.encode(data).decode()
    except UnicodeEncodeError:
        return _dump_surrogates(data)


def _dump_surrogates(data: msgspec.Struct) -> str:
    return json.dumps(msgspec.to_builtins(data), separators=(",", ":"), allow_nan=False)


def load(text: str) -> ReportData:
    """Decode the data that a worker wrote.

    Raises ValueError if `text` does not contain a ReportData.
    """
    return _decode(text, ReportData)


def load_learned(text: str) -> Learned:
    """Decode the part of the data that the next report can use again. This is faster than `load`.

    Raises ValueError if `text` does not contain this part.
    """
    return _decode(text, Learned)


def _decode(text: str, kind: type[_Data]) -> _Data:
    try:
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # for example a lone surrogate
            return msgspec.convert(json.loads(text), kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
