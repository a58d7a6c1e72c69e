"""thumbnails: small pictures of images that another verb named: made by workers, then cached."""

import os
from pathlib import Path

import msgspec

from imgscore import paths
from imgscore.engine.engine import Engine
from imgscore.engine.tickets import ThumbnailTicket
from imgscore.errors import ImgscoreError
from imgscore.messages import Result
from imgscore.verbs.base import Steps, a_step, absolute_path
from imgscore.workers.messages import MakeThumbnail, ThumbnailMade


class Image(msgspec.Struct, forbid_unknown_fields=True):
    """Where an image lies, and what it is."""

    path: str
    sha256: str


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """At most some hundreds: all of them are asked for at once."""

    images: list[Image]


def run(engine: Engine, request: Request) -> Steps:
    """A row an image; `file` is None where there is no thumbnail, for whatever reason."""
    made = folder()
    tickets: list[tuple[Image, bytes, ThumbnailTicket | None]] = []
    for image in request.images:
        digest = _digest(image.sha256)
        file = os.path.join(os.fsencode(made), paths.thumbnail(digest))
        draw = MakeThumbnail(absolute_path(image.path), digest, file)
        tickets.append(
            (image, file, None if os.path.exists(file) else engine.thumbnailer.ask(draw))
        )
    for image, file, ticket in tickets:
        while ticket is not None and ticket.answer is None:
            yield from a_step(engine)
        drawn = ticket is None or isinstance(ticket.answer, ThumbnailMade)
        yield Result({"sha256": image.sha256, "file": os.fsdecode(file) if drawn else None})


def folder() -> Path:
    """The folder of all thumbnails, which is there now. Raises ImgscoreError."""
    thumbnails = paths.report_folder() / "thumbnails"
    try:
        thumbnails.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        # A daemon that confined itself may write into the folder that was there, and no new one.
        raise ImgscoreError(
            f"{thumbnails}: cannot be made: {error.strerror}",
            "check the permissions; if the cache was deleted: imgscore stop, then imgscore start",
        ) from None
    return thumbnails


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ImgscoreError(f"{text!r} is no sha256", "give it as `--json` prints it") from None
