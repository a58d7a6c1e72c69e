"""The checks of the command `imgscore db check`.

They find unreadable records, and records that contradict other records. The checks read all records
and change nothing.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from imgscore.errors import StoreError
from imgscore.store import (
    checksums,
    comparisons,
    counts,
    failures,
    groups,
    heads,
    journal,
    labels,
    migrations,
    originals,
    pages,
    qualities,
    scores,
    sightings,
    traits,
    trashed_files,
    unwatched_files,
    vectors,
)
from imgscore.store.checksums import Seal
from imgscore.store.schema import SCHEMA_VERSION, path_key, split_digests
from imgscore.store.transaction import Txn

MAX_PROBLEMS = 10


class Finding(NamedTuple):
    """The result of one check.

    `what`: the name of the checked records. `entries`: the number of the checked records.
    `problems`: a description of each problem that was found.
    """

    what: str
    entries: int
    problems: list[str]


def iter_all(txn: Txn, file: Path) -> Iterator[Finding]:
    """Run all checks, one after the other, and yield the result of each check.

    Together, the checks read each page of `file`, the file of the store, and each record of each
    table. If a page is damaged, no records are read, because this could crash the process. Raises
    OvertakenError if another process has committed twice since the transaction began.
    """
    damage = _pages(txn, file)
    yield damage
    if damage.problems:
        return
    readable: tuple[tuple[str, Callable[[], Iterable[object]]], ...] = (
        ("sightings", lambda: sightings.iter_all(txn, gone=True)),
        ("originals", lambda: originals.iter_all(txn)),
        ("failures", lambda: failures.iter_all(txn)),
        ("traits", lambda: traits.iter_all(txn)),
        ("qualities", lambda: qualities.iter_all(txn)),
        ("journal", lambda: journal.newest_first(txn)),
        ("heads", lambda: heads.iter_all(txn)),
        ("deletions", lambda: trashed_files.iter_all(txn)),
        ("archive", lambda: unwatched_files.iter_all(txn)),
        ("settings", lambda: (value.decode() for _, value in txn.table("meta").scan(b"setting:"))),
    )
    for what, entries in readable:
        yield _readable(what, entries)
    for what, check in (
        ("checksums", _checksums),
        ("places", _places),
        ("scores", _scores),
        ("labels", _labels),
        ("comparisons", _comparisons),
        ("counts", _counts),
        ("groups", _groups),
    ):
        yield _attempt(what, partial(check, txn))
    for embedder in vectors.embedders(txn):
        yield _attempt(f"vectors of {embedder}", partial(_vectors, txn, embedder))


def _readable(what: str, entries: Callable[[], Iterable[object]]) -> Finding:
    count = 0

    def count_all() -> Finding:
        nonlocal count
        for _ in entries():
            count += 1
        return Finding(what, count, [])

    return _attempt(what, count_all)._replace(entries=count)


def _attempt(what: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (msgspec.DecodeError, StoreError, struct.error, ValueError, IndexError) as error:
        return Finding(what, 0, [f"an entry cannot be read: {error}"])


def _pages(txn: Txn, file: Path) -> Finding:
    """Check the pages that this transaction reads. LMDB does not reuse them while it is open."""
    try:
        return Finding("pages", pages.check(file, txn.number), [])
    except pages.OvertakenError:
        raise
    except StoreError as error:
        return Finding("pages", 0, [error.message])


def _checksums(txn: Txn) -> Finding:
    """Check that each record of the tables with checksums matches its checksum.

    If the store has an older schema, its records have no checksums, and none are checked.
    """
    count, problems = 0, list[str]()
    if not migrations.is_sealed(txn):
        return Finding("checksums", 0, [])
    for name in sorted(checksums.TABLES):
        seal = Seal(name, strict=True)
        for key, value in txn.raw_table(name).scan():
            count += 1
            if not (migrations.is_plain(name, key) or seal.is_sealed(key, value)):
                problems.append(f"a record in the table {name} is damaged (key {key.hex()})")
    return Finding("checksums", count, problems[:MAX_PROBLEMS])


def _places(txn: Txn) -> Finding:
    """Check that the index of paths by digest has exactly one entry for each sighting."""
    digests = {
        path_key(sighting.path): sighting.digest for sighting in sightings.iter_all(txn, gone=True)
    }
    count, problems = 0, []
    for digest, key in sightings.digest_index(txn):
        count += 1
        if digests.pop(key, None) != digest:
            problems.append(f"the index of {digest.hex()} has a path with another digest")
    problems += [f"the index of {digest.hex()} lacks a path" for digest in digests.values()]
    return Finding("places", count, problems[:MAX_PROBLEMS])


def _scores(txn: Txn) -> Finding:
    count, problems = 0, []
    for digest, score, deviation in scores.iter_all(txn):
        count += 1
        if not (0 <= score <= 1 and deviation >= 0):
            problems.append(f"{digest.hex()} has the impossible score {score} ± {deviation}")
    return Finding("scores", count, problems[:MAX_PROBLEMS])


def _labels(txn: Txn) -> Finding:
    """Check that the current label of each digest is the label in the digest's last log event."""
    last: dict[tuple[str, bytes], float | None] = {}
    count = 0
    for _, event in labels.newest_first(txn):
        count += 1
        last.setdefault((event.taste, event.digest), event.grade)
    wanted = {key: grade for key, grade in last.items() if grade is not None}
    tastes = labels.tastes(txn) | {taste for taste, _ in last}
    current = {
        (taste, digest): label.grade
        for taste in tastes
        for digest, label in labels.iter_all(txn, taste)
    }
    differing = [
        key for key in wanted.keys() | current.keys() if wanted.get(key) != current.get(key)
    ]
    problems = [
        f"{digest.hex()} has the grade {current.get((taste, digest))} under {taste}; the last "
        f"event in the log has {wanted.get((taste, digest))}"
        for taste, digest in differing[:MAX_PROBLEMS]
    ]
    if count != labels.last_sequence(txn):
        problems.append(
            f"the log has {count} events, and its last number is {labels.last_sequence(txn)}"
        )
    return Finding("labels", count, problems)


