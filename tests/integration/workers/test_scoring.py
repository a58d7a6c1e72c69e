"""Scoring the images of a store."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imgscore.embedders import lite0_spec
from imgscore.store import labels, scores, sightings, vectors
from imgscore.store.schema import Fingerprint, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers import scoring
from imgscore.workers.context import Context
from imgscore.workers.messages import Rescore, Scored
from imgscore.workers.scoring import rescore
from tests.integration.workers.conftest import trained_context

COUNT = 40
DIGESTS = [hashlib.sha256(bytes([number])).digest() for number in range(COUNT)]
"""the digests, in the sequence in which the store contains the vectors"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """The context of a worker, with 40 labelled vectors and a head."""
    values = np.random.default_rng(0).random((COUNT, lite0_spec.DIM), np.float32)

    def fill(txn: Txn) -> None:
        rows = (row.tobytes() for row in values.astype(np.float16))
        vectors.append(txn, lite0_spec.ID, zip(DIGESTS, rows, strict=True))
        for number, digest in enumerate(DIGESTS):
            name = "keep" if number % 2 else "trash"
            labels.append(txn, LabelEvent(number + 1, "default", digest, name, "import", b"/a"))

    with trained_context(tmp_path, fill) as context:
        yield context


def _rows(parts: list[Scored]) -> list[bytes]:
    packed = b"".join(part.scores for part in parts)
    size = scores.PACKED_SIZE
    return [packed[at : at + size] for at in range(0, len(packed), size)]


@pytest.mark.parametrize("wanted", [range(3), range(2, 39), range(COUNT)])
def test_rescore_some_images_gives_exactly_these_the_same_scores(
    context: Context, wanted: range
) -> None:
    def scored(digests: list[bytes]) -> dict[bytes, bytes]:
        rows = _rows(list(rescore(context, Rescore("default", "1", digests))))
        return {row[:32]: row for row in rows}

    every = scored([])
    chosen = [DIGESTS[number] for number in wanted]
    assert len(every) == COUNT
    assert scored(chosen) == {digest: every[digest] for digest in chosen}


def test_rescore_many_images_yields_sorted_parts_of_bounded_size(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "MESSAGE_SCORES", 7)
    parts = list(rescore(context, Rescore("default", "1")))
    rows = _rows(parts)
    assert [row[:32] for row in rows] == sorted(DIGESTS)
    assert max(len(part.scores) for part in parts) == 7 * scores.PACKED_SIZE
    assert [part.last for part in parts] == [False] * 6 + [True]


def test_rescore_of_inboxes_scores_only_images_without_a_score(context: Context) -> None:
    context.store.close()
    scored = scores.pack(DIGESTS[0], 0.5, 0.1)
    broken = b"\xff" * 32  # a file without an embedding

    def fill(txn: Txn) -> None:
        places = [(digest, b"/inbox") for digest in (*DIGESTS[:9], broken)]
        places.append((DIGESTS[20], b"/other"))
        for number, (digest, inbox) in enumerate(places):
            path, seen = b"%s/%d" % (inbox, number), Fingerprint(1, number, 1, 1, 1)
            sightings.record(txn, Sighting(path, seen, digest, inbox, "inbox"))
        scores.record(txn, "default", "1", scored)

    with Store(context.store_folder) as store:
        store.commit(fill)
    again = Context(context.store_folder, context.heads_folder, "efficientnet-lite0", "cpu")
    task = Rescore("default", "1", inboxes=[b"/inbox"])
    assert [row[:32] for row in _rows(list(rescore(again, task)))] == sorted(DIGESTS[1:9])
    nothing = Rescore("default", "1", inboxes=[b"/none"])
    assert list(rescore(again, nothing)) == [Scored(b"", last=True)]
    again.store.close()
