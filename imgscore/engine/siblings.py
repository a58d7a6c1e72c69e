"""Labels that RAW and JPEG files of one name share."""

import msgspec

from imgscore.order.entries import RAW_SUFFIXES, suffix
from imgscore.reconcile.sidecars import has_raw, sibling_names
from imgscore.store import labels, sightings
from imgscore.store.schema import EventName, Label, LabelEvent, Sighting
from imgscore.store.transaction import Txn


def append_label(txn: Txn, event: LabelEvent, *, share: bool) -> int:
    """Log a label; with `share`, also for the RAW or JPEG of the same name, wherever it was.

    Returns the event's number.
    """
    number = labels.append(txn, event)
    if not share:
        return number
    paths = {event.path, *(sighting.path for sighting in sightings.of_digest(txn, event.digest))}
    digests = {sibling.digest for path in paths for sibling in _present_siblings(txn, path)}
    for digest in sorted(digests - {event.digest}):
        current = labels.current(txn, event.taste, digest)
        if (current.label if current else "clear") != event.label:
            labels.append(txn, msgspec.structs.replace(event, digest=digest))
    return number


def shares_place(path: bytes, event: EventName, before: Label | None) -> bool:
    """Whether a label by place, or clearing one, holds for RAW and JPEG alike.

    Trashing a RAW does not trash its JPEG.
    """
    label = before.label if before and event == "clear" else event
    return label != "trash" or suffix(path) not in RAW_SUFFIXES


def _present_siblings(txn: Txn, path: bytes) -> list[Sighting]:
    """The RAW and JPEG files of one name in one folder, if there is a RAW among them."""
    seen = [sightings.find(txn, name) for name in sibling_names(path)]
    present = [sighting for sighting in seen if sighting is not None and not sighting.gone_ns]
    return present if has_raw((path, *(sighting.path for sighting in present))) else []
