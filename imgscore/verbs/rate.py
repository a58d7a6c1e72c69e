"""The verb `rate`: list the stars for images, and log the ratings that the command writes.

This verb changes no file: the daemon may not. The command `rate` writes in its own process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from imgscore.errors import ConfigError, ImgscoreError
from imgscore.grades import stars_of
from imgscore.messages import BaseRequest, Message, PathText, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.ratings import RatedImage, read_ratings
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.schema import Sighting
    from imgscore.store.transaction import Txn

PAGE = 1000
"""The largest number of images that one request lists. Workers read their ratings within 1 s."""
Kind = Literal["sidecar", "xattr"]
State = tuple[int, int, int, int, int]
"""Device, inode, size, ctime and mtime (in nanoseconds) of a file."""


class DueRating(msgspec.Struct):
    """An image for which a rating can be written, or was written."""

    path: str
    seen: State
    """the state of the image when it was read last"""
    stars: int | None
    """the stars by its score or its label; null if it has none"""
    rated: bool = False
    """whether another program has stored a rating for the image"""
    problem: str = ""
    """the reason why its ratings cannot be read; may be empty"""


class Page(msgspec.Struct):
    """A part of the list of images. `after`: the begin of the next part; null at the end."""

    images: list[DueRating]
    after: str | None


class Logged(msgspec.Struct):
    """The number of records that were written."""

    records: int


class WrittenFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An image for which a rating is about to be written, or was written or removed.

    `stars`: null if the rating was removed, or could not be written. `before`, `after`: the states
    of the image before and after its attribute was set; null if they are not known.
    """

    path: PathText
    stars: Annotated[int, msgspec.Meta(ge=-1, le=5)] | None
    before: State | None = None
    after: State | None = None


Response = Page | Logged


