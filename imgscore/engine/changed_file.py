"""Compare one file with its records in the store. A scan compares many files at once."""

import time

from imgscore.images.version import DECODER_VERSION
from imgscore.store import failures, sightings
from imgscore.store.schema import Fingerprint
from imgscore.store.transaction import Txn
from imgscore.watches import Watches


def differs_from_store(
    txn: Txn, watches: Watches, path: bytes, seen: Fingerprint, *, known_too: bool
) -> bool:
    """Return whether the file at `path` must be indexed.

    `seen`: its present fingerprint. `known_too`: whether an unchanged file without a failure must
    also be indexed.
    """
    failure = failures.find(txn, path)
    if failure is not None:
        return not failure.is_current(seen, DECODER_VERSION, time.time_ns())
    place, known = watches.locate(path), sightings.find(txn, path)
    return (
        known_too
        or known is None
        or place is None
        or bool(known.gone_ns)
        or known.seen != seen
        or (known.inbox, known.role) != (place.watch.inbox, place.role)
    )
