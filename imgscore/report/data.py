"""The data of a report, as plain structs. This module imports no large libraries.

A worker writes the data into a file, and the command `report` reads this file. If a file name is
not UTF-8, its text contains lone surrogates. msgspec refuses them, so the module json then does the
work: it escapes them, and takes five times as long.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from imgscore.heads.results import Comparison, Evaluation, Quality

_Data = TypeVar("_Data")
SCORE_UNIT = 0.0001
"""The unit of the scores and deviations on the page. The page shows two decimals."""
NO_SCORE = -1
BLUR_DIGITS = 8
"""Two hexadecimal digits for each of the four rows of a coarse view."""
ELSEWHERE = "elsewhere"
"""The `place` of an image that is labelled, but is in no watch or has been deleted."""


class Images(msgspec.Struct, kw_only=True):
    """The images of the page, a list for each fact. The number of an image is its index.

    100,000 structs take ten times as long to make, to encode and to decode, here and in the
    browser. Texts are joined, because the browser needs one object for each text.
    """

    names: str
    """the file names, joined by `/`"""
    folders: list[int]
    """the index of each image's folder in `Contents.folders`"""
    sha256: str
    """64 hexadecimal digits of each image"""
    scores: list[int]
    """the score of each image in SCORE_UNIT; NO_SCORE if there is none"""
    deviations: list[int]
    """the standard deviation of each score in SCORE_UNIT"""
    places: list[int]
    """the index of each image's place in `Contents.places`"""
    widths: list[int]
    """pixels; 0 if unknown"""
    heights: list[int]
    """pixels; 0 if unknown"""
    bytes: list[int]
    """the size of each file; 0 if unknown"""
    taken: str
    """the time of each photograph as ISO text or nothing, joined by `/`"""
    cameras: list[int]
    """the index of each image's camera in `Contents.cameras`, or -1"""
    blurs: str
    """the coarse view of each image, BLUR_DIGITS characters; see blur.py"""
    grades: dict[int, float]
    """the grade of each labelled image, by the number of the image"""

    def __len__(self) -> int:
        return len(self.folders)

    def digest(self, number: int) -> str:
        """Return the sha256 of an image."""
        return self.sha256[64 * number : 64 * (number + 1)]

    def digests(self) -> list[str]:
        """Return the sha256 of each image."""
        return [self.sha256[at : at + 64] for at in range(0, len(self.sha256), 64)]

    def paths(self, folders: Sequence[str]) -> list[str]:
        """Return the path of each image, given `Contents.folders`; "" if an image has none."""
        if not self.folders:
            return []
        return [
            os.path.join(folders[folder], name)
            for folder, name in zip(self.folders, self.names.split("/"), strict=True)
        ]


class Neighbour(msgspec.Struct):
    """A labelled image that is similar to a suspect image and has the opposite label.

    `image`: the number of the labelled image. `similarity`: the cosine between
    the features of the two images, from -1 to 1.
    """

    image: int
    similarity: float


class Suspect(msgspec.Struct):
    """An image whose label is probably wrong.

    `image`: the number of the image. `score`: the score of the image from heads
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
    `images`: the numbers of the images. The other lists have a value for each image. `sharpness`:
    the detail of the whole image, in bits along a side; None if it was not measured. `formats`: the
    formats of the files, or empty.
    """

    kind: str
    why: str
    images: list[int]
    sharpness: list[float | None]
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

    In `groups` and `suspects`, an image is given by its number.
    """

    taste: str
    folder: str | None
    """the folder to which the page is limited; null if the page shows all folders"""
    head: Head | None
    embedder: str
    images: Images
    folders: list[str]
    places: list[str]
    """the roles of the folders in which the images are, or ELSEWHERE"""
    suspects: list[Suspect]
    groups: list[Group] | None
    """the groups with an image in an inbox; the group with the best image of all is first; null in
    a review until the page asks for them"""
    group_count: int
    """the number of groups, also if `groups` is null"""
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
    unmade: list[int] = []
    """the images whose thumbnails are made while the page is open, in a review"""


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
            return msgspec.convert(json.loads(text), kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
