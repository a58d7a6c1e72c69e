"""Find the images of inboxes that have an embedding, but no score under a head."""

from collections.abc import Iterable

from imgscore.store import counts, scores, sightings, vectors
from imgscore.store.transaction import Txn


def all_are_scored(txn: Txn, inboxes: Iterable[bytes], taste: str, head: str) -> bool:
    """Return whether the counters show that every file of the inboxes has a score.

    No sighting is read. A file without an embedding has no score.
    """
    return all(
        counts.scored(txn, inbox, taste, head) == counts.files(txn, inbox, "inbox")
        for inbox in inboxes
    )


def unscored(
    txn: Txn, embedder: str, inboxes: Iterable[bytes], taste: str, head: str
) -> list[bytes]:
    """Return the digests in these inboxes that have a vector but no score under `head`."""
    is_scored = scores.is_scored(txn, taste, head)
    has_vector = vectors.is_embedded(txn, embedder)
    return [
        digest
        for digest in sightings.digests(txn, inboxes)
        if not is_scored(digest) and has_vector(digest)
    ]
