"""The images of groups that are on disk, the best image first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.groups.best import VERSION, Quality
from imgscore.store import groups, qualities, sightings
from imgscore.store.group_members import PresentGroup, present_group, present_groups
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

A, B, C, D = (bytes([number]) * 32 for number in (1, 2, 3, 4))
INBOXES = {b"/in", b"/other"}


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Txn]:
    with Store(tmp_path / "store") as store, store.write() as txn:
        yield txn


def seen(
    txn: Txn, digest: bytes, path: bytes, size: int = 10, inbox: bytes = b"/in", gone: int = 0
) -> None:
    fingerprint = Fingerprint(1, len(path), size, 1, 1)
    sightings.record(txn, Sighting(path, fingerprint, digest, inbox, "inbox", gone))


def measured(txn: Txn, digest: bytes, detail: float) -> None:
    qualities.record(txn, digest, QualityRecord(VERSION, Quality(pixels=100, detail=detail)))


def grouped(txn: Txn, *members: bytes) -> None:
    groups.replace(txn, members, [NewGroup("bursts", members, "they were taken together")])


def digests(group: PresentGroup | None) -> list[bytes]:
    return [] if group is None else [member.digest for member in group.members]


def test_present_groups_list_the_best_image_first(txn: Txn) -> None:
    for digest, name, detail in ((A, b"a", 1.0), (B, b"b", 9.0), (C, b"c", 3.0)):
        seen(txn, digest, b"/in/" + name)
        measured(txn, digest, detail)
    grouped(txn, A, B, C)
    (group,) = present_groups(txn, INBOXES)
    assert digests(group) == [B, C, A]
    assert (group.kind, group.why) == ("bursts", "they were taken together")
    assert list(present_groups(txn, INBOXES, kind="near-duplicates")) == []


def test_present_groups_before_the_measurement_compare_the_bytes(txn: Txn) -> None:
    seen(txn, A, b"/in/a", 10)
    seen(txn, B, b"/in/b", 1000)
    grouped(txn, A, B)
    (group,) = present_groups(txn, INBOXES)
    assert digests(group) == [B, A]


def test_present_group_leaves_out_a_trash_folder(txn: Txn) -> None:
    for digest, name in ((A, b"a"), (B, b"b"), (C, b"trash/c")):
        role = "trash" if digest == C else "inbox"
        fingerprint = Fingerprint(1, len(name), 99, 1, 1)
        sightings.record(txn, Sighting(b"/in/" + name, fingerprint, digest, b"/in", role))
    grouped(txn, C, B, A)
    (group,) = present_groups(txn, INBOXES)
    assert digests(group) == [B, A]


def test_present_group_leaves_out_images_that_are_elsewhere(txn: Txn) -> None:
    seen(txn, A, b"/in/trip/a")
    seen(txn, A, b"/in/copy of a")
    seen(txn, B, b"/in/trip/b")
    seen(txn, C, b"/in/c", gone=7)
    seen(txn, D, b"/third/d", inbox=b"/third")
    grouped(txn, A, B, C, D)
    (group,) = present_groups(txn, INBOXES)
    assert [member.paths for member in group.members] == [
        (b"/in/trip/a", b"/in/copy of a"),
        (b"/in/trip/b",),
    ]
    (group,) = present_groups(txn, INBOXES, b"/in/trip")
    assert [member.paths for member in group.members] == [(b"/in/trip/a",), (b"/in/trip/b",)]
    found = groups.of(txn, A)
    assert found is not None
    assert digests(present_group(txn, found, {b"/third"})) == [], "one image is no group"
    assert digests(present_group(txn, found, INBOXES, b"/in/copy")) == []
