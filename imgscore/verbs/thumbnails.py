"""The verb `thumbnails`: make thumbnails of images, and store them in the cache folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from imgscore import paths
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import MAX_ITEMS, BaseRequest, PathText, Result, Sha256Text
from imgscore.verbs.base import Steps, Waiting, absolute_path

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import ThumbnailTicket


class Image(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The path and the digest of an image."""

    path: PathText
    sha256: Sha256Text


class Response(msgspec.Struct):
    """An image and its thumbnail."""

    sha256: str
    """the digest of the image"""
    file: str | None
    """the path of the thumbnail, a WebP file; null if the thumbnail could not be made"""


class Request(BaseRequest[Response]):
    """`images`: the images. All are sent to the workers at once, so send at most a few hundred."""

    images: Annotated[list[Image], msgspec.Meta(max_length=MAX_ITEMS)]


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Make the missing thumbnails, and yield a Response for each image."""
    from imgscore.workers.messages import MakeThumbnail, ThumbnailMade

    made = thumbnails_folder()
    tickets: list[tuple[Image, bytes, ThumbnailTicket | None]] = []
    for image in request.images:
        digest = _digest(image.sha256)
        file = os.path.join(os.fsencode(made), paths.thumbnail(digest))
        task = MakeThumbnail(absolute_path(image.path), digest, file)
        tickets.append(
            (image, file, None if os.path.exists(file) else engine.thumbnailer.ask(task))
        )
    waiting = Waiting(engine, engine.thumbnailer)
    for image, file, ticket in tickets:
        while ticket is not None and ticket.answer is None:
            yield from waiting.step()
        exists = ticket is None or isinstance(ticket.answer, ThumbnailMade)
        yield Result(Response(image.sha256, os.fsdecode(file) if exists else None))


def thumbnails_folder() -> Path:
    """Return the folder of all thumbnails, and create it if it does not exist.

    Raises ImgscoreError if the folder cannot be created.
    """
    thumbnails = paths.report_folder() / "thumbnails"
    try:
        thumbnails.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        # The user may have deleted the cache folder. Because of Landlock, a daemon can write only
        # into folders that existed when the daemon started.
        raise ImgscoreError(
            f"the folder {thumbnails} cannot be created: {error.strerror}",
            "check the permissions; if the cache was deleted: imgscore stop, then imgscore start",
        ) from None
    return thumbnails


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a sha256", "write the sha256 as `--json` prints it"
        ) from None
