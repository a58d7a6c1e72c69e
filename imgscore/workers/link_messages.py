"""The message about folders of links to a worker, and its answer. See messages.py."""

from typing import ClassVar

import msgspec

from imgscore.links.settings import LinkFolder
from imgscore.watches import Watch


class RefreshLinks(msgspec.Struct, tag=True, frozen=True):
    """The task to bring a folder of links of the config up to date.

    `watches`: the watches of its taste. `must_be_new`: whether to refuse a folder with other files,
    if imgscore did not make it.
    """

    handler: ClassVar[str] = "links:refresh_links"
    seconds: ClassVar[int] = 6 * 3600
    links: LinkFolder
    watches: list[Watch]
    must_be_new: bool


class LinksRefreshed(msgspec.Struct, tag=True, frozen=True):
    """The answer to RefreshLinks after the folder was brought up to date.

    `files`: the number of images in it. `changed`: the number of files that were made, renamed or
    removed. `problem`: why some files could not be made; None if all were. `seconds`: the time that
    the worker needed.
    """

    files: int
    changed: int
    problem: str | None
    seconds: float
