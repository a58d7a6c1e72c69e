"""A search by words over a million stored vectors of 256 numbers, against one numpy product."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from bench.figures import Figure, Setting, median_seconds
from imgscore.embedders.base import sections_of
from imgscore.embedders.registry import Spec
from imgscore.store import sightings, vectors
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.queries import SearchQuery
from imgscore.workers.search import search

DIM = 256
BATCH = 20_000
MAX_SECONDS = 0.5


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure the search in a worker with a loaded text encoder, without the encoder's run."""
    count = setting.choose(100_000, 1_000_000)
    random = np.random.default_rng(0)
    text = random.standard_normal(DIM).astype(np.float32)
    text /= np.linalg.norm(text)
    spec = Spec("bench", DIM, sections_of(("embedding", DIM)), "bench")
    with Store(setting.scratch / "store") as store:
        for start in range(0, count, BATCH):
            _store(store, start, random)
        context = SimpleNamespace(store=store, spec=spec, text_encoder=lambda _: text[None])
        query = SearchQuery("default", "words", 20, None, 0.0)
        seconds = median_seconds(lambda: search(cast("Any", context), query), 5)
    rows = random.standard_normal((BATCH, DIM)).astype(np.float32)
    began = time.perf_counter()
    for _ in range(count // BATCH):
        rows @ text
    product = time.perf_counter() - began
    yield Figure(
        f"search over {count:,} stored vectors of {DIM} numbers",
        f"{seconds:.2f} s",
        f"{product:.2f} s, one product of float32 in memory",
        seconds / product,
        f"≤ {MAX_SECONDS} s",
        seconds <= MAX_SECONDS,
    )


def _store(store: Store, start: int, random: np.random.Generator) -> None:
    values = random.standard_normal((BATCH, DIM)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    digests = [hashlib.sha256(str(start + row).encode()).digest() for row in range(BATCH)]

    def write(txn: Txn) -> None:
        pairs = zip(digests, values.astype(np.float16), strict=True)
        vectors.append(txn, "bench", [(digest, vector.tobytes()) for digest, vector in pairs])
        for row, digest in enumerate(digests):
            seen = Fingerprint(1, start + row + 1, 1, 1, 1)
            path = b"/in/%d.jpg" % (start + row)
            sightings.record(txn, Sighting(path, seen, digest, b"/in", "inbox"))

    store.commit(write)
