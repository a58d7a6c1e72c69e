"""Counters: files in each place, scored files in each inbox, and labels of each taste.

The transaction that writes a record also changes its counters, so that `status` reads no records.
`recount` computes all counters from the records: for an older store, and for `db check`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from imgscore.store.schema import DIGEST_SIZE, LabelName, Sighting, path_key
from imgscore.store.transaction import Txn
from imgscore.watches import Role

_SIZE = 8  # bytes of a stored counter


def files(txn: Txn, inbox: bytes, role: Role) -> int:
    """Return the number of present files in one place."""
    return _get(txn, _files(inbox, role))


def scored(txn: Txn, inbox: bytes, taste: str, head: str) -> int:
    """Return the number of present files in an inbox that a head has scored."""
    return _get(txn, _scored(score_prefix(taste, head), inbox))


def labelled(txn: Txn, taste: str, label: LabelName) -> int:
    """Return the number of digests with this label under a taste."""
    return _get(txn, _labelled(taste, label))


def sighting_changed(txn: Txn, before: Sighting | None, after: Sighting | None) -> None:
    """Count that a sighting was replaced; `before` None: it is new, `after` None: it is deleted."""
    changes: Counter[bytes] = Counter()
    for sighting, by in ((before, -1), (after, 1)):
        if sighting is not None and not sighting.gone_ns:
            for key in _keys(txn, sighting):
                changes[key] += by
    _add(txn, changes)


def scores_added(txn: Txn, prefix: bytes, inboxes: Iterable[bytes]) -> None:
    """Count one more scored file for each item of `inboxes`; `prefix`: the head's score prefix."""
    new = Counter(inboxes)
    _add(txn, Counter({_scored(prefix, inbox): count for inbox, count in new.items()}))


def scores_deleted(txn: Txn, prefix: bytes) -> None:
    """Delete the counters of a head whose scores were deleted."""
    txn.table("counts").delete_all(b"scored:" + prefix)


def label_changed(txn: Txn, taste: str, before: LabelName | None, after: LabelName | None) -> None:
    """Count that the label of a digest changed; None: no label."""
    changes: Counter[bytes] = Counter()
    for label, by in ((before, -1), (after, 1)):
        if label is not None:
            changes[_labelled(taste, label)] += by
    _add(txn, changes)


def score_prefix(taste: str, head: str) -> bytes:
    """Return the prefix of the keys of a head's scores; the digest follows it."""
    return f"{taste}\0{head}\0".encode()


def iter_all(txn: Txn) -> dict[bytes, int]:
    """Return all counters, by key, as `recount` does."""
    return {key: int.from_bytes(value, "big") for key, value in txn.table("counts").scan()}


def recount(
    txn: Txn, sightings: Iterable[Sighting], labels: Iterable[tuple[str, LabelName]]
) -> dict[bytes, int]:
    """Return the counters computed from the present sightings and from (taste, label) pairs."""
    totals: Counter[bytes] = Counter(_labelled(taste, label) for taste, label in labels)
    for sighting in sightings:
        totals.update(_keys(txn, sighting))
    return dict(totals)


def replace(txn: Txn, counted: dict[bytes, int]) -> None:
    """Replace all counters."""
    txn.table("counts").delete_all(b"")
    _add(txn, Counter(counted))


def _keys(txn: Txn, sighting: Sighting) -> Iterator[bytes]:
    """Yield the keys of the counters that include a present sighting."""
    yield _files(sighting.inbox, sighting.role)
    if sighting.role == "inbox":
        scores = txn.table("scores")
        for prefix in score_prefixes(txn):
            if scores.get(prefix + sighting.digest) is not None:
                yield _scored(prefix, sighting.inbox)


def score_prefixes(txn: Txn) -> Iterator[bytes]:
    """Yield the score prefix of each head that has scores; skips from head to head."""
    scores, key = txn.table("scores"), b""
    while (entry := scores.first_from(key)) is not None:
        prefix = entry[0][:-DIGEST_SIZE]
        yield prefix
        key = max(prefix[:-1] + b"\x01", entry[0] + b"\0")


def _files(inbox: bytes, role: Role) -> bytes:
    return b"files:" + path_key(inbox) + role.encode()


def _scored(prefix: bytes, inbox: bytes) -> bytes:
    return b"scored:" + prefix + path_key(inbox)


def _labelled(taste: str, label: LabelName) -> bytes:
    return f"labels:{taste}\0{label}".encode()


def _get(txn: Txn, key: bytes) -> int:
    return int.from_bytes(txn.table("counts").get(key) or b"", "big")


def _add(txn: Txn, changes: Counter[bytes]) -> None:
    """Add to counters, and delete those that reach zero."""
    table = txn.table("counts")
    for key, by in changes.items():
        count = _get(txn, key) + by
        if count > 0:
            table.put(key, count.to_bytes(_SIZE, "big"))
        elif by:
            table.delete(key)