class Request(BaseRequest[Response]):
    """`action`: "list" yields a Page of images with stars; "images" yields a Page of the same
    images without stars; "written" yields a Page of images for which ratings may have been written;
    "log" logs `files`.

    `kind`: the place of the ratings. `by`: the origin of the stars. `folder`: only images in this
    folder. `after`: the begin of the part, from the Page before.
    """

    action: Literal["list", "images", "written", "log"] = "list"
    kind: Kind = "sidecar"
    by: Literal["score", "label"] = "score"
    folder: PathText | None = None
    after: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,64}$(?!\n)")] = ""
    files: Annotated[tuple[WrittenFile, ...], msgspec.Meta(max_length=PAGE)] = ()


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row: a Page, or Logged."""
    if request.action == "log":
        engine.ctx.store.commit(lambda txn: _log(txn, request))
        yield Result(Logged(len(request.files)))
        return
    if not engine.ctx.watches.all:
        raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
    folder = folder_of(request.folder)
    if request.action == "written":
        with engine.ctx.store.read() as txn:
            page = _written(txn, request, folder)
    else:
        page = yield from _list(engine, request, folder)
    yield Result(page)


# ---- the images


def _list(
    engine: Engine, request: Request, folder: bytes | None
) -> Generator[Message[Any] | None, None, Page]:
    with engine.ctx.store.read() as txn:
        found, last = _sightings(txn, engine, request.after, folder)
        if request.action == "images":
            return Page([DueRating(display_path(s.path), _state(s), None) for s in found], last)
        stars = _Stars(engine, txn, request.by)
        images = [
            DueRating(display_path(sighting.path), _state(sighting), stars.of(sighting))
            for sighting in found
        ]
    due = {os.fsencode(image.path): image for image in images if image.stars is not None}
    for rated in read_ratings(engine, list(due)):
        if isinstance(rated, RatedImage):
            image = due[rated.path]
            image.rated, image.problem = rated.has_value, rated.problem
        elif rated is None:
            yield None
    return Page(images, last)


def _sightings(
    txn: Txn, engine: Engine, after: str, folder: bytes | None
) -> tuple[list[Sighting], str | None]:
    """Return the present images of a part of the store, and the begin of the next part."""
    from imgscore.store import sightings

    part = list(islice(sightings.iter_from(txn, bytes.fromhex(after)), PAGE + 1))
    last = part[PAGE][0].hex() if len(part) > PAGE else None
    watches = engine.ctx.watches
    found = [
        sighting
        for _, sighting in part[:PAGE]
        if not sighting.gone_ns
        and (folder is None or within(sighting.path, folder))
        and watches.image_place(sighting.path) is not None
    ]
    return found, last


class _Stars:
    """The stars of images, by their scores or by their labels."""

    def __init__(self, engine: Engine, txn: Txn, by: str) -> None:
        self._engine = engine
        self._txn = txn
        self._by_score = by == "score"
        self._heads: dict[str, str] = {}

    def of(self, sighting: Sighting) -> int | None:
        """Return the stars of an image, or None if it has no score or no label.

        A score is never a rejection: only the user rejects an image.
        """
        from imgscore.store import labels, scores

        place = self._engine.ctx.watches.locate(sighting.path)
        assert place is not None
        taste = place.watch.taste
        if not self._by_score:
            label = labels.current(self._txn, taste, sighting.digest)
            return None if label is None else stars_of(label.grade)
        if place.role != "inbox":
            return None  # The score of an image that was moved to a label folder is still stored.
        score = scores.get(self._txn, taste, self._head(taste), sighting.digest)
        return None if score is None else max(1, stars_of(score[0]))

    def _head(self, taste: str) -> str:
        if taste not in self._heads:
            head = self._engine.ctx.head(taste)
            if head is None:
                missing = self._engine.trainer.tastes[taste].missing or "no head is trained"
                raise ImgscoreError(
                    f"the images have no scores yet: {missing}",
                    "label some images, then: imgscore train; or use: imgscore rate --from label",
                )
            self._heads[taste] = head
        return self._heads[taste]


def _written(txn: Txn, request: Request, folder: bytes | None) -> Page:
    from imgscore.store import sightings, written_ratings

    part = list(islice(written_ratings.iter_from(txn, bytes.fromhex(request.after)), PAGE + 1))
    images: list[DueRating] = []
    for _, written in part[:PAGE]:
        sighting = sightings.find(txn, written.path)
        if written.kind == request.kind and (folder is None or within(written.path, folder)):
            seen = (0, 0, 0, 0, 0) if sighting is None else _state(sighting)
            images.append(DueRating(display_path(written.path), seen, written.stars))
    return Page(images, part[PAGE][0].hex() if len(part) > PAGE else None)


def _state(sighting: Sighting) -> State:
    seen = sighting.seen
    return seen.dev, seen.ino, seen.size, seen.ctime_ns, seen.mtime_ns


# ---- the log


def _log(txn: Txn, request: Request) -> None:
    from imgscore.store import written_ratings
    from imgscore.store.written_ratings import WrittenRating

    now_ns = time.time_ns()
    for file in request.files:
        path = os.fsencode(file.path)
        if file.stars is None:
            written_ratings.forget(txn, path, request.kind)
        else:
            record = WrittenRating(path, request.kind, file.stars, now_ns)
            written_ratings.record(txn, record)
        if file.before is not None and file.after is not None:
            _follow(txn, path, file.before, file.after)


def _follow(txn: Txn, path: bytes, before: State, after: State) -> None:
    """Record the state of an image after its attribute was set, so that it is not hashed again."""
    from imgscore.reconcile.walk import fingerprint_of
    from imgscore.store import sightings
    from imgscore.store.schema import Fingerprint

    known, now = sightings.find(txn, path), Fingerprint(*after)
    same = before[:3] == after[:3] and before[4] == after[4]
    if known is None or not same or known.seen != Fingerprint(*before):
        return
    if fingerprint_of(path) == now:
        sightings.record(txn, msgspec.structs.replace(known, seen=now))
