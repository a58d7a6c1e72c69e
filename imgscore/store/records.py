"""The smaller rooms: failures, traits, scores, heads, the journal of touches and a few settings."""

import struct
from collections.abc import Callable, Iterator
from itertools import islice, takewhile

import msgspec

from imgscore.images.traits import Traits
from imgscore.store import counts, sightings
from imgscore.store.counts import score_prefix
from imgscore.store.schema import DIGEST_SIZE, Failure, HeadRecord, Ties, Touch, pack, path_key
from imgscore.store.store import Txn

_failure = msgspec.msgpack.Decoder(Failure)
_traits = msgspec.msgpack.Decoder(Traits)
_score = struct.Struct("<ff")
PACKED_SCORE_SIZE = DIGEST_SIZE + _score.size
_head = msgspec.msgpack.Decoder(HeadRecord)
_ties = msgspec.msgpack.Decoder(Ties)
_touch = msgspec.msgpack.Decoder(Touch)


def record_failure(txn: Txn, failure: Failure) -> None:
    """Say why the file at a path has no embedding."""
    txn.table("failures").put(path_key(failure.path), pack(failure))


def forget_failure(txn: Txn, path: bytes) -> bool:
    """The file is fine, or gone."""
    return txn.table("failures").delete(path_key(path))


def failure(txn: Txn, path: bytes) -> Failure | None:
    """The failure at a path."""
    value = txn.table("failures").get(path_key(path))
    return None if value is None else _failure.decode(value)


def failures(txn: Txn) -> Iterator[Failure]:
    """Every failure."""
    for _, value in txn.table("failures").scan():
        yield _failure.decode(value)


def record_traits(txn: Txn, digest: bytes, traits: Traits) -> None:
    """Write a digest's traits."""
    txn.table("traits").put(digest, pack(traits))


def traits(txn: Txn, digest: bytes) -> Traits | None:
    """A digest's traits."""
    value = txn.table("traits").get(digest)
    return None if value is None else _traits.decode(value)


def iter_traits(txn: Txn) -> Iterator[tuple[bytes, Traits]]:
    """(digest, traits) of each digest that has any."""
    for key, value in txn.table("traits").scan():
        yield key, _traits.decode(value)


def record_scores(txn: Txn, taste: str, head: str, scores: bytes) -> None:
    """Write scores under one head: `scores` is packed as pack_score does, one after another."""
    step, prefix = PACKED_SCORE_SIZE, score_prefix(taste, head)
    values = {
        scores[at : at + DIGEST_SIZE]: scores[at + DIGEST_SIZE : at + step]
        for at in range(0, len(scores), step)
    }
    is_known = is_scored(txn, taste, head)
    new = [digest for digest in values if not is_known(digest)]
    counts.score_came(txn, prefix, sightings.inboxes(txn, new))
    txn.table("scores").put_many((prefix + digest, value) for digest, value in values.items())


def pack_score(digest: bytes, score: float, deviation: float) -> bytes:
    """40 bytes: the digest, the score, and the score's own noise."""
    return digest + _score.pack(score, deviation)


def score(txn: Txn, taste: str, head: str, digest: bytes) -> tuple[float, float] | None:
    """(score, deviation) of a digest under a head."""
    value = txn.table("scores").get(score_prefix(taste, head) + digest)
    return None if value is None else _score.unpack(value)


def scores(txn: Txn, taste: str, head: str) -> Callable[[bytes], tuple[float, float] | None]:
    """`score` of a head, to be asked of many digests."""
    prefix, get = score_prefix(taste, head), txn.table("scores").getter()

    def found(digest: bytes) -> tuple[float, float] | None:
        value = get(prefix + digest, b"")
        return _score.unpack(value) if value else None

    return found


def is_scored(txn: Txn, taste: str, head: str) -> Callable[[bytes], bool]:
    """Whether a head has scored a digest, to be asked of many."""
    prefix, get = score_prefix(taste, head), txn.table("scores").getter()
    return lambda digest: bool(get(prefix + digest, b""))


def iter_scores(txn: Txn) -> Iterator[tuple[bytes, float, float]]:
    """(digest, score, deviation) under whatever taste and head."""
    for key, value in txn.table("scores").scan():
        score, deviation = _score.unpack(value)
        yield key[-DIGEST_SIZE:], score, deviation


def forget_scores(txn: Txn, taste: str, head: str) -> None:
    """Drop all scores that a head gave; they can be had again from the embeddings."""
    txn.table("scores").delete_all(score_prefix(taste, head))
    counts.scores_went(txn, score_prefix(taste, head))


