"""What a review shows and does: the page's data, and the verbs that its keys call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from imgscore.cli import dispatch
from imgscore.errors import ImgscoreError
from imgscore.report import files
from imgscore.report.page import content, page, policy_of
from imgscore.verbs.base import Row, rows_of

NEXT = 60
# What a new order changes on the page.
RENEWED = (
    "images", "folders", "suspects", "groups", "compared", "failures", "head", "about",
)  # fmt: skip


class Session:
    """One taste's review. Any thread may call; verbs are carried out one after the other."""

    def __init__(self, arguments: Row, told: Row) -> None:
        self._arguments = arguments
        self._taste = told["taste"]
        self._lock = threading.Lock()
        self._undoable: dict[str, list[int]] = {}
        """sha256 → the numbers of the labels that were said of an image here"""
        self._thumbnails = os.fsencode(told["thumbnails"])
        gathered = files.read(told)
        self._figures = files.drawings(gathered)
        self._content = content(gathered, told, "thumbnails", review=True)
        self.acts: dict[str, Callable[[Any], Row]] = {
            "label": self._label,
            "undo": self._undo,
            "next": self._next,
            "renew": self._renew,
        }

    def end(self) -> None:
        """Wait for the verb that is being carried out; none follows."""
        self._lock.acquire()

    def page(self) -> tuple[str, str]:
        """The page as it is now, and what it may do (Content-Security-Policy)."""
        with self._lock:
            return page(self._content, self._figures), policy_of(self._content)

    def thumbnail(self, name: str) -> bytes:
        """The path of a thumbnail. ValueError for what cannot be one."""
        digest, _, suffix = name.partition(".")
        if suffix != "webp" or bytes.fromhex(digest).hex() != digest:
            raise ValueError(name)
        return os.path.join(self._thumbnails, name.encode())

    def image(self, name: str) -> bytes:
        """The path of an image of the page, named NUMBER/SHA256; ValueError for any other."""
        number, _, digest = name.partition("/")
        with self._lock:
            image = self._image(int(number), digest)
            return os.fsencode(os.path.join(self._content["folders"][image[1]], image[0]))

    def _image(self, number: int, digest: str) -> list[Any]:
        """A row of the page's images, if it is still the one that was shown under this number."""
        image: list[Any] = self._content["images"][number] if number >= 0 else [0, 0, ""]
        if image[2] != digest:
            raise ValueError("the page is older than the order")
        return image

    def _ask(self, verb: str, arguments: Row) -> list[Row]:
        return rows_of(dispatch.call(verb, arguments))

    def _label(self, asked: Row) -> Row:
        with self._lock:
            row = self._say(asked, {"label": asked["label"]})
            if row["number"] is not None:
                self._undoable.setdefault(row["sha256"], []).append(row["number"])
            return row

    def _undo(self, asked: Row) -> Row:
        """Take back what was said here, and no label from before."""
        with self._lock:
            numbers = self._undoable.get(asked["sha256"])
            if not numbers:
                raise ImgscoreError("nothing was said of it here", "see: imgscore history")
            row = self._say(asked, {"undo": numbers[-1]})
            numbers.pop()
            return row

    def _say(self, asked: Row, what: Row) -> Row:
        """Label an image of the page, or take a label back; the page has the result too."""
        image = self._image(asked["image"], asked["sha256"])
        path = os.path.join(self._content["folders"][image[1]], image[0])
        arguments = {"sha256": image[2], "path": path, "taste": self._taste, **what}
        (row,) = self._ask("review", arguments)
        image[5] = row["label"]
        return row

    def _next(self, asked: Row) -> Row:
        with self._lock:
            try:
                rows = self._ask("next", {"taste": self._taste, "count": NEXT})
            except ImgscoreError as error:
                return {"numbers": [], "error": f"{error.message}: {error.remedy}"}
            numbers: dict[str, int] = {}
            for number, image in enumerate(self._content["images"]):
                numbers.setdefault(image[2], number)
            found = [numbers[row["sha256"]] for row in rows if row["sha256"] in numbers]
            return {"numbers": found, "error": None}

    def _renew(self, asked: Row) -> Row:
        with self._lock:
            (told,) = self._ask("report", self._arguments)
            self._content = content(files.read(told), told, "thumbnails", review=True)
            return {name: self._content[name] for name in RENEWED}
