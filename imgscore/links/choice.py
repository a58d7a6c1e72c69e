"""Chooses the images of a folder of links, from the records of the store.

An image counts as much as the grade of its label. Without a label, its score counts. So kept images
come first, the newest label first, and then the images that the head likes most. An image with a
label below undecided, and an image that is only in a trash folder, is never chosen.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from imgscore import grades
from imgscore.groups.copy_names import original_first
from imgscore.order.entries import JPEG_SUFFIXES, RAW_SUFFIXES, basename_key, suffix
from imgscore.store import group_members, groups, heads, labels, scores, sightings
from imgscore.store.schema import Label, Sighting
from imgscore.store.transaction import Txn
from imgscore.watches import Role, Watch, grade_of

_ROLES: tuple[Role, ...] = ("inbox", "keep", "3 stars", "4 stars", "5 stars")
"""The roles of the folders whose images may be chosen."""
_JPEG_ENDS = (b".jpg", b".JPG", b".jpeg", b".JPEG")


class Chosen(NamedTuple):
    """A chosen image. `score` and `grade`: None if the image has no score or no label."""

    digest: bytes
    path: bytes
    score: float | None
    grade: float | None


class _Candidate(NamedTuple):
    value: float
    time_ns: int
    """the time of the label; 0 without a label"""
    digest: bytes


def choose(
    txn: Txn, watches: Iterable[Watch], taste: str, *, top: int, per_group: int, min_score: float
) -> list[Chosen]:
    """Return the chosen images of a taste, best image first. `watches`: all watches.

    `top`: the largest number of images. `per_group`: the largest number of images of one group; 0
    means all. `min_score`: the smallest value of an image: the grade of its
    label, or else its score.
    """
    inboxes = {watch.inbox: watch for watch in watches if watch.taste == taste}
    return _Choice(txn, taste, inboxes).choose(top, per_group, min_score)


class _Choice:
    """The records of one taste. `inboxes`: its watches, by inbox."""

    def __init__(self, txn: Txn, taste: str, inboxes: dict[bytes, Watch]) -> None:
        self._txn = txn
        self._inboxes = inboxes
        self._labels: dict[bytes, Label] = dict(labels.iter_all(txn, taste))
        head = heads.current(txn, taste)
        self._score: Callable[[bytes], tuple[float, float] | None] = (
            scores.getter(txn, taste, head.version) if head is not None else lambda _: None
        )
        self._values: dict[bytes, float] = {}
        """the value of each image that may be chosen, by digest"""
        self._winners = cache(self._winners_of)

    def choose(self, top: int, per_group: int, min_score: float) -> list[Chosen]:
        """Return at most `top` images, best image first."""
        chosen: list[Chosen] = []
        used: set[bytes] = set()
        names: set[tuple[bytes, bytes]] = set()
        in_group: Counter[int] = Counter()
        for candidate in self._candidates(min_score):
            if len(chosen) == top:
                break
            digest = candidate.digest
            group = groups.of(self._txn, digest) if per_group else None
            if group is not None:
                digest = self._of_group(digest, group, per_group, first=not in_group[group.number])
            if not digest or digest in used:
                continue
            sighting = self._best_sighting(digest)
            if sighting is None:
                continue
            name = self._name_of_raw_and_jpeg(sighting)
            if name in names and suffix(sighting.path) in RAW_SUFFIXES:
                continue
            sighting = self._jpeg_beside(sighting) or sighting
            if name is not None:
                names.add(name)
            if sighting.digest in used:
                continue
            if group is not None:
                in_group[group.number] += 1
            used.update((digest, sighting.digest))
            chosen.append(Chosen(sighting.digest, sighting.path, *self._judged(sighting.digest)))
        return chosen

    def _judged(self, digest: bytes) -> tuple[float | None, float | None]:
        """Return the score and the grade of an image; None for what it lacks."""
        label, scored = self._labels.get(digest), self._score(digest)
        return (scored[0] if scored else None), (label.grade if label else None)

    def _candidates(self, min_score: float) -> list[_Candidate]:
        """Return all images that may be chosen, best image first."""
        found: list[_Candidate] = []
        for digest in set(sightings.digests(self._txn, self._inboxes, _ROLES)):
            score, grade = self._judged(digest)
            value = score if grade is None else grade
            if value is None or value < min_score:
                continue
            if grade is None or grade >= grades.UNDECIDED:
                label = self._labels.get(digest)
                found.append(_Candidate(value, label.time_ns if label else 0, digest))
        found.sort(key=lambda image: (-image.value, -image.time_ns, image.digest))
        self._values = {image.digest: image.value for image in found}
        return found

    def _of_group(
        self, digest: bytes, group: groups.Group, per_group: int, *, first: bool
    ) -> bytes:
        """Return the image of a group that takes the place of one of its images.

        The result is b"" if another image of the group has the place.
        """
        winners = self._winners(group)[:per_group]
        if digest in winners or not winners:
            return digest
        return winners[0] if first else b""

    def _winners_of(self, group: groups.Group) -> tuple[bytes, ...]:
        """Return the images of a group that may be chosen, the best first.

        Labelled images come first. Scores are at chance inside a group, so the technical quality of
        the images decides.
        """
        present = group_members.present_group(self._txn, group, self._inboxes)
        members = present.members if present is not None else ()
        usable = [member.digest for member in members if member.digest in self._values]
        return tuple(sorted(usable, key=lambda digest: -self._grade(digest)))

    def _grade(self, digest: bytes) -> float:
        label = self._labels.get(digest)
        return grades.UNDECIDED if label is None else label.grade

    def _best_sighting(self, digest: bytes) -> Sighting | None:
        """Return the file of an image that the folder should lead to, or None if there is none.

        A file in a keep folder is preferred, then one whose name is not that of a copy.
        """
        usable = [
            sighting
            for sighting in sightings.of_digest(self._txn, digest)
            if not sighting.gone_ns and sighting.inbox in self._inboxes and sighting.role in _ROLES
        ]
        return min(
            usable,
            key=lambda file: (-(grade_of(file.role) or 0.0), original_first(file.path)),
            default=None,
        )

    def _name_of_raw_and_jpeg(self, sighting: Sighting) -> tuple[bytes, bytes] | None:
        """Return the key of a RAW and a JPEG with the same name, which count as one image.

        Return None for other images, and if the watch treats them as two images.
        """
        if not self._inboxes[sighting.inbox].siblings:
            return None
        is_member = suffix(sighting.path) in RAW_SUFFIXES | JPEG_SUFFIXES
        return basename_key(sighting.path) if is_member else None

    def _jpeg_beside(self, sighting: Sighting) -> Sighting | None:
        """Return the JPEG beside a RAW, because most viewers show no RAW. None if there is none."""
        name = self._name_of_raw_and_jpeg(sighting)
        if name is None or suffix(sighting.path) not in RAW_SUFFIXES:
            return None
        for end in _JPEG_ENDS:
            found = sightings.find(self._txn, b"/".join(name) + end)
            if found is not None and not found.gone_ns and found.digest in self._values:
                return found
        return None
