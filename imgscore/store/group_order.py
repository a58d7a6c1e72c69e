"""The order of the images inside a group, from what the store contains."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from imgscore.grades import UNDECIDED
from imgscore.groups.best import Quality, best_first
from imgscore.images.traits import Traits
from imgscore.store import labels, qualities, traits
from imgscore.store.groups import MIN_MEMBERS, Whole
from imgscore.store.transaction import Txn


def best_images_first(
    txn: Txn, digests: Iterable[bytes], taste: str | None, wholes: Sequence[Whole] = ()
) -> list[bytes]:
    """Return the digests of a group, the best image first. The result does not depend on a head.

    `taste`: images with a higher grade in this taste come first, because the user's word counts
    more than a measurement. An image without a label counts as undecided. None: ignore labels.
    `wholes`: those of the group.

    Scores are not used: inside a group they are at chance, and they change with every head. An
    image whose quality is not measured yet counts by its pixels and bytes. Equal images keep their
    sequence.
    """
    return ranker(txn, taste)(digests, wholes)


class Ranker(Protocol):
    """A function that returns the digests of a group, the best image first."""

    def __call__(
        self, digests: Iterable[bytes], wholes: Sequence[Whole] = ..., /
    ) -> list[bytes]: ...


def ranker(txn: Txn, taste: str | None) -> Ranker:
    """Return a function that returns the same as `best_images_first`. For many groups, it is
    faster.
    """
    grade = labels.grade_getter(txn, taste) if taste is not None else None

    def best_first_of(digests: Iterable[bytes], wholes: Sequence[Whole] = ()) -> list[bytes]:
        members = list(digests)
        if len(members) < MIN_MEMBERS:
            return members
        found = [quality_of(txn, digest) for digest in members]
        places = best_first(found, positions(members, wholes) if wholes else ())
        ranked = [members[at] for at in places]
        if grade is not None:
            grades = [grade(digest) for digest in ranked]
            if any(found is not None for found in grades):
                grade_of = dict(zip(ranked, grades, strict=True))
                ranked.sort(key=lambda digest: -_or_undecided(grade_of[digest]))
        return ranked

    return best_first_of


def positions(members: Sequence[bytes], wholes: Iterable[Whole]) -> list[tuple[int, int, float]]:
    """Return those wholes of a group that are about `members`, as positions in `members`."""
    at = {digest: number for number, digest in enumerate(members)}
    return [
        (at[whole], at[part], gain) for whole, part, gain in wholes if whole in at and part in at
    ]


def quality_of(txn: Txn, digest: bytes) -> Quality:
    """Return the quality of an image. If it is not measured, return its pixels and bytes."""
    measured = qualities.of(txn, digest)
    return unmeasured(traits.get(txn, digest)) if measured is None else measured


def unmeasured(known: Traits | None) -> Quality:
    """Return the quality of an image that is not measured: its pixels and bytes."""
    if known is None:
        return Quality()
    pixels = known.width * known.height
    return Quality(pixels=pixels, bytes=round(pixels * known.bytes_per_pixel))


def _or_undecided(grade: float | None) -> float:
    return UNDECIDED if grade is None else grade
