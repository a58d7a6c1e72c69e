"""The data of a report, as plain structs. A worker writes it; the command reads it. Light.

Names that are not UTF-8 hold lone surrogates. JSON escapes them, so the file is ASCII.
"""

from __future__ import annotations

import json

import msgspec

from imgscore.heads.results import Evaluation, Quality

ELSEWHERE = "elsewhere"
"""The place of a labelled image that is in no watch, or has been deleted."""


class Image(msgspec.Struct, array_like=True):
    """An image of the page. `folder`: its index in `Contents.folders`. `place`: inbox, keep, …"""

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


class Neighbour(msgspec.Struct):
    """An image, by its index, and the cosine to the suspect beside it."""

    image: int
    similarity: float


class Suspect(msgspec.Struct):
    """A suspect label, and the most similar images with the other label."""

    image: int
    label: str
    score: float
    neighbours: list[Neighbour]


class Failure(msgspec.Struct):
    """A file without an embedding."""

    path: str
    reason: str
    remedy: str


class Head(msgspec.Struct):
    """The head in use."""

    version: str
    created_ns: int
    labels: int


class Measured(msgspec.Struct):
    """The part of a head's report that a figure shows. An imported head has no quality."""

    quality: Quality | None = None


class TrainedHead(msgspec.Struct):
    """A head of the taste, as `heads list` has it."""

    head: str
    in_use: bool
    accepted: bool
    labels: int
    report: Measured


class WatchFolders(msgspec.Struct):
    """The first folder of each kind of a watch."""

    inbox: str
    """the inbox"""
    keep: str | None
    """the first keep folder; null if there is none"""
    trash: str | None
    """the first trash folder; null if there is none"""


class Contents(msgspec.Struct, kw_only=True):
    """The contents of the page. An image is referred to by its index in `images`."""

    taste: str
    folder: str | None
    """only images under this folder"""
    head: Head | None
    embedder: str
    images: list[Image]
    folders: list[str]
    suspects: list[Suspect]
    groups: list[list[int]]
    """near-duplicates, the best image of each group first"""
    compared: int
    """how many images were compared for `groups`, best scores first"""
    failures: list[Failure]
    unlearned: str
    """why there can be no head yet; empty if there can"""
    columns: tuple[str, ...] = Image.__struct_fields__


class ReportData(Contents, kw_only=True):
    """The data that the worker gathers: the contents, and the data of the figures."""

    evaluation: Evaluation | None
    heads: list[TrainedHead]
    learned_of: tuple[str, int]
    """(embedder, number of the last label) when `evaluation` was measured: it is valid
    until either changes"""


class PageData(Contents, kw_only=True):
    """The data that the script of the page reads."""

    watches: list[WatchFolders]
    thumbnails: str
    """folder of the thumbnails, relative to the page"""
    review: bool
    about: str
    learned: str


def dump(data: msgspec.Struct) -> str:
    """Encode as ASCII JSON."""
    return json.dumps(msgspec.to_builtins(data), separators=(",", ":"), allow_nan=False)


def load(text: str) -> ReportData:
    """Decode the data that a worker wrote. Raises ValueError for other text."""
    return msgspec.convert(json.loads(text), ReportData)