def _comparisons(txn: Txn) -> Finding:
    """Check that the answer of each pair is the answer in the pair's last log event."""
    last: dict[tuple[str, frozenset[bytes]], tuple[bytes, str]] = {}
    count = 0
    for _, event in comparisons.newest_first(txn):
        count += 1
        pair = event.taste, frozenset({event.first, event.second})
        last.setdefault(pair, (event.first, event.answer))
    wanted = {pair: answer for pair, answer in last.items() if answer[1] != "clear"}
    current = {
        (taste, frozenset({item.first, item.second})): (item.first, item.answer)
        for taste in comparisons.tastes(txn) | {taste for taste, _ in last}
        for item in comparisons.iter_all(txn, taste)
    }
    differing = [
        pair for pair in wanted.keys() | current.keys() if wanted.get(pair) != current.get(pair)
    ]
    problems = [
        f"the pair {', '.join(sorted(digest.hex() for digest in images))} has another answer under "
        f"{taste} than in the last event in the log"
        for taste, images in differing[:MAX_PROBLEMS]
    ]
    if count != comparisons.last_sequence(txn):
        problems.append(
            f"the log of comparisons has {count} events, and its last number is "
            f"{comparisons.last_sequence(txn)}"
        )
    return Finding("comparisons", count, problems)


def _counts(txn: Txn) -> Finding:
    """Compare the stored counters with counters computed from the records.

    If the store has an older schema, no counters are compared. The counters of such a store are
    computed when the store is opened for writing.
    """
    stored = counts.iter_all(txn)
    if migrations.schema(txn) < SCHEMA_VERSION:
        return Finding("counts", len(stored), [])
    computed = migrations.recount(txn)
    problems = [
        f"{ascii(key)[2:-1]}: the counter is {stored.get(key, 0)} instead of {computed.get(key, 0)}"
        for key in sorted(stored.keys() | computed.keys())
        if stored.get(key, 0) != computed.get(key, 0)
    ]
    return Finding("counts", len(stored), problems[:MAX_PROBLEMS])


def _groups(txn: Txn) -> Finding:
    """Check that the index of groups by digest has exactly one entry for each member of a group."""
    indexed, count, problems = dict(groups.numbers(txn)), 0, []
    for group in groups.iter_all(txn):
        count += 1
        if any(indexed.pop(member, None) != group.number for member in group.members):
            problems.append(f"the index of group {group.number} lacks an image")
    problems += [f"the index has {digest.hex()}, but its group lacks it" for digest in indexed]
    return Finding("groups", count, problems[:MAX_PROBLEMS])


def _vectors(txn: Txn, embedder: str) -> Finding:
    """Check the vectors of an embedder.

    Each block must contain one whole vector for each of its digests. The index must find each
    vector by its digest.
    """
    count, problems = 0, []
    size = vectors.embedders(txn)[embedder].size
    for digests, values in vectors.blocks(txn, embedder):
        names = split_digests(digests)
        if len(values) != len(names) * size:
            problems.append(f"a block of {len(names)} vectors has {len(values)} bytes")
        for row, name in enumerate(names):
            if vectors.get(txn, embedder, name) != values[row * size : (row + 1) * size]:
                problems.append(f"the index of {name.hex()} has another vector")
        count += len(names)
    rows = vectors.rows(txn, embedder)
    if rows != count:
        problems.append(f"the index has {rows} digests for {count} vectors")
    recorded = vectors.count(txn, embedder)
    if recorded != count:
        problems.append(f"the counter is {recorded} instead of {count}")
    return Finding(f"vectors of {embedder}", count, problems[:MAX_PROBLEMS])
