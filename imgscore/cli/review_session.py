"""The data of the review page, and the actions that the page can request, such as `undo`."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from imgscore import dispatch
from imgscore.cli import review_groups, review_reasons
from imgscore.cli.order_watch import OrderWatch
from imgscore.cli.review_answers import (
    FinishedThumbnails,
    FoundGroups,
    FoundSuspects,
    GroupAnswer,
    ImageLabel,
    ImageNumbers,
    OrderVersion,
    Proposals,
    Recorded,
    groups_on_page,
    suspects_on_page,
)
from imgscore.cli.review_images import ReviewImages
from imgscore.cli.review_thumbnails import ReviewThumbnails
from imgscore.errors import ImgscoreError
from imgscore.report import files
from imgscore.report.data import Group, PageData
from imgscore.report.page import page, page_data, policy_of
from imgscore.system.open_folder import open_folder
from imgscore.verbs import compare, explain, report, review, search
from imgscore.verbs import next as next_images
from imgscore.verbs.base import rows_of

if TYPE_CHECKING:
    from imgscore.grades import GradeText

NEXT_COUNT = 60
"""The largest number of images in the tab Next of the page. 60 images fill a few screens."""
PAIR_COUNT = 20
"""The number of pairs that the page gets at once. A person needs about 40 s for them. The choice
uses 4 s of CPU time in a library of 100,000 images, and a later choice fits the head better."""
SUSPECT_COUNT = 50
"""The largest number of images in the tab Suspects of the page."""
SEARCH_COUNT = 200
"""The largest number of images in the tab Search of the page. 200 images fill some ten screens."""
# The parts of the page data that may change when the images get a new order.
RENEWED = (
    "images", "folders", "places", "suspects", "groups", "group_count", "failures",
    "head", "about", "version", "answers", "labels", "cameras", "doubled", "learned",
    "unlearned", "unmade", "uncompared",
)  # fmt: skip

_THUMBNAIL = re.compile(r"[0-9a-f]{64}\.webp", re.ASCII)


def _reason_against_search() -> str:
    """Return why the model in use cannot search for words; "" if it can."""
    from imgscore.embedders import registry

    try:
        registry.check_searches(dispatch.settings_in_force().model)
    except ImgscoreError as error:
        return f"{error.message}: {error.remedy}"
    return ""


class Session:
    """The review of one taste.

    The methods may be called from several threads: a lock ensures that only one action runs at a
    time. The argument of an action is the decoded JSON that the page has sent.
    """

    def __init__(
        self, request: report.Request, source: report.Response, tab: str = "order"
    ) -> None:
        self._request = request
        self._source = source
        self._taste = source.taste
        self._lock = threading.Lock()
        self._unsearchable = _reason_against_search()
        self._undoable: dict[str, list[int]] = {}
        """for the sha256 of each image, the numbers of the labels that it got in this review"""
        self._withdrawable: list[list[int]] = []
        """the numbers of the answers of this review; answers in one list were given together"""
        self._group_acts: list[list[int]] = []
        """the numbers of the labels that this review gave to the images of groups, act by act"""
        self._thumbnails = os.fsencode(source.thumbnails)
        self._making = ReviewThumbnails(self._thumbnails)
        data = files.read(Path(source.data), source.folder)
        self._figures = files.figures_of(data)
        inboxes = [os.fsencode(watch.inbox) for watch in source.watches]
        self.orders = OrderWatch(source.taste, inboxes, lambda: self._lock)
        # The head is that of the gathered data: a newer head may be in use now.
        head = "" if data.head is None else data.head.version
        version = f"{head}-{self.orders.version().rpartition('-')[2]}"
        self._show(
            page_data(data, source.watches, "thumbnails", review=True, version=version, tab=tab)
        )
        self.actions: dict[str, Callable[[Any], object]] = {
            "label": self._label,
            "undo": self._undo,
            "next": self._next,
            "search": self._search,
            "pairs": self._pairs,
            "compare": self._compare,
            "withdraw": self._withdraw,
            "explain": self._explain,
            "reveal": self._reveal,
            "group": self._label_group,
            "ungroup": self._undo_group,
            "renew": self._renew,
            "thumbnails": self._want_thumbnails,
            "suspects": self._suspects,
            "groups": self._groups,
        }

    def end(self) -> None:
        """Wait until the running action has ended. After this call, no other action can begin."""
        self.orders.end()
        self._making.end()
        self._lock.acquire()

    def _show(self, content: PageData) -> None:
        """Replace the data of the page."""
        content.unsearchable = self._unsearchable
        images = ReviewImages(content)
        unmade = self._making.missing(images.digests)
        self._making.show(images.best_first(unmade))
        if unmade:
            content.unmade = [at for at, sha in enumerate(images.digests) if sha in unmade]
        self._content = content
        self._images = images
        self._know_groups(content.groups or [])

    def _know_groups(self, groups: list[Group]) -> None:
        self._group_of = {
            number: group for group in groups if group.kind != "copies" for number in group.images
        }
        """the group of each image that is in one, by the number of the image"""

    def page(self) -> tuple[str, str]:
        """Return the HTML of the page with the present labels, and its Content-Security-Policy."""
        with self._lock:
            return page(self._content, self._figures), policy_of(self._content)

    def order(self, known: str) -> OrderVersion:
        """Wait for another order than that with the version `known`, and return its version."""
        return OrderVersion(self.orders.wait(known))

    def finished_thumbnails(self, at: str) -> FinishedThumbnails:
        """Wait for thumbnails that are finished after the number `at`, and return them.

        Raises ValueError if `at` is not a number.
        """
        if not (at.isascii() and at.isdigit()):
            raise ValueError(at)
        return self._making.finished_after(int(at))

    def _want_thumbnails(self, request: Any) -> dict[str, object]:
        """Make the thumbnails of some images first. `sha256`: those that the page shows."""
        self._making.want([str(digest) for digest in request["sha256"]])
        return {}

    def thumbnail(self, name: str) -> bytes:
        """Return the path of a thumbnail. Raises ValueError if `name` is not SHA256.webp."""
        if not _THUMBNAIL.fullmatch(name):
            raise ValueError(name)
        return os.path.join(self._thumbnails, name.encode())

    def image(self, name: str) -> bytes:
        """Return the path of an image of the page.

        `name`: NUMBER/SHA256. Raises ValueError if `name` has another form, or if the page has no
        image with this number and digest.
        """
        number, _, digest = name.partition("/")
        if not (number.isascii() and number.isdigit()):
            raise ValueError(name)
        with self._lock:
            return os.fsencode(self._images.path(int(number), digest))

    def _path(self, request: Any) -> str:
        return self._images.path(request["image"], request["sha256"])

    def _label(self, request: Any) -> review.Response:
        with self._lock:
            row = self._set_label(request, label=request["label"])
            if row.number is not None:
                self._undoable.setdefault(row.sha256, []).append(row.number)
            return row

    def _undo(self, request: Any) -> review.Response:
        """Undo the last label that an image got in this review.

        Raises ImgscoreError if the image got no label in this review.
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
        self, request: Any, *, label: GradeText | None = None, undo: int | None = None
    ) -> review.Response:
        """Set or undo a label of an image, and update the data of the page."""
        path, digest = self._path(request), request["sha256"]
        (row,) = rows_of(
            dispatch.call(review.Request(self._taste, digest, path, label=label, undo=undo))
        )
        self._images.set_grade(request["image"], row.grade)
        return row

    def _label_group(self, request: Any) -> GroupAnswer:
        """Label the images of a group. `image`, `sha256`: the image that the user has picked.

        `act`: "keep" keeps this image and trashes the others; "keep-all" and "trash-all" give all
        images one label. `size`: the number of images. Raises ValueError if the page shows another
        group.
        """
        with self._lock:
            number = request["image"]
            self._path(request)
            group = self._group_of.get(number)
            if group is None or len(group.images) != request["size"]:
                raise ValueError("the page shows another group")
            kept = {"keep": [number], "keep-all": group.images, "trash-all": []}[request["act"]]
            act = review.GroupAct(
                keep=tuple(map(self._group_image, kept)),
                trash=tuple(
                    self._group_image(other) for other in group.images if other not in kept
                ),
            )
            answer = self._act_on_group(act)
            if answer.numbers:
                self._group_acts.append(answer.numbers)
            return answer

    def _undo_group(self, request: Any) -> GroupAnswer:
        """Undo the labels of one act of this review on a group.

        Raises ImgscoreError if these labels were not given in this review.
        """
        numbers = request["numbers"]
        with self._lock:
            if numbers not in self._group_acts:
                raise ImgscoreError(
                    "the labels were not given in this review", "see: imgscore history"
                )
            answer = self._act_on_group(review.GroupAct(undo=tuple(numbers)))
            self._group_acts.remove(numbers)
            return answer

    def _group_image(self, number: int) -> review.GroupImage:
        return review.GroupImage(self._images.digests[number], self._images.paths[number])

    def _act_on_group(self, act: review.GroupAct) -> GroupAnswer:
        """Set or undo the labels of a group, and update the data of the page."""
        rows = rows_of(dispatch.call(review.Request(self._taste, group=act)))
        grades = {row.sha256: row.grade for row in rows}
        for number, digest in enumerate(self._images.digests):
            if digest in grades:
                self._images.set_grade(number, grades[digest])
        return GroupAnswer(
            [ImageLabel(row.sha256, row.label, row.grade, row.error) for row in rows],
            [row.number for row in rows if row.number is not None],
        )

    def _next(self, request: Any) -> ImageNumbers:
        return self._numbers(next_images.Request(self._taste, NEXT_COUNT))

    def _search(self, request: Any) -> ImageNumbers:
        text = str(request["text"])[: search.MAX_TEXT]
        return self._numbers(search.Request(text, SEARCH_COUNT, taste=self._taste))

    def _numbers(self, request: next_images.Request | search.Request) -> ImageNumbers:
        """Send a request, and return the numbers of its images on the page."""
        with self._lock:
            try:
                rows: list[Any] = rows_of(dispatch.call(request))
            except ImgscoreError as error:
                return ImageNumbers([], f"{error.message}: {error.remedy}")
            numbers = self._images.number_of
            return ImageNumbers([numbers[row.sha256] for row in rows if row.sha256 in numbers])

    def _explain(self, request: Any) -> review_reasons.Explanation:
        """Find the reasons for the score of an image of the page."""
        with self._lock:
            path = self._path(request)
            wanted = explain.Request(path, self._taste, review_reasons.COUNT)
            (row,) = rows_of(dispatch.call(wanted))
            return review_reasons.explanation(row, request["sha256"], self._images.number_of)

    def _reveal(self, request: Any) -> dict[str, object]:
        """Open the folder of an image of the page in the file manager.

        The page names the image by number and digest, so it can open no other folder.
        """
        with self._lock:
            folder, _ = os.path.split(self._path(request))
        open_folder(os.fsencode(folder))
        return {}

    def _pairs(self, request: Any) -> Proposals:
        """Choose images to compare. `exclude`: the pairs of sha256 that the browser has already."""
        exclude = [(str(first), str(second)) for first, second in request["exclude"]]
        size: Literal[2, 4] = 4 if request["size"] == 4 else 2
        wanted = compare.Request(
            self._request.folder, self._taste, PAIR_COUNT, size=size, exclude=exclude
        )
        with self._lock:
            try:
                rows: list[Any] = rows_of(dispatch.call(wanted))
            except ImgscoreError as error:
                return Proposals([], [], f"{error.message}: {error.remedy}")
            numbers = self._images.number_of
        shown = [row for row in rows if all(image.sha256 in numbers for image in row.images)]
        return Proposals(
            [[numbers[image.sha256] for image in row.images] for row in shown],
            [row.why for row in shown],
        )

    def _compare(self, request: Any) -> Recorded:
        """Record answers about images of the page. The answers of one request belong together.

        Raises ValueError if the page has no image with one of the digests.
        """
        answers = msgspec.convert(request["answers"], list[compare.PairAnswer])
        with self._lock:
            digests = {digest for pair in answers for digest in (pair.first, pair.second)}
            if not digests or not digests <= self._images.number_of.keys():
                raise ValueError("the page shows other images")
            recorded = self._recorded(compare.Request(taste=self._taste, answers=answers))
            if recorded.numbers:
                self._withdrawable.append(recorded.numbers)
            return recorded

    def _withdraw(self, request: Any) -> Recorded:
        """Undo answers of this review that were given together.

        Raises ImgscoreError if these answers were not given in this review.
        """
        numbers = request["numbers"]
        with self._lock:
            if numbers not in self._withdrawable:
                raise ImgscoreError(
                    "the answer was not given in this review", "see: imgscore history"
                )
            recorded = self._recorded(compare.Request(taste=self._taste, undo=numbers))
            self._withdrawable.remove(numbers)
            return recorded

    def _recorded(self, request: compare.Request) -> Recorded:
        rows: list[Any] = rows_of(dispatch.call(request))
        return Recorded([row.number for row in rows if row.number is not None], rows[-1].answers)

    def _suspects(self, request: Any) -> FoundSuspects:
        """Find the suspect labels. They are no part of the page, because they take seconds.

        Images that are not on the page are left out.
        """
        with self._lock:
            wanted = msgspec.structs.replace(self._request, suspects=SUSPECT_COUNT)
            (source,) = rows_of(dispatch.call(wanted))
            data = files.read(Path(source.data), source.folder)
            return FoundSuspects(suspects_on_page(data, self._images.number_of), data.unlearned)

    def _groups(self, request: Any) -> FoundGroups:
        """Find the groups. They are no part of the page, because they can take seconds."""
        with self._lock:
            data = review_groups.gathered(self._request, self._source)
            found = groups_on_page(data, self._content)
            self._know_groups(found)
            return FoundGroups(found, data.uncompared)

    def _renew(self, request: Any) -> dict[str, object]:
        """Read the data of the page again, and return the parts that may have changed.

        `groups`: whether the page shows groups, so that it needs the new ones at once.
        """
        version = self.orders.version()
        with self._lock:
            wanted = msgspec.structs.replace(self._request, groups=bool(request["groups"]))
            (source,) = rows_of(dispatch.call(wanted))
            data = files.read(Path(source.data), source.folder)
            self._figures = files.figures_of(data)
            self._show(page_data(data, source.watches, "thumbnails", review=True, version=version))
            return {name: msgspec.to_builtins(getattr(self._content, name)) for name in RENEWED}
