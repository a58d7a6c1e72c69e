"""db check: whether what the store holds fits together. Reads everything, changes nothing."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from imgscore.store import labels, originals, records, sightings, vectors
from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.store import Txn

MOST_PROBLEMS = 10


class Finding(NamedTuple):
    """What was looked at, how much of it there is, and what is wrong with it."""

    what: str
    entries: int
    problems: list[str]


def every(txn: Txn) -> Iterator[Finding]:
    """Every check, one after the other."""
    yield _readable("sightings", (one for one in sightings.every(txn, gone=True)))
    yield _readable("originals", originals.every(txn))
    yield _readable("failures", records.failures(txn))
    yield _readable("journal", records.touches(txn))
    yield _readable("heads", iter(records.all_heads(txn)))
    yield _labels(txn)
    for embedder in vectors.embedders(txn):
        yield _vectors(txn, embedder)


def _readable(what: str, entries: Iterator[object]) -> Finding:
    count = 0
    try:
        for _ in entries:
            count += 1
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        return Finding(what, count, [f"entry {count + 1} cannot be read: {error}"])
    return Finding(what, count, [])


def _labels(txn: Txn) -> Finding:
    """The current labels must be what the log's last words say."""
    last: dict[tuple[str, bytes], str] = {}
    count = 0
    for _, event in labels.log(txn):
        count += 1
        last.setdefault((event.taste, event.digest), event.label)
    wanted = {key: label for key, label in last.items() if label != "clear"}
    tastes = {taste for taste, _ in last}
    held = {
        (taste, digest): label.label
        for taste in tastes
        for digest, label in labels.every(txn, taste)
    }
    differing = [key for key in wanted.keys() | held.keys() if wanted.get(key) != held.get(key)]
    problems = [
        f"{digest.hex()} is {held.get((taste, digest))} under {taste}, and the log says "
        f"{wanted.get((taste, digest))}"
        for taste, digest in differing[:MOST_PROBLEMS]
    ]
    return Finding("labels", count, problems)


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
    recorded = vectors.count(txn, embedder)
    if recorded != count:
        problems.append(f"{recorded} vectors are counted, and {count} are there")
    return Finding(f"vectors of {embedder}", count, problems[:MOST_PROBLEMS])
