"""Find the file of a labelled image in the watches of one taste."""

import os
from collections.abc import Collection

from imgscore.store import labels, sightings
from imgscore.store.transaction import Txn


def present_path(txn: Txn, taste: str, inboxes: Collection[bytes], digest: bytes) -> bytes | None:
    """Return a path at which an image is now, or None if there is no such file.

    `inboxes`: the inboxes of the taste. A file in the watch of one of them is preferred. Otherwise
    the result is the path at which the image was labelled, if no watch contains this path.
    """
    present = [
        sighting.path
        for sighting in sightings.of_digest(txn, digest)
        if not sighting.gone_ns and sighting.inbox in inboxes
    ]
    if present:
        return min(present)
    label = labels.current(txn, taste, digest)
    if label is None or sightings.find(txn, label.path) is not None:
        return None
    return label.path if label.path and os.path.lexists(label.path) else None
