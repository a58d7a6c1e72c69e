"""Retention deletes the records of vanished images, and keeps whatever may be needed again."""

import random
import time
from collections.abc import Callable, Iterator

import pytest

from imgscore import paths
from imgscore.groups.best import Quality
from imgscore.images.traits import Traits
from imgscore.store import (
    checks,
    comparisons,
    groups,
    labels,
    originals,
    qualities,
    retention,
    scores,
    sightings,
    similarity,
    traits,
    trashed_files,
    unwatched_files,
    vectors,
)
from imgscore.store.comparisons import ComparisonEvent
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import (
    Fingerprint,
    LabelEvent,
    Original,
    Sighting,
    TrashedFile,
)
from imgscore.store.similarity import Link
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.store.unwatched_files import UnwatchedFile

SEEN = Fingerprint(1, 2, 3, 4, 5)
NOW = time.time_ns()
LONG_AGO = NOW - retention.GONE_NS - 10**9
EMBEDDERS = {"first": 8, "second": 12}
"""the number of bytes of a vector, by embedder"""


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(paths.store_folder()) as store:
        yield store


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def vector(number: int, embedder: str = "first") -> bytes:
    return number.to_bytes(EMBEDDERS[embedder], "big")


def sighting(number: int, gone_ns: int, folder: bytes = b"/inbox") -> Sighting:
    return Sighting(folder + b"/%d.png" % number, SEEN, digest(number), folder, "inbox", gone_ns)


def add(txn: Txn, numbers: range, gone_ns: int = LONG_AGO) -> None:
    """Write a sighting, all computed records, and an original date, for each number."""
    for embedder in EMBEDDERS:
        vectors.append(txn, embedder, [(digest(n), vector(n, embedder)) for n in numbers])
    for number in numbers:
        name = digest(number)
        sightings.record(txn, sighting(number, gone_ns))
        traits.record(txn, name, Traits(width=1, height=1, format="PNG", bytes_per_pixel=1))
        qualities.record(txn, name, QualityRecord(1, Quality()))
        similarity.enqueue(txn, [name])
        entries = [
            similarity.cell_entry(number % 3, name, b""),
            similarity.time_entry("x", 1, name),
        ]
        similarity.add(txn, entries, [Link(name, digest(number + 1), 1, 0.9)])
        scores.record(txn, "default", "1", scores.pack(name, 0.5, 0.1))
        scores.record(txn, "memes", "2", scores.pack(name, 0.5, 0.1))
        originals.record(txn, name, Original(sighting(number, 0).path, 7, 8, 9))


def prune(store: Store) -> int:
    """Delete what has expired, as the daemon does. Return the number of commits."""
    with store.read() as txn:
        expired = retention.find(txn, NOW)
    commits = 0
    while any(expired):
        found = expired
        expired = store.commit(lambda txn: retention.forget(txn, found, NOW, 500))  # noqa: B023
        commits += 1
    return commits


def check_is_clean(store: Store) -> None:
    with store.read() as txn:
        problems = [
            problem for finding in checks.iter_all(txn, store.file) for problem in finding.problems
        ]
    assert problems == []


def test_retention_deletes_all_computed_records_of_a_vanished_image(store: Store) -> None:
    with store.write() as txn:
        add(txn, range(1, 4))
        add(txn, range(4, 6), gone_ns=0)
        similarity.add(txn, [similarity.frame_entry(b"frame")], [])
        members = tuple(map(digest, range(2, 6)))
        groups.replace(txn, members, [NewGroup("near-duplicates", members, "equal")])
    prune(store)
    with store.read() as txn:
        for number in range(1, 4):
            name = digest(number)
            assert not sightings.is_known(txn, name)
            assert [vectors.get(txn, embedder, name) for embedder in EMBEDDERS] == [None, None]
            assert traits.get(txn, name) is None and qualities.find(txn, name) is None
            assert scores.get(txn, "default", "1", name) is None
            assert not list(similarity.neighbours(txn, name)) and groups.of(txn, name) is None
            assert originals.get(txn, name, sighting(number, 0).path) is not None
        left = {digest(4), digest(5)}
        assert {name for name, _, _ in scores.iter_all(txn)} == left
        assert set(similarity.queued(txn, 9)) == left
        cells = [similarity.in_cell(txn, cell) for cell in range(3)]
        assert {similarity.digest_in(entry) for cell in cells for entry, _ in cell} == left
        assert set(similarity.taken_within(txn, "x", 1, 1, 9)) == left
        assert similarity.frame(txn) == b"frame"
        assert [set(group.members) for group in groups.iter_all(txn)] == [left]
        assert [item.digest for item in similarity.neighbours(txn, digest(4))] == [digest(5)]
    check_is_clean(store)


def _label_and_clear(txn: Txn) -> None:
    for value in ("keep", "clear"):
        labels.append(txn, LabelEvent(1, "x", digest(1), value, "cli", b"/x"))  # type: ignore[arg-type]


def _compare_and_clear(txn: Txn) -> None:
    for answer in ("first", "clear"):
        comparisons.append(txn, ComparisonEvent(1, "x", digest(1), digest(9), answer, "cli"))  # type: ignore[arg-type]


