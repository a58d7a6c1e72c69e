"""Scores by taste, head and digest. They can be computed again from the embeddings."""

import struct
from collections.abc import Callable, Iterator

from imgscore.store import counts, heads, sightings
from imgscore.store.counts import score_prefix
from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.transaction import Txn

_score = struct.Struct("<ff")
# Bytes of one packed score: the digest, the score, the deviation.
PACKED_SIZE = DIGEST_SIZE + _score.size


def pack(digest: bytes, score: float, deviation: float) -> bytes:
    """Pack a digest, its score and the score's standard deviation into PACKED_SIZE bytes."""
    return digest + _score.pack(score, deviation)


def record(txn: Txn, taste: str, head: str, scores: bytes) -> None:
    """Write the scores of one head: `scores` is the output of `pack`, concatenated."""
    prefix = score_prefix(taste, head)
    values = {
        scores[at : at + DIGEST_SIZE]: scores[at + DIGEST_SIZE : at + PACKED_SIZE]
        for at in range(0, len(scores), PACKED_SIZE)
    }
    is_known = is_scored(txn, taste, head)
    new = [digest for digest in values if not is_known(digest)]
    counts.scores_added(txn, prefix, sightings.inboxes(txn, new))
    txn.table("scores").put_many((prefix + digest, value) for digest, value in values.items())


def get(txn: Txn, taste: str, head: str, digest: bytes) -> tuple[float, float] | None:
    """Return (score, deviation) of a digest under a head."""
    value = txn.table("scores").get(score_prefix(taste, head) + digest)
    return None if value is None else _score.unpack(value)


def getter(txn: Txn, taste: str, head: str) -> Callable[[bytes], tuple[float, float] | None]:
    """Return `get` bound to one head, for many digests."""
    prefix, get_value = score_prefix(taste, head), txn.table("scores").getter()

    def get_score(digest: bytes) -> tuple[float, float] | None:
        value = get_value(prefix + digest, b"")
        return _score.unpack(value) if value else None

    return get_score


def is_scored(txn: Txn, taste: str, head: str) -> Callable[[bytes], bool]:
    """Return a function that says whether a head has scored a digest, for many digests."""
    prefix, get_value = score_prefix(taste, head), txn.table("scores").getter()
    return lambda digest: bool(get_value(prefix + digest, b""))


def iter_all(txn: Txn) -> Iterator[tuple[bytes, float, float]]:
    """Yield (digest, score, deviation) of every taste and head."""
    for key, value in txn.table("scores").scan():
        score, deviation = _score.unpack(value)
        yield key[-DIGEST_SIZE:], score, deviation


def forget(txn: Txn, taste: str, head: str) -> None:
    """Delete all scores of a head."""
    txn.table("scores").delete_all(score_prefix(taste, head))
    counts.scores_deleted(txn, score_prefix(taste, head))


def forget_unused(txn: Txn, taste: str) -> None:
    """Delete the scores of every head of a taste that is not in use.

    All of them and not only those of the head that was replaced last: a worker that was still
    scoring with an older head may have returned its scores after that head was replaced.
    """
    used = heads.in_use(txn, taste)
    for prefix in list(counts.score_prefixes(txn)):
        name, head, _ = prefix.decode().split("\0")
        if name == taste and head not in used:
            forget(txn, taste, head)
