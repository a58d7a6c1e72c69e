"""The groups of a page, and the copies with equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgscore.groups.best import Quality
from imgscore.groups.copy_names import original_first
from imgscore.report.data import Group
from imgscore.store import groups, qualities
from imgscore.store.group_members import File, groups_among

if TYPE_CHECKING:
    from imgscore.report.image_columns import ImageColumns, ShownImages
    from imgscore.store.transaction import Txn

EQUAL = "The bytes of these files are equal."
_RANK_UNITS = 100
"""The units of score in which groups are compared: two decimals, as the page shows them."""


class PageGroups:
    """The groups of the images of a page. Groups without an image in an inbox are left out."""

    def __init__(self, txn: Txn, columns: ImageColumns, shown: ShownImages) -> None:
        self._txn = txn
        self._columns = columns
        self._images = shown.images
        self._formats = shown.formats
        self._copies = columns.copies()

    def count(self) -> int:
        """Return the number of groups. No image is ranked, and no quality is read."""
        number_of, trashed = self._columns.numbers.get, self._trashed()
        found = [
            [at for at in map(number_of, members) if at is not None and at not in trashed]
            for members, _ in groups.members_of_all(self._txn)
        ]
        return sum(map(self._is_shown, [*found, *self._copies.values()]))

    def _trashed(self) -> set[int]:
        """Return the numbers of the images without a file outside of trash folders."""
        columns = self._columns
        trashed = {at for at in range(columns.present) if columns.places[at] == "trash"}
        for numbers in self._copies.values():
            if not trashed.issuperset(numbers):
                trashed.difference_update(numbers)
        return trashed

    def ranked(self) -> list[Group]:
        """Return the groups. The group with the best image of all is first."""
        measured = {digest: row.quality for digest, row in qualities.iter_all(self._txn)}
        found = []
        for group in groups_among(
            self._txn,
            self._files_of,
            lambda digest: measured.get(digest) or self._unmeasured(digest),
        ):
            numbers = [self._columns.numbers[member.digest] for member in group.members]
            # Not the sharpness of a pixel: in a small copy, it is higher than in the best image.
            sharpness = [member.quality.detail for member in group.members]
            found.append(self._group(group.kind, group.why, numbers, sharpness))
        for numbers in self._copies.values():
            numbers.sort(key=lambda number: original_first(self._columns.paths[number] or b""))
            found.append(self._group("copies", EQUAL, numbers))
        shown = [group for group in found if self._is_shown(group.images)]
        return sorted(shown, key=lambda group: self._rank(group.images[0]), reverse=True)

    def _is_shown(self, numbers: Sequence[int]) -> bool:
        places = self._columns.places
        return len(numbers) > 1 and any(places[number] == "inbox" for number in numbers)

    def _files_of(self, digest: bytes) -> list[File]:
        """Return the files of an image that are in no trash folder."""
        columns = self._columns
        numbers = self._copies.get(digest) or [columns.numbers.get(digest, columns.present)]
        return [
            File(columns.paths[number] or b"", columns.sizes[number])
            for number in numbers
            if number < columns.present and columns.places[number] != "trash"
        ]

    def _unmeasured(self, digest: bytes) -> Quality:
        number = self._columns.numbers[digest]
        pixels = self._pixels(number)
        return Quality(pixels=pixels, bytes=self._images.bytes[number]) if pixels else Quality()

    def _pixels(self, number: int) -> int:
        return self._images.widths[number] * self._images.heights[number]

    def _group(
        self, kind: str, why: str, numbers: list[int], sharpness: Sequence[float | None] = ()
    ) -> Group:
        return Group(
            kind=kind,
            why=why,
            images=numbers,
            sharpness=list(sharpness) or [None] * len(numbers),
            formats=[self._formats[number] for number in numbers],
        )

    def _rank(self, number: int) -> tuple[int, int, int]:
        """Return (score, number of pixels, number of bytes) of an image.

        The image with the largest of these tuples is the best image of its group.
        """
        score = max(0, self._images.scores[number])
        return round(score / _RANK_UNITS), self._pixels(number), self._images.bytes[number]
