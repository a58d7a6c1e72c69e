"""The rule that a RAW file and the JPEG files with the same name share their labels."""

from collections.abc import Iterable, Iterator

import msgspec

from imgscore import grades
from imgscore.order.entries import RAW_SUFFIXES, suffix
from imgscore.reconcile import rating_rules
from imgscore.reconcile.sidecars import has_raw, sibling_names
from imgscore.store import labels, ratings, sightings
from imgscore.store.schema import Label, LabelEvent, Sighting
from imgscore.store.transaction import Txn


def append_label(txn: Txn, event: LabelEvent, *, share: bool, beside: Iterable[bytes] = ()) -> int:
    """Append a label event to the log and return the event's number.

    If `share` is true, append the label also for RAW and JPEG files with the same name as the
    image. Look for these files in the folder of every known copy of the image, and in the folders
    of the paths `beside`. A file in a label folder keeps its label if the label of the image is
    cleared. A file with its own rating does not share a label that came from a rating.
    """
    number = labels.append(txn, event)
    if not share:
        return number
    digests = {
        sibling.digest
        for sibling in siblings_of(txn, event.digest, (event.path, *beside))
        if _shares(txn, event, sibling)
    }
    for digest in sorted(digests - {event.digest}):
        current = labels.current(txn, event.taste, digest)
        if (current.grade if current else None) != event.grade:
            labels.append(txn, msgspec.structs.replace(event, digest=digest))
    return number


def siblings_of(txn: Txn, digest: bytes, paths: Iterable[bytes] = ()) -> Iterator[Sighting]:
    """Yield the sightings of the RAW and JPEG files that have the name of an image.

    They are in the folder of a known copy of the image, or in the folder of one of `paths`. The
    image itself may be among them.
    """
    copies = {*paths, *(sighting.path for sighting in sightings.of_digest(txn, digest))}
    for path in copies:
        yield from present_siblings(txn, path)


def _shares(txn: Txn, event: LabelEvent, sibling: Sighting) -> bool:
    if event.source == "rating":
        rated = ratings.find(txn, sibling.path)
        is_rated = rated is not None and rating_rules.last_grade(rated) is not None
        return sibling.role == "inbox" and not is_rated
    return event.grade is not None or event.source != "place" or sibling.role == "inbox"


def shares_place(path: bytes, grade: float | None, before: Label | None) -> bool:
    """Return whether RAW and JPEG files with the same name share a label event.

    `grade`: the grade that follows from the folder of the file at `path`; None if the label is
    cleared. `before`: the label before this event. The files share every label event, with one
    exception: if the RAW file gets or loses the label trash, the label of the JPEG file does not
    change.
    """
    concerned = before.grade if before and grade is None else grade
    return concerned != grades.TRASH or suffix(path) not in RAW_SUFFIXES


def present_siblings(txn: Txn, path: bytes) -> list[Sighting]:
    """Return the sightings of the RAW and JPEG files that have the name and the folder of `path`.

    Deleted files are left out. The list is empty if all these files, and `path`, are JPEG files:
    such files share no labels.
    """
    seen = [sightings.find(txn, name) for name in sibling_names(path)]
    present = [sighting for sighting in seen if sighting is not None and not sighting.gone_ns]
    return present if has_raw((path, *(sighting.path for sighting in present))) else []
