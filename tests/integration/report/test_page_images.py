"""The images and the groups of a page, read from a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.groups.best import VERSION, Quality
from imgscore.images.traits import Traits
from imgscore.report.data import BLUR_DIGITS, ELSEWHERE, NO_SCORE, Group
from imgscore.report.image_columns import ImageColumns, ShownImages
from imgscore.report.page_groups import PageGroups
from imgscore.store import groups, labels, qualities, scores, sightings, traits
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import Fingerprint, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Role

A, B, C, D = (bytes([number]) * 32 for number in (1, 2, 3, 4))
FAR_FUTURE_NS = 17_000_000_000 * 10**9


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Txn]:
    with Store(tmp_path / "store") as store, store.write() as txn:
        yield txn


def seen(
    txn: Txn, digest: bytes, path: bytes, role: Role = "inbox", size: int = 10, mtime_ns: int = 1
) -> None:
    fingerprint = Fingerprint(1, len(path), size, 1, mtime_ns)
    sightings.record(txn, Sighting(path, fingerprint, digest, b"/in", role))


def grouped(txn: Txn, *members: bytes) -> None:
    groups.replace(txn, members, [NewGroup("bursts", members, "they were taken together")])


def columns(txn: Txn) -> ImageColumns:
    return ImageColumns(txn, {b"/in"}, lambda path: b"failed" not in path)


def shown(txn: Txn, images: ImageColumns) -> ShownImages:
    return images.read(txn, "default", "1", dict(labels.iter_all(txn, "default")))


def found(txn: Txn) -> list[Group]:
    """The groups of the page; they are as many as a mere count says."""
    images = columns(txn)
    page = PageGroups(txn, images, shown(txn, images))
    count = page.count()
    ranked = page.ranked()
    assert count == len(ranked)
    return ranked


def paths(txn: Txn, group: Group) -> list[bytes | None]:
    images = columns(txn)
    return [images.paths[number] for number in group.images]


def test_columns_have_the_facts_of_each_file(txn: Txn) -> None:
    seen(txn, A, b"/in/trip/\xff a.jpg", size=1234, mtime_ns=FAR_FUTURE_NS)
    seen(txn, B, b"/in/keep/b.jpg", "keep")
    seen(txn, C, b"/in/failed.jpg")
    seen(txn, D, b"/in/d.jpg")
    sightings.record(
        txn, Sighting(b"/in/gone", Fingerprint(1, 9, 1, 1, 1), D, b"/in", "inbox", gone_ns=5)
    )
    taken = "2024-05-06T12:34:56"
    traits.record(
        txn,
        A,
        Traits(
            width=40, height=30, format="JPEG", bytes_per_pixel=1, camera="Z 6", taken=taken,
            grid=b"\x80" * 256,
        ),
    )  # fmt: skip
    packed = (scores.pack(A, 0.12344, 0.05), scores.pack(B, 1.0, 0.0))
    scores.record(txn, "default", "1", b"".join(packed))
    labels.append(txn, LabelEvent(1, "default", B, 0.75, "cli", b"/in/keep/b.jpg"))

    read = columns(txn)
    images, folders, places, cameras, formats = shown(txn, read)
    at = {path: number for number, path in enumerate(images.paths(folders))}
    assert at.keys() == {"/in/trip/\udcff a.jpg", "/in/keep/b.jpg", "/in/d.jpg"}
    assert images.digests() == [digest.hex() for digest in read.digests]
    a, b, d = at["/in/trip/\udcff a.jpg"], at["/in/keep/b.jpg"], at["/in/d.jpg"]
    assert (images.widths[a], images.heights[a], images.bytes[a]) == (40, 30, 1234)
    assert (images.scores[a], images.deviations[a]) == (1234, 500)
    assert (images.scores[b], images.deviations[b]) == (10_000, 0)
    assert images.scores[d] == images.deviations[d] == NO_SCORE
    assert (cameras[images.cameras[a]], cameras[images.cameras[b]]) == ("Z 6", "")
    assert images.taken.split("/")[a] == taken and images.taken.split("/")[b] == ""
    assert (places[images.places[b]], places[images.places[d]]) == ("keep", "inbox")
    assert images.grades == {b: 0.75}
    assert images.blurs[BLUR_DIGITS * a :][:BLUR_DIGITS] == "80808080"
    assert images.blurs[BLUR_DIGITS * d :][:BLUR_DIGITS] == " " * BLUR_DIGITS
    assert formats[a] == "JPEG" and formats[d] == ""


def test_columns_of_an_added_image_are_at_the_end(txn: Txn) -> None:
    seen(txn, A, b"/in/a.jpg")
    images = columns(txn)
    assert images.number_of(A, lambda: b"/unused") == 0
    assert images.number_of(B, lambda: b"/else/b.jpg") == 1 == images.number_of(B, lambda: None)
    assert images.number_of(C, lambda: None) == 2
    read = shown(txn, images)
    assert read.images.paths(read.folders) == ["/in/a.jpg", "/else/b.jpg", ""]
    assert [read.places[place] for place in read.images.places] == ["inbox", ELSEWHERE, ELSEWHERE]
    assert images.present == 1 and images.copies() == {}


def test_columns_without_a_file_are_empty(txn: Txn) -> None:
    read = shown(txn, columns(txn))
    assert len(read.images) == 0 and read.images.names == "" and read.folders == []
    assert read.images.paths(read.folders) == []
    assert found(txn) == []


def test_groups_have_the_best_image_first_and_the_best_group_first(txn: Txn) -> None:
    for digest, name, detail in ((A, b"a", 1.0), (B, b"b", 9.0), (C, b"c", 3.0), (D, b"d", 4.0)):
        seen(txn, digest, b"/in/" + name)
        quality = Quality(pixels=100, detail=detail, sharpness=1.0)
        qualities.record(txn, digest, QualityRecord(VERSION, quality))
    scores.record(txn, "default", "1", scores.pack(C, 0.2, 0.1) + scores.pack(D, 0.9, 0.1))
    grouped(txn, A, B)
    grouped(txn, C, D)
    first, second = found(txn)
    assert paths(txn, first) == [b"/in/d", b"/in/c"] and first.sharpness == [4.0, 3.0]
    assert paths(txn, second) == [b"/in/b", b"/in/a"]


def test_groups_leave_out_trash_folders_and_groups_outside_of_inboxes(txn: Txn) -> None:
    seen(txn, A, b"/in/a")
    seen(txn, B, b"/in/trash/b", "trash")
    grouped(txn, A, B)
    assert found(txn) == []
    seen(txn, B, b"/in/b")  # now the image in the trash folder has a copy in the inbox
    assert sorted(group.kind for group in found(txn)) == ["bursts", "copies"]
    seen(txn, C, b"/in/keep/c", "keep")
    seen(txn, D, b"/in/keep/d", "keep")
    grouped(txn, C, D)
    assert len(found(txn)) == 2


def test_groups_of_copies_have_the_original_first(txn: Txn) -> None:
    for name in (b"a (1).jpg", b"a.jpg", b"trip/a.jpg"):
        seen(txn, A, b"/in/" + name)
    (group,) = found(txn)
    assert paths(txn, group) == [b"/in/a.jpg", b"/in/trip/a.jpg", b"/in/a (1).jpg"]
