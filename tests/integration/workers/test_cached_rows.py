"""Scores from the rows of images that an earlier scoring has stored."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imgscore.embedders import lite0_spec
from imgscore.images.traits import Traits
from imgscore.paths import rows_file
from imgscore.store import labels, sightings, traits, vectors
from imgscore.store.schema import Fingerprint, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers import cached_rows, scoring
from imgscore.workers.context import Context
from imgscore.workers.messages import Rescore, Train
from imgscore.workers.scoring import rescore
from imgscore.workers.training import train
from tests.integration.workers.conftest import trained_context

COUNT = 300
DIGESTS = [hashlib.sha256(number.to_bytes(2, "big")).digest() for number in range(COUNT)]
VALUES = np.random.default_rng(0).random((COUNT, lite0_spec.DIM), np.float32).astype(np.float16)
TRAITS = Traits(width=640, height=480, format="JPEG", bytes_per_pixel=0.5)
INBOX = Rescore("default", "1", inboxes=[b"/inbox"])


def add_images(txn: Txn, numbers: range) -> None:
    """Store images of the inbox. Every other one has traits."""
    rows = ((DIGESTS[number], VALUES[number].tobytes()) for number in numbers)
    vectors.append(txn, lite0_spec.ID, rows)
    for number in numbers:
        path, seen = b"/inbox/%d" % number, Fingerprint(1, number, 1, 1, 1)
        sightings.record(txn, Sighting(path, seen, DIGESTS[number], b"/inbox", "inbox"))
        if number % 2:
            traits.record(txn, DIGESTS[number], TRAITS)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """The context of a worker, with 280 images and a head of 40 labels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cached_rows, "MIN_IMAGES", 50)
    monkeypatch.setattr(scoring, "MIN_APPENDED", 10)

    def fill(txn: Txn) -> None:
        add_images(txn, range(280))
        for number in range(40):
            name = "keep" if number % 2 else "trash"
            labels.append(txn, LabelEvent(number, "default", DIGESTS[number], name, "import", b""))

    with trained_context(tmp_path, fill) as context:
        yield context


def scored(context: Context, task: Rescore = INBOX) -> dict[bytes, float]:
    """Return the scores by digest. They depend on the number of rows in a block by 1e-7."""
    packed = b"".join(part.scores for part in rescore(context, task))
    found = struct.iter_unpack("<32sff", packed)
    return {digest: score for digest, score, _ in found}


def about(expected: dict[bytes, float]):
    return pytest.approx(expected, abs=1e-6)


def change(context: Context, write) -> Context:
    """Change the store, and return the context of a new worker."""
    context.store.close()
    with Store(context.store_folder) as store:
        store.commit(write)
    return Context(context.store_folder, context.heads_folder, "efficientnet-lite0", "cpu")


def test_rescore_with_stored_rows_gives_the_same_scores(context):
    expected = scored(context, Rescore("default", "1", DIGESTS[:280]))
    assert not rows_file().exists()
    assert scored(context) == about(expected)
    size = rows_file().stat().st_size
    assert size > 280 * 100
    assert scored(context) == about(expected)
    assert rows_file().stat().st_size == size


def test_rescore_adds_the_rows_of_new_images(context):
    scored(context)
    size = rows_file().stat().st_size
    context = change(context, lambda txn: add_images(txn, range(280, 284)))
    few = scored(context)
    assert rows_file().stat().st_size == size
    context = change(context, lambda txn: add_images(txn, range(284, 300)))
    many = scored(context)
    assert many.keys() == {*DIGESTS}
    assert few == about({digest: many[digest] for digest in few})
    assert rows_file().stat().st_size > size
    assert scored(context) == about(many)
    assert scored(context, Rescore("default", "1", DIGESTS)) == about(many)
    context.store.close()


def test_rescore_after_a_change_of_traits_computes_the_row_again(context):
    scored(context)
    context = change(context, lambda txn: traits.record(txn, DIGESTS[100], TRAITS))
    expected = scored(context, Rescore("default", "1", DIGESTS[:280]))
    assert scored(context) == about(expected)
    context.store.close()


def test_rescore_of_fewer_images_leaves_out_the_others(context):
    every = scored(context)

    def forget(txn: Txn) -> None:
        for number in range(0, 280, 3):
            sightings.forget(txn, sightings.of_digest(txn, DIGESTS[number])[0])

    context = change(context, forget)
    left = {DIGESTS[number] for number in range(280) if number % 3}
    assert scored(context) == about({digest: every[digest] for digest in left})
    context.store.close()


@pytest.mark.parametrize("damage", ["flip", "cut", "replace"])
def test_rescore_with_a_damaged_file_computes_the_rows_again(context, damage):
    expected = scored(context)
    data = bytearray(rows_file().read_bytes())
    good = bytes(data)
    data[-1000] ^= 1
    rows_file().write_bytes({"flip": data, "cut": data[:-1], "replace": b"\0" * 999}[damage])
    assert scored(context) == about(expected)
    assert scored(context) == about(expected)
    assert rows_file().read_bytes() == good


def test_head_with_other_features_replaces_the_rows(context):
    scored(context)
    before = rows_file().read_bytes()
    context = change(context, lambda txn: add_images(txn, range(280, 300)))
    train(context, Train("default"))
    assert scored(context) == about(scored(context, Rescore("default", "1", DIGESTS)))
    assert rows_file().read_bytes()[:40] != before[:40]
    assert rows_file().stat().st_size > len(before)
    context.store.close()
