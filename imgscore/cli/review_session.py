"""The data of the page of `review`, and the actions that the page can call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from imgscore.cli import dispatch
from imgscore.errors import ImgscoreError
from imgscore.report import files
from imgscore.report.data import Image
from imgscore.report.page import page, page_data, policy_of
from imgscore.verbs import next as next_images
from imgscore.verbs import report, review
from imgscore.verbs.base import rows_of

if TYPE_CHECKING:
    from imgscore.store.schema import LabelName

NEXT_COUNT = 60
"""The largest number of images in the Next tab of the page. They fill a few screens."""
# The names of the parts of the page data that a new order changes.
RENEWED = (
    "images", "folders", "suspects", "groups", "compared", "failures", "head", "about",
)  # fmt: skip


class NextNumbers(msgspec.Struct):
    """The images to label next, as a list of their numbers on the page."""

    numbers: list[int]
    error: str | None = None


class Session:
    """The review of one taste.

    The class is thread-safe: a lock ensures that only one action runs at a time. The argument of
    an action is the decoded JSON of the page's request.
    """

    def __init__(self, request: report.Request, source: report.Response) -> None:
        self._request = request
        self._taste = source.taste
        self._lock = threading.Lock()
        self._undoable: dict[str, list[int]] = {}
        """the sha256 of each image → the numbers of the labels that were set in this review"""
        self._thumbnails = os.fsencode(source.thumbnails)
        data = files.read(Path(source.data), source.folder)
        self._figures = files.figures_of(data)
        self._content = page_data(data, source.watches, "thumbnails", review=True)
        self.actions: dict[str, Callable[[Any], object]] = {
            "label": self._label,
            "undo": self._undo,
            "next": self._next,
            "renew": self._renew,
        }

    def end(self) -> None:
        """Wait until the present action has ended. After this call, no action can begin."""
        self._lock.acquire()

    def page(self) -> tuple[str, str]:
        """Return the page in its present state, and its Content-Security-Policy."""
        with self._lock:
            return page(self._content, self._figures), policy_of(self._content)

    def thumbnail(self, name: str) -> bytes:
        """Return the path of a thumbnail. Raises ValueError if `name` is not SHA256.webp."""
        digest, _, suffix = name.partition(".")
        if suffix != "webp" or bytes.fromhex(digest).hex() != digest:
            raise ValueError(name)
        return os.path.join(self._thumbnails, name.encode())

    def image(self, name: str) -> bytes:
        """Return the path of an image of the page.

        `name`: NUMBER/SHA256. Raises ValueError if `name` has another form, or if the page has no
        such image.
        """
        number, _, digest = name.partition("/")
        with self._lock:
            image = self._image(int(number), digest)
            return os.fsencode(os.path.join(self._content.folders[image.folder], image.name))

    def _image(self, number: int, digest: str) -> Image:
        """Return the image with a number. Raises ValueError if its digest is not `digest`.

        The digest differs if the numbers on the page are from an older order.
        """
        images = self._content.images
        image = images[number] if 0 <= number < len(images) else None
        if image is None or image.sha256 != digest:
            raise ValueError("the page shows an older order")
        return image

    def _label(self, request: Any) -> review.Response:
        with self._lock:
            row = self._set_label(request, label=request["label"])
            if row.number is not None:
                self._undoable.setdefault(row.sha256, []).append(row.number)
            return row

    def _undo(self, request: Any) -> review.Response:
        """Undo the last label of an image that was set in this review.

        Labels that are older than the review are not undone.
        """
        with self._lock:
            numbers = self._undoable.get(request["sha256"])
            if not numbers:
                raise ImgscoreError(
                    "the image was not labelled in this review", "see: imgscore history"
                )
            row = self._set_label(request, undo=numbers[-1])
            numbers.pop()
            return row

    def _set_label(
        self, request: Any, *, label: LabelName | None = None, undo: int | None = None
    ) -> review.Response:
        """Label an image or undo one of its labels, and update the page data."""
        image = self._image(request["image"], request["sha256"])
        path = os.path.join(self._content.folders[image.folder], image.name)
        (row,) = rows_of(
            dispatch.call(review.Request(image.sha256, path, self._taste, label=label, undo=undo))
        )
        image.label = row.label
        return row

    def _next(self, request: Any) -> NextNumbers:
        with self._lock:
            try:
                rows = rows_of(dispatch.call(next_images.Request(self._taste, NEXT_COUNT)))
            except ImgscoreError as error:
                return NextNumbers([], f"{error.message}: {error.remedy}")
            numbers: dict[str, int] = {}
            for number, image in enumerate(self._content.images):
                numbers.setdefault(image.sha256, number)
            return NextNumbers([numbers[row.sha256] for row in rows if row.sha256 in numbers])

    def _renew(self, request: Any) -> dict[str, object]:
        """Read the data of the page again. Return the parts that a new order changes."""
        with self._lock:
            (source,) = rows_of(dispatch.call(self._request))
            data = files.read(Path(source.data), source.folder)
            self._content = page_data(data, source.watches, "thumbnails", review=True)
            return {name: msgspec.to_builtins(getattr(self._content, name)) for name in RENEWED}
