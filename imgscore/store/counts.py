"""The stored counters of files, of scored files, of labels, and of comparisons.

Files are counted for each watch and role (such as inbox, keep and trash). Scored files are counted
for each inbox and head. Labels are counted for each taste and grade, and comparisons for each
taste. The transaction that writes a record also changes the counters. The verb `status` can
therefore return the counters without reading the records. `recount` computes all counters from the
records, for `db check` and for the migration of an older store.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from imgscore.grades import KEEP, TRASH, of_number
from imgscore.store.schema import (
    DIGEST_SIZE,
    Sighting,
    path_key,
    stored_grade,
)
from imgscore.store.transaction import Txn
from imgscore.watches import Role

# The number of bytes of a stored counter.
_SIZE = 8


def files(txn: Txn, inbox: bytes, role: Role) -> int:
    """Return the number of present files with one role in one watch.

    `inbox`: the inbox of the watch. `role`: "inbox", "keep" or "trash".
    """
    return _get(txn, _files(inbox, role))


def all_files(txn: Txn) -> int:
    """Return the number of present files in all watches, also in former ones."""
    return sum(int.from_bytes(value, "big") for _, value in txn.table("counts").scan(b"files:"))


def scored(txn: Txn, inbox: bytes, taste: str, head: str) -> int:
    """Return the number of present files in an inbox that have a score from this head."""
    return _get(txn, _scored(score_prefix(taste, head), inbox))


def grades_of(txn: Txn, taste: str) -> dict[float, int]:
    """Return a map from each grade that labels of a taste have to the number of these labels.

    Grades are rounded to hundredths, so that the map is small.
    """
    prefix = _labelled(taste)
    return {
        _grade_in(key[len(prefix) :]): int.from_bytes(value, "big")
        for key, value in txn.table("counts").scan(prefix)
    }


def compared(txn: Txn, taste: str) -> int:
    """Return the number of pairs of a taste whose answer a head can learn from."""
    return _get(txn, _compared(taste))


def tastes(txn: Txn) -> set[str]:
    """Return all tastes that have labels. The function reads only the counters."""
    prefix = b"labels:"
    keys = (key for key, _ in txn.table("counts").scan(prefix))
    return {key[len(prefix) :].partition(b"\0")[0].decode() for key in keys}


def sighting_changed(txn: Txn, before: Sighting | None, after: Sighting | None) -> None:
    """Change the counters after a sighting was written or deleted.

    `before`: the old sighting; None means that there was no old sighting. `after`: the new
    sighting; None means that the sighting was deleted.
    """
    changes: Counter[bytes] = Counter()
    for sighting, by in ((before, -1), (after, 1)):
        if sighting is not None and not sighting.gone_ns:
            for key in _keys(txn, sighting):
                changes[key] += by
    _add(txn, changes)


def sightings_added(txn: Txn, new: Iterable[Sighting]) -> None:
    """Change the counters after sightings of present files were written, at paths without one."""
    files: Counter[tuple[bytes, Role]] = Counter()
    prefixes, scores = list(score_prefixes(txn)), txn.table("scores")
    changes: Counter[bytes] = Counter()
    for sighting in new:
        files[sighting.inbox, sighting.role] += 1
        for prefix in prefixes if sighting.role == "inbox" else ():
            if scores.get(prefix + sighting.digest) is not None:
                changes[_scored(prefix, sighting.inbox)] += 1
    for (inbox, role), count in files.items():
        changes[_files(inbox, role)] += count
    _add(txn, changes)


def scores_added(txn: Txn, prefix: bytes, inboxes: Iterable[bytes]) -> None:
    """Change the counters after a head scored more files.

    `inboxes`: the inbox of each newly scored file. `prefix`: the result of `score_prefix` for the
    head.
    """
    new = Counter(inboxes)
    _add(txn, Counter({_scored(prefix, inbox): count for inbox, count in new.items()}))


def scores_deleted(txn: Txn, prefix: bytes) -> None:
    """Delete the counters of a head whose scores were deleted.

    `prefix`: the result of `score_prefix` for the head.
    """
    txn.table("counts").delete_all(b"scored:" + prefix)


def label_changed(txn: Txn, taste: str, before: float | None, after: float | None) -> None:
    """Change the counters after the label of a digest changed.

    `before`, `after`: the old and the new grade. None means no label.
    """
    changes: Counter[bytes] = Counter()
    for grade, by in ((before, -1), (after, 1)):
        if grade is not None:
            changes[_graded(taste, grade)] += by
    _add(txn, changes)


def comparison_changed(txn: Txn, taste: str, by: int) -> None:
    """Add `by` to the number of pairs of a taste whose answer a head can learn from."""
    _add(txn, Counter({_compared(taste): by}))


def score_prefix(taste: str, head: str) -> bytes:
    """Return the bytes with which all keys of a head's scores begin.

    In each key, the digest follows these bytes.
    """
    return f"{taste}\0{head}\0".encode()


def iter_all(txn: Txn) -> dict[bytes, int]:
    """Return all stored counters, by key."""
    return {key: int.from_bytes(value, "big") for key, value in txn.table("counts").scan()}


def recount(
    txn: Txn,
    sightings: Iterable[Sighting],
    labels: Iterable[tuple[str, float]],
    comparisons: Iterable[str] = (),
) -> dict[bytes, int]:
    """Return all counters by key, computed from the records.

    `sightings`: the present sightings. `labels`: a pair (taste, grade) for each labelled digest.
    `comparisons`: the taste of each pair whose answer a head can learn from.
    """
    totals: Counter[bytes] = Counter(_graded(taste, grade) for taste, grade in labels)
    totals.update(map(_compared, comparisons))
    for sighting in sightings:
        totals.update(_keys(txn, sighting))
    return dict(totals)


def replace(txn: Txn, counted: dict[bytes, int]) -> None:
    """Replace all stored counters by `counted`."""
    txn.table("counts").delete_all(b"")
    _add(txn, Counter(counted))


def _keys(txn: Txn, sighting: Sighting) -> Iterator[bytes]:
    """Yield the keys of all counters that include the file of this sighting.

    `sighting`: a sighting that is not marked as gone.
    """
    yield _files(sighting.inbox, sighting.role)
    if sighting.role == "inbox":
        scores = txn.table("scores")
        for prefix in score_prefixes(txn):
            if scores.get(prefix + sighting.digest) is not None:
                yield _scored(prefix, sighting.inbox)


def score_prefixes(txn: Txn) -> Iterator[bytes]:
    """Yield the result of `score_prefix` for each head that has scores.

    The function reads only one score of each head.
    """
    scores, key = txn.table("scores"), b""
    while (entry := scores.first_from(key)) is not None:
        prefix = entry[0][:-DIGEST_SIZE]
        yield prefix
        key = max(prefix[:-1] + b"\x01", entry[0] + b"\0")


def _files(inbox: bytes, role: Role) -> bytes:
    return b"files:" + path_key(inbox) + role.encode()


def _scored(prefix: bytes, inbox: bytes) -> bytes:
    return b"scored:" + prefix + path_key(inbox)


def _labelled(taste: str) -> bytes:
    """Return the bytes with which the keys of all counters of a taste's labels begin."""
    return f"labels:{taste}\0".encode()


def _graded(taste: str, grade: float) -> bytes:
    return _labelled(taste) + str(stored_grade(of_number(grade))).encode()


def _grade_in(text: bytes) -> float:
    named = {b"keep": KEEP, b"trash": TRASH}
    return named[text] if text in named else float(text)


def _compared(taste: str) -> bytes:
    return f"comparisons:{taste}".encode()


def _get(txn: Txn, key: bytes) -> int:
    return int.from_bytes(txn.table("counts").get(key) or b"", "big")


def _add(txn: Txn, changes: Counter[bytes]) -> None:
    """Add to the stored counters, and delete each counter that reaches zero.

    `changes`: the number to add to each counter, by key.
    """
    table = txn.table("counts")
    for key, by in changes.items():
        count = _get(txn, key) + by
        if count > 0:
            table.put(key, count.to_bytes(_SIZE, "big"))
        elif by:
            table.delete(key)
