"""The images of the review page, by number and by digest."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgscore.report.data import PageData


class ReviewImages:
    """The images of one order. The lists by number and by digest are made when they are needed."""

    def __init__(self, content: PageData) -> None:
        self._content = content
        self._images = content.images
        self._folders = content.folders

    @cached_property
    def paths(self) -> list[str]:
        """The path of each image; "" if it has none."""
        return self._images.paths(self._folders)

    @cached_property
    def digests(self) -> list[str]:
        """The sha256 of each image."""
        return self._images.digests()

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The number of each digest; of equal files, the first one counts."""
        numbers = range(len(self.digests) - 1, -1, -1)
        return dict(zip(reversed(self.digests), numbers, strict=True))

    def path(self, number: int, digest: str) -> str:
        """Return the path of the image with this number.

        Raises ValueError if there is no such number, or if the image has another digest. The
        digest differs if the browser shows an older order, in which images have other numbers.
        """
        if not 0 <= number < len(self._images) or self._images.digest(number) != digest:
            raise ValueError("the page shows an older order")
        return self.paths[number]

    def set_grade(self, number: int, grade: float | None) -> None:
        """Change the label of an image in the data of the page. None: it has no label."""
        self._content.labels += (grade is not None) - (number in self._images.grades)
        if grade is None:
            self._images.grades.pop(number, None)
        else:
            self._images.grades[number] = grade

    def best_first(self, digests: set[str]) -> Iterator[tuple[str, str]]:
        """Yield (digest, path) of those images of `digests` that have a path, best score first.

        The page shows the images in this order at first.
        """
        if digests:
            scores, paths = self._images.scores, self.paths
            for number in sorted(range(len(scores)), key=scores.__getitem__, reverse=True):
                digest = self.digests[number]
                if digest in digests and paths[number]:
                    yield digest, paths[number]