def forget_unused_scores(txn: Txn, taste: str) -> None:
    """Drop those of every head of a taste that is not in use.

    Not of the last one only: workers that were asked under a head answer when it is retired.
    """
    used = heads_in_use(txn, taste)
    for prefix in list(counts.scorers(txn)):
        name, head, _ = prefix.decode().split("\0")
        if name == taste and head not in used:
            forget_scores(txn, taste, head)


def record_head(txn: Txn, head: HeadRecord) -> None:
    """Write a head's record; an accepted one becomes the current head of its taste."""
    txn.table("heads").put(f"{head.taste}\0{head.version}".encode(), pack(head))
    if head.accepted:
        use_head(txn, head.taste, head.version)


def use_head(txn: Txn, taste: str, version: str) -> None:
    """Make a head the current one of its taste, and the one that its embedder comes back to."""
    value = txn.table("heads").get(f"{taste}\0{version}".encode())
    txn.table("meta").put(f"head:{taste}".encode(), version.encode())
    if value is not None:
        embedder = _head.decode(value).embedder
        txn.table("meta").put(f"head:{taste}\0{embedder}".encode(), version.encode())


def head_under(txn: Txn, taste: str, embedder: str) -> HeadRecord | None:
    """The head that scored a taste when this embedder was last in use."""
    version = txn.table("meta").get(f"head:{taste}\0{embedder}".encode())
    value = txn.table("heads").get(f"{taste}\0".encode() + version) if version else None
    return None if value is None else _head.decode(value)


def heads_in_use(txn: Txn, taste: str) -> set[str]:
    """Versions that score a taste, now or when an earlier embedder comes back."""
    name = f"head:{taste}".encode()
    return {
        version.decode()
        for key, version in txn.table("meta").scan(name)
        if key == name or key.startswith(name + b"\0")
    }


def heads(txn: Txn, taste: str) -> list[HeadRecord]:
    """Every head of a taste, oldest first."""
    prefix = f"{taste}\0".encode()
    found = [_head.decode(value) for _, value in txn.table("heads").scan(prefix)]
    return sorted(found, key=lambda head: head.created_ns)


def all_heads(txn: Txn) -> list[HeadRecord]:
    """Every head of every taste."""
    return [_head.decode(value) for _, value in txn.table("heads").scan()]


def current_head(txn: Txn, taste: str) -> HeadRecord | None:
    """The head that scores a taste now."""
    version = txn.table("meta").get(f"head:{taste}".encode())
    if version is None:
        return None
    value = txn.table("heads").get(f"{taste}\0".encode() + version)
    return None if value is None else _head.decode(value)


def record_ties(txn: Txn, inbox: bytes, ties: Ties) -> None:
    """Write what counts as a tie in an inbox."""
    txn.table("meta").put(b"ties:" + path_key(inbox), pack(ties))


def ties(txn: Txn, inbox: bytes, head: str) -> Ties | None:
    """What counts as a tie in an inbox under a head; None where that is not known yet."""
    value = txn.table("meta").get(b"ties:" + path_key(inbox))
    found = None if value is None else _ties.decode(value)
    return found if found is not None and found.head == head else None


def journal(txn: Txn, touch: Touch) -> int:
    """Write a touch that is about to be done; returns its number."""
    return txn.table("journal").append(pack(touch))


def last_touch(txn: Txn) -> int:
    """The number of the newest touch; 0 where there is none."""
    last = txn.table("journal").last()
    return int.from_bytes(last[0], "big") if last else 0


def touch(txn: Txn, number: int) -> Touch | None:
    """A touch by its number; None where there is none, or none any more."""
    value = txn.table("journal").get(number.to_bytes(8, "big")) if number > 0 else None
    return None if value is None else _touch.decode(value)


def forget_touches(txn: Txn, until: int, most: int) -> bool:
    """Drop the oldest `most` touches up to a number; whether there are more."""
    table, last = txn.table("journal"), until.to_bytes(8, "big")
    old = list(islice(takewhile(lambda key: key <= last, table.keys()), most + 1))
    for key in old[:most]:
        table.delete(key)
    return len(old) > most


def touches(txn: Txn) -> Iterator[tuple[int, Touch]]:
    """(number, touch) of the journal, newest first."""
    for key, value in txn.table("journal").backwards():
        yield int.from_bytes(key, "big"), _touch.decode(value)


def setting(txn: Txn, name: str) -> str | None:
    """A small fact that outlives the process, such as `paused_until_ns`."""
    value = txn.table("meta").get(f"setting:{name}".encode())
    return None if value is None else value.decode()


def set_setting(txn: Txn, name: str, value: str | None) -> None:
    """Write a setting; None removes it."""
    if value is None:
        txn.table("meta").delete(f"setting:{name}".encode())
    else:
        txn.table("meta").put(f"setting:{name}".encode(), value.encode())
