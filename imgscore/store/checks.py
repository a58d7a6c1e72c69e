"""db check: whether what the store holds fits together. Reads everything, changes nothing."""

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from imgscore.errors import StoreError
from imgscore.store import (
    counts,
    failures,
    heads,
    journal,
    labels,
    migrations,
    originals,
    scores,
    sightings,
    traits,
    trashed_files,
    unwatched_files,
    vectors,
)
from imgscore.store.schema import DIGEST_SIZE, SCHEMA_VERSION, path_key
from imgscore.store.transaction import Txn

MAX_PROBLEMS = 10


class Finding(NamedTuple):
    """What was looked at, how much of it there is, and what is wrong with it."""

    what: str
    entries: int
    problems: list[str]


def iter_all(txn: Txn) -> Iterator[Finding]:
    """Every check, one after the other; each record of each table is read by one of them."""
    whole: tuple[tuple[str, Callable[[], Iterable[object]]], ...] = (
        ("sightings", lambda: sightings.iter_all(txn, gone=True)),
        ("originals", lambda: originals.iter_all(txn)),
        ("failures", lambda: failures.iter_all(txn)),
        ("traits", lambda: traits.iter_all(txn)),
        ("journal", lambda: journal.newest_first(txn)),
        ("heads", lambda: heads.iter_all(txn)),
        ("deletions", lambda: trashed_files.iter_all(txn)),
        ("archive", lambda: unwatched_files.iter_all(txn)),
        ("settings", lambda: (value.decode() for _, value in txn.table("meta").scan(b"setting:"))),
    )
    for what, entries in whole:
        yield _readable(what, entries)
    for what, check in (
        ("places", _places),
        ("scores", _scores),
        ("labels", _labels),
        ("counts", _counts),
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

    found = _attempt(what, count_all)
    return found._replace(entries=count)


def _attempt(what: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (msgspec.DecodeError, StoreError, struct.error, ValueError, IndexError) as error:
        return Finding(what, 0, [f"an entry cannot be read: {error}"])


def _places(txn: Txn) -> Finding:
    """Each sighting must be found by its digest, and no other."""
    known = {path_key(one.path): one.digest for one in sightings.iter_all(txn, gone=True)}
    count, problems = 0, []
    for digest, key in sightings.places(txn):
        count += 1
        if known.pop(key, None) != digest:
            problems.append(f"{digest.hex()} leads to a file that is not it")
    problems += [f"{digest.hex()} leads to no file of it" for digest in known.values()]
    return Finding("places", count, problems[:MAX_PROBLEMS])


def _scores(txn: Txn) -> Finding:
    count, problems = 0, []
    for digest, score, deviation in scores.iter_all(txn):
        count += 1
        if not (0 <= score <= 1 and deviation >= 0):
            problems.append(f"{digest.hex()} has the score {score} ± {deviation}")
    return Finding("scores", count, problems[:MAX_PROBLEMS])


def _labels(txn: Txn) -> Finding:
    """The current labels must be what the log's last words say."""
    last: dict[tuple[str, bytes], str] = {}
    count = 0
    for _, event in labels.log(txn):
        count += 1
        last.setdefault((event.taste, event.digest), event.label)
    wanted = {key: label for key, label in last.items() if label != "clear"}
    tastes = labels.tastes(txn) | {taste for taste, _ in last}
    held = {
        (taste, digest): label.label
        for taste in tastes
        for digest, label in labels.iter_all(txn, taste)
    }
    differing = [key for key in wanted.keys() | held.keys() if wanted.get(key) != held.get(key)]
    problems = [
        f"{digest.hex()} is {held.get((taste, digest))} under {taste}, and the log says "
        f"{wanted.get((taste, digest))}"
        for taste, digest in differing[:MAX_PROBLEMS]
    ]
    if count != labels.last_sequence(txn):
        problems.append(f"{count} events are in the log, and {labels.last_sequence(txn)} were")
    return Finding("labels", count, problems)


def _counts(txn: Txn) -> Finding:
    """What is kept by difference must be what is there; an older store is counted when opened."""
    kept = counts.iter_all(txn)
    if migrations.schema(txn) < SCHEMA_VERSION:
        return Finding("counts", len(kept), [])
    there = migrations.recount(txn)
    problems = [
        f"{ascii(key)[2:-1]}: {kept.get(key, 0)} are counted, and {there.get(key, 0)} are there"
        for key in sorted(kept.keys() | there.keys())
        if kept.get(key, 0) != there.get(key, 0)
    ]
    return Finding("counts", len(kept), problems[:MAX_PROBLEMS])


def _vectors(txn: Txn, embedder: str) -> Finding:
    """Each block must be whole, and each digest in it found again."""
    count, problems = 0, []
    size = vectors.embedders(txn)[embedder].size
    for digests, values in vectors.blocks(txn, embedder):
        names = [digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE)]
        if len(values) != len(names) * size:
            problems.append(f"a block of {len(names)} vectors has {len(values)} bytes")
        for place, name in enumerate(names):
            if vectors.get(txn, embedder, name) != values[place * size : (place + 1) * size]:
                problems.append(f"{name.hex()} leads to another vector")
        count += len(names)
    rows = vectors.rows(txn, embedder)
    if rows != count:
        problems.append(f"{rows} digests lead to {count} vectors")
    recorded = vectors.count(txn, embedder)
    if recorded != count:
        problems.append(f"{recorded} vectors are counted, and {count} are there")
    return Finding(f"vectors of {embedder}", count, problems[:MAX_PROBLEMS])
