"""Read the images of a page from the store, a list for each fact."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imgscore.report.blur import blurs_of
from imgscore.report.data import ELSEWHERE, NO_SCORE, SCORE_UNIT, Images
from imgscore.store import scores, sightings, traits

if TYPE_CHECKING:
    from imgscore.store.schema import Label
    from imgscore.store.transaction import Txn


class ShownImages(NamedTuple):
    """The images, and the texts to which they refer by index. `formats`: that of each image."""

    images: Images
    folders: list[str]
    places: list[str]
    cameras: list[str]
    formats: list[str]


class ImageColumns:
    """The images of a page. The number of an image is its index in each list.

    The first `present` images have a file in a watch; those that `number_of` adds have none.
    """

    def __init__(self, txn: Txn, inboxes: set[bytes], includes: Callable[[bytes], bool]) -> None:
        """Read the files in the watches of `inboxes` whose path `includes` accepts."""
        self.digests: list[bytes] = []
        self.paths: list[bytes | None] = []
        self.places: list[str] = []
        self.sizes: list[int] = []
        for path, digest, role, size in sightings.present_files(txn, inboxes):
            if includes(path):
                self.digests.append(digest)
                self.paths.append(path)
                self.places.append(role)
                self.sizes.append(size)
        self.present = len(self.digests)
        backwards = range(self.present - 1, -1, -1)
        self.numbers = dict(zip(reversed(self.digests), backwards, strict=True))
        """the number of each digest; of files with equal bytes, the first one counts"""

    def copies(self) -> dict[bytes, list[int]]:
        """Return the numbers of the files with equal bytes, by digest."""
        copies: dict[bytes, list[int]] = {}
        if len(self.numbers) < len(self.digests):
            for number, digest in enumerate(self.digests[: self.present]):
                first = self.numbers[digest]
                if first != number:
                    copies.setdefault(digest, [first]).append(number)
        return copies

    def number_of(self, digest: bytes, path: Callable[[], bytes | None]) -> int:
        """Return the number of an image. Add the image if it is not on the page yet.

        `path`: a function that returns the path of an image that is added, or None.
        """
        number = self.numbers.setdefault(digest, len(self.digests))
        if number == len(self.digests):
            self.digests.append(digest)
            self.paths.append(path())
            self.places.append(ELSEWHERE)
            self.sizes.append(0)
        return number

    def read(self, txn: Txn, taste: str, head: str, labels: dict[bytes, Label]) -> ShownImages:
        """Read the other facts of the images."""
        shown = traits.shown(txn, self.digests)
        joined = os.fsdecode(b"\0".join([path or b"" for path in self.paths]))
        split = [path.rpartition("/") for path in joined.split("\0")] if self.paths else []
        folder_names, folders = _indexed([folder or slash for folder, slash, _ in split])
        place_names, places = _indexed(self.places)
        camera_names, cameras = _indexed([found.camera for found in shown])
        found, deviations = _in_units(scores.packed_pairs(txn, taste, head, self.digests))
        grades = {
            number: labels[digest].grade
            for number, digest in enumerate(self.digests)
            if digest in labels
        }
        images = Images(
            names="/".join([name for _, _, name in split]),
            folders=folders,
            sha256=b"".join(self.digests).hex(),
            scores=found,
            deviations=deviations,
            places=places,
            widths=[row.width for row in shown],
            heights=[row.height for row in shown],
            bytes=self.sizes,
            taken="/".join([row.taken for row in shown]),
            cameras=cameras,
            blurs=blurs_of([row.grid for row in shown]),
            grades=grades,
        )
        formats = [row.format for row in shown]
        return ShownImages(images, folder_names, place_names, camera_names, formats)


def _indexed(texts: Iterable[str]) -> tuple[list[str], list[int]]:
    """Return the different texts, and the index of each text in them."""
    indices: dict[str, int] = {}
    numbers = [indices.setdefault(text, len(indices)) for text in texts]
    return list(indices), numbers


def _in_units(pairs: bytes) -> tuple[list[int], list[int]]:
    """Return the scores and deviations in SCORE_UNIT. `pairs`: those of scores.packed_pairs."""
    numbers = np.frombuffer(pairs, "<f4").reshape(-1, 2)
    # A sum is finite only if both numbers are. An older version stored scores that are not.
    is_known = np.isfinite(numbers.sum(1))
    units = np.where(is_known[:, None], numbers / SCORE_UNIT, NO_SCORE)
    scores_of, deviations = np.rint(units).astype(int).T.tolist()
    return scores_of, deviations
