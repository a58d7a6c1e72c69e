"""The order of the images inside a group, from what the store contains."""

from collections.abc import Iterable

from imgscore.grades import UNDECIDED
from imgscore.groups.best import Quality, best_first
from imgscore.store import labels, qualities, traits
from imgscore.store.groups import MIN_MEMBERS
from imgscore.store.transaction import Txn


def best_images_first(txn: Txn, digests: Iterable[bytes], taste: str | None) -> list[bytes]:
    """Return the digests of a group, the best image first. The result does not depend on a head.

    `taste`: images with a higher grade in this taste come first, because the user's word counts
    more than a measurement. An image without a label counts as undecided. None: ignore labels.

    Scores are not used: inside a group they are at chance, and they change with every head. An
    image whose quality is not measured yet counts by its pixels and bytes. Equal images keep their
    sequence.
    """
    members = list(digests)
    if len(members) < MIN_MEMBERS:
        return members
    ranked = [members[at] for at in best_first([quality_of(txn, digest) for digest in members])]
    if taste is not None:
        grade_of = {digest: _grade(txn, taste, digest) for digest in members}
        if len(set(grade_of.values())) > 1:
            ranked.sort(key=lambda digest: -grade_of[digest])
    return ranked


def quality_of(txn: Txn, digest: bytes) -> Quality:
    """Return the quality of an image. If it is not measured, return its pixels and bytes."""
    measured = qualities.of(txn, digest)
    if measured is not None:
        return measured
    known = traits.get(txn, digest)
    if known is None:
        return Quality()
    pixels = known.width * known.height
    return Quality(pixels=pixels, bytes=round(pixels * known.bytes_per_pixel))


def _grade(txn: Txn, taste: str, digest: bytes) -> float:
    label = labels.current(txn, taste, digest)
    return UNDECIDED if label is None else label.grade
