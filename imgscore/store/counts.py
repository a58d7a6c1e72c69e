"""How many files each place holds, how many of an inbox a head has scored, and a taste's labels.

Kept by difference, in the transaction that writes what is counted, so that nobody who asks has to
look at every file. `recount` counts anew: for an older store, and to check.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from imgscore.store.schema import DIGEST_SIZE, LabelName, Sighting, path_key
from imgscore.store.transaction import Txn
from imgscore.watches import Role

_SIZE = 8


def files(txn: Txn, inbox: bytes, role: Role) -> int:
    """Present files in one place."""
    return _get(txn, _files(inbox, role))


def scored(txn: Txn, inbox: bytes, taste: str, head: str) -> int:
    """Present files in an inbox whose digest a head has scored."""
    return _get(txn, _scored(score_prefix(taste, head), inbox))


def labelled(txn: Txn, taste: str, label: LabelName) -> int:
    """Digests that are labelled so under a taste."""
    return _get(txn, _labelled(taste, label))


def moved(txn: Txn, before: Sighting | None, after: Sighting | None) -> None:
    """A sighting is another one now; None: there was none, or there is none any more."""
    changes: Counter[bytes] = Counter()
    for sighting, by in ((before, -1), (after, 1)):
        if sighting is not None and not sighting.gone_ns:
            for key in _keys(txn, sighting):
                changes[key] += by
    _add(txn, changes)


def score_came(txn: Txn, prefix: bytes, inboxes: Iterable[bytes]) -> None:
    """A head, told by the prefix of its scores, has scored one more file in each of these."""
    came = Counter(inboxes)
    _add(txn, Counter({_scored(prefix, inbox): count for inbox, count in came.items()}))


def scores_went(txn: Txn, prefix: bytes) -> None:
    """All scores of a head are dropped."""
    txn.table("counts").delete_all(b"scored:" + prefix)


def label_changed(txn: Txn, taste: str, before: LabelName | None, after: LabelName | None) -> None:
    """A digest has another label now, or none."""
    changes: Counter[bytes] = Counter()
    for label, by in ((before, -1), (after, 1)):
        if label is not None:
            changes[_labelled(taste, label)] += by
    _add(txn, changes)


def score_prefix(taste: str, head: str) -> bytes:
    """How the keys of a head's scores begin; the digest follows."""
    return f"{taste}\0{head}\0".encode()


def iter_all(txn: Txn) -> dict[bytes, int]:
    """All that is counted, as `recount` gives it."""
    return {key: int.from_bytes(value, "big") for key, value in txn.table("counts").scan()}


def recount(
    txn: Txn, sightings: Iterable[Sighting], labels: Iterable[tuple[str, LabelName]]
) -> dict[bytes, int]:
    """The same counted one by one: of the present sightings, and of (taste, label) pairs."""
    found: Counter[bytes] = Counter(_labelled(*one) for one in labels)
    for sighting in sightings:
        found.update(_keys(txn, sighting))
    return dict(found)


def replace(txn: Txn, counted: dict[bytes, int]) -> None:
    """Make these the counts."""
    txn.table("counts").delete_all(b"")
    _add(txn, Counter(counted))


def _keys(txn: Txn, sighting: Sighting) -> Iterator[bytes]:
    """What a present sighting counts for."""
    yield _files(sighting.inbox, sighting.role)
    if sighting.role == "inbox":
        scores = txn.table("scores")
        for prefix in scorers(txn):
            if scores.get(prefix + sighting.digest) is not None:
                yield _scored(prefix, sighting.inbox)


def scorers(txn: Txn) -> Iterator[bytes]:
    """The prefix of each head that has scores: few, and found without reading the scores."""
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
    """What has come down to nothing is not kept: an inbox or a head of long ago leaves no trace."""
    table = txn.table("counts")
    for key, by in changes.items():
        count = _get(txn, key) + by
        if count > 0:
            table.put(key, count.to_bytes(_SIZE, "big"))
        elif by:
            table.delete(key)
