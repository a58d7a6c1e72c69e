"""The images of a folder of links: labels, scores, copies, RAW and JPEG, groups."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore import grades
from imgscore.groups.best import VERSION, Quality
from imgscore.links.choice import Chosen, choose
from imgscore.store import groups, heads, labels, qualities, scores, sightings
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import Fingerprint, HeadRecord, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Role, Watch

WATCH = Watch(b"/in", (b"/in/keep",), (b"/in/trash",), "default", "best-newest")
UNPAIRED = Watch(b"/in", (b"/in/keep",), (b"/in/trash",), "default", "best-newest", siblings=False)
MEMES = Watch(b"/memes", (), (), "memes", "best-newest")


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Txn]:
    with Store(tmp_path / "store") as store, store.write() as txn:
        for taste in ("default", "memes"):
            heads.record(txn, HeadRecord("1", taste, "e", 0, 0, 1, True, {}))
        yield txn


def digest_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def put(
    txn: Txn,
    path: str,
    score: float | None = None,
    *,
    label: float | None = None,
    role: Role = "inbox",
    content: str | None = None,
    gone: int = 0,
    watch: Watch = WATCH,
) -> bytes:
    """Record an image with a score and a label. Later labels are newer."""
    digest = digest_of(content or path)
    seen = Fingerprint(1, len(path), 10, 1, 1)
    where = watch.inbox + b"/" + path.encode()
    sightings.record(txn, Sighting(where, seen, digest, watch.inbox, role, gone))
    if score is not None:
        scores.record(txn, watch.taste, "1", scores.pack(digest, score, 0.1))
    if label is not None:
        number = labels.last_sequence(txn) + 1
        labels.append(txn, LabelEvent(number, watch.taste, digest, label, "place", where))
    return digest


def chosen(
    txn: Txn, top: int = 100, per_group: int = 0, min_score: float = 0.0, watch: Watch = WATCH
) -> list[str]:
    found: list[Chosen] = choose(
        txn, [watch, MEMES], "default", top=top, per_group=per_group, min_score=min_score
    )
    return [image.path.removeprefix(b"/in/").decode() for image in found]


def test_choose_puts_new_keep_labels_before_high_scores(txn: Txn) -> None:
    put(txn, "low.jpg", 0.2)
    put(txn, "high.jpg", 0.99)
    put(txn, "keep/old.jpg", label=grades.KEEP, role="keep")
    put(txn, "keep/new.jpg", 0.1, label=grades.KEEP, role="keep")
    put(txn, "stars.jpg", 0.1, label=grades.OF_STARS[4])
    expected = ["keep/new.jpg", "keep/old.jpg", "high.jpg", "stars.jpg", "low.jpg"]
    assert chosen(txn) == expected
    assert chosen(txn, top=2) == expected[:2]
    assert chosen(txn, min_score=0.7) == expected[:4]


def test_choose_leaves_out_trash_missing_files_and_other_tastes(txn: Txn) -> None:
    put(txn, "labelled.jpg", 0.9, label=grades.TRASH)
    put(txn, "poor.jpg", 0.9, label=grades.OF_STARS[2])
    put(txn, "trash/a.jpg", 0.9, role="trash")
    put(txn, "gone.jpg", 0.9, gone=1)
    put(txn, "unscored.jpg")
    put(txn, "meme.jpg", 0.9, watch=MEMES)
    assert chosen(txn) == []


def test_choose_takes_one_of_equal_files_and_prefers_the_keep_folder(txn: Txn) -> None:
    put(txn, "a.jpg", 0.9, content="same")
    put(txn, "keep/z.jpg", content="same", role="keep", label=grades.KEEP)
    put(txn, "trash/b.jpg", content="same", role="trash")
    assert chosen(txn) == ["keep/z.jpg"]


@pytest.mark.parametrize(("raw", "jpeg"), [(0.9, 0.5), (0.5, 0.9)])
def test_choose_takes_the_jpeg_of_a_pair(txn: Txn, raw: float, jpeg: float) -> None:
    put(txn, "a.CR2", raw)
    put(txn, "a.JPG", jpeg)
    put(txn, "b.CR2", 0.1)
    put(txn, "c.jpg", 0.05)
    put(txn, "c.png", 0.04)
    assert chosen(txn) == ["a.JPG", "b.CR2", "c.jpg", "c.png"]
    assert sorted(chosen(txn, watch=UNPAIRED)[:2]) == ["a.CR2", "a.JPG"]


def grouped(txn: Txn, *members: tuple[bytes, float]) -> None:
    """A burst, with the detail of each image."""
    digests = tuple(digest for digest, _ in members)
    groups.replace(txn, digests, [NewGroup("bursts", digests, "one moment")])
    for digest, detail in members:
        quality = Quality(pixels=100, bytes=10, detail=detail)
        qualities.record(txn, digest, QualityRecord(VERSION, quality))


def test_choose_per_group_takes_the_best_quality_at_the_place_of_the_best_score(txn: Txn) -> None:
    blurred, sharp = put(txn, "blurred.jpg", 0.9), put(txn, "sharp.jpg", 0.5)
    middle = put(txn, "middle.jpg", 0.7)
    put(txn, "single.jpg", 0.8)
    grouped(txn, (blurred, 1.0), (sharp, 9.0), (middle, 4.0))
    assert chosen(txn) == ["blurred.jpg", "single.jpg", "middle.jpg", "sharp.jpg"]
    assert chosen(txn, per_group=1) == ["sharp.jpg", "single.jpg"]
    assert chosen(txn, per_group=2) == ["sharp.jpg", "single.jpg", "middle.jpg"]
    assert chosen(txn, per_group=3) == chosen(txn)


def test_choose_per_group_prefers_a_kept_image_and_skips_a_trashed_one(txn: Txn) -> None:
    kept = put(txn, "kept.jpg", 0.1, label=grades.KEEP)
    sharp = put(txn, "sharp.jpg", 0.9)
    grouped(txn, (kept, 1.0), (sharp, 9.0))
    assert chosen(txn, per_group=1) == ["kept.jpg"]
    labels.append(txn, LabelEvent(9, "default", kept, grades.TRASH, "cli", b"/in/kept.jpg"))
    assert chosen(txn, per_group=1) == ["sharp.jpg"]


def test_choose_without_a_head_takes_only_labelled_images(tmp_path: Path) -> None:
    with Store(tmp_path / "new") as store, store.write() as txn:
        put(txn, "plain.jpg")
        put(txn, "keep/a.jpg", label=grades.KEEP, role="keep")
        assert chosen(txn) == ["keep/a.jpg"]