KEPT: dict[str, Callable[[Txn], object]] = {
    "cleared label": _label_and_clear,
    "label": lambda txn: labels.append(txn, LabelEvent(1, "x", digest(1), "trash", "cli", b"/x")),
    "cleared comparison": _compare_and_clear,
    "read by embed": lambda txn: unwatched_files.record(
        txn, b"/far/1.png", UnwatchedFile(SEEN, digest(1))
    ),
    "in the desktop's trash": lambda txn: trashed_files.record(
        txn, TrashedFile(b"/trash/1.png", SEEN, digest(1), b"/inbox/1.png", b"/trash")
    ),
    "copy in another folder": lambda txn: sightings.record(txn, sighting(1, 0, b"/other")),
    "copy that vanished later": lambda txn: sightings.record(txn, sighting(1, NOW, b"/other")),
}


@pytest.mark.parametrize("reason", KEPT)
def test_retention_keeps_the_vector_of_an_image_that_may_be_needed(
    store: Store, reason: str
) -> None:
    with store.write() as txn:
        add(txn, range(1, 3))
        KEPT[reason](txn)
    prune(store)
    with store.read() as txn:
        assert vectors.get(txn, "first", digest(1)) == vector(1)
        assert traits.get(txn, digest(1)) is not None
        assert vectors.get(txn, "first", digest(2)) is None
    check_is_clean(store)


def test_retention_deletes_the_vector_after_the_file_has_left_the_trash(store: Store) -> None:
    with store.write() as txn:
        add(txn, range(1, 2))
        trashed_files.record(
            txn, TrashedFile(b"/t/1", SEEN, digest(1), b"/inbox/1.png", b"/t", LONG_AGO)
        )
    prune(store)
    with store.read() as txn:
        assert not vectors.contains(txn, "first", digest(1))
        assert not list(trashed_files.iter_all(txn))


def test_vanished_files_are_counted_until_they_expire(store: Store) -> None:
    with store.write() as txn:
        add(txn, range(1, 4))
        sightings.record(txn, sighting(4, NOW))
        sightings.record(txn, sighting(5, 0))
        assert sightings.vanished(txn) == 4
    prune(store)
    with store.read() as txn:
        assert sightings.vanished(txn) == 1


def test_retention_keeps_imported_vectors_without_a_file(store: Store) -> None:
    with store.write() as txn:
        vectors.append(txn, "first", [(digest(1), vector(1))])
    assert prune(store) == 0
    with store.read() as txn:
        assert vectors.contains(txn, "first", digest(1))


@pytest.mark.parametrize(
    "reason", ["label", "cleared label", "cleared comparison", "read by embed"]
)
def test_retention_deletes_no_image_after_a_log_has_grown(store: Store, reason: str) -> None:
    with store.write() as txn:
        add(txn, range(1, 3))
        expired = retention.find(txn, NOW)
        KEPT[reason](txn)
        assert not any(retention.forget(txn, expired, NOW, 500))
        assert vectors.count(txn, "first") == 2 and sightings.is_known(txn, digest(1))


def test_retention_keeps_an_image_whose_file_came_back(store: Store) -> None:
    with store.write() as txn:
        add(txn, range(1, 3))
        expired = retention.find(txn, NOW)
        sightings.record(txn, sighting(1, 0, b"/other"))
        assert not any(retention.forget(txn, expired, NOW, 500))
        assert vectors.contains(txn, "first", digest(1))
        assert not vectors.contains(txn, "first", digest(2))


def test_retention_of_many_images_writes_few_blocks_in_each_commit(store: Store) -> None:
    count = 40 * vectors.ROWS_PER_BLOCK
    order = list(range(count))
    random.Random(1).shuffle(order)
    with store.write() as txn:
        vectors.append(txn, "first", [(digest(n), vector(n)) for n in order])
        for number in order[::2]:
            sightings.record(txn, sighting(number, LONG_AGO))
        before = vectors.blocks(txn, "first")
        assert sum(1 for _ in before) == 40
    assert prune(store) == 3, "40 blocks, at most 16 in a commit"
    with store.read() as txn:
        assert vectors.count(txn, "first") == count // 2
        assert all(vectors.get(txn, "first", digest(n)) == vector(n) for n in order[1::2])
    check_is_clean(store)


def test_vectors_after_random_additions_and_deletions_equal_a_dictionary(store: Store) -> None:
    choice, model, last = random.Random(5), dict[int, bytes](), 0
    for _ in range(30):
        with store.write() as txn:
            for number in range(last, last + choice.randrange(90)):
                model[number], last = vector(number), number + 1
            vectors.append(txn, "first", [(digest(n), value) for n, value in model.items()])
            gone = choice.sample(sorted(model), choice.randrange(len(model) + 1))
            vectors.forget(txn, {digest(number) for number in gone})
            for number in gone:
                del model[number]
            stored = dict(vectors.get_many(txn, "first", vectors.digests(txn, "first")))
            assert stored == {digest(number): value for number, value in model.items()}
            assert vectors.count(txn, "first") == vectors.rows(txn, "first") == len(model)
    check_is_clean(store)
