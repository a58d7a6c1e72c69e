"""Score images from their unit rows in the cache, and add the rows of further images to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats, Half, Ints
from imgscore.heads.base import Scores
from imgscore.heads.checks import checked
from imgscore.heads.extras import NAMES
from imgscore.heads.feature_cache import FeatureCache, Rows, key_of
from imgscore.heads.features import Features
from imgscore.heads.kernel import KernelHead
from imgscore.heads.projector import Projector
from imgscore.images.version import DECODER_VERSION
from imgscore.paths import rows_file
from imgscore.store import vectors
from imgscore.store.schema import DIGEST_SIZE, split_digests
from imgscore.workers.cpus import in_threads
from imgscore.workers.large_plan import SCORE

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.store.transaction import Txn

MIN_IMAGES = 1000
"""The smallest number of images whose rows are stored. The rows of fewer images are computed in 40
ms."""
MIN_APPENDED = 256
"""The smallest number of images whose rows are added to the file. With fewer, it would consist of
many small parts."""
MAX_STALE = 2
"""The largest number of rows in the file, in rows of present images. Rows of deleted images are
removed together with all others."""


class Part(NamedTuple):
    """The digests, embeddings and extras of some images."""

    digests: list[bytes]
    matrix: Half
    extras: Floats


def rows_of(projector: Projector, part: Part) -> Rows:
    """Compute the unit rows of at most ROW_BATCH images, as the file contains them."""
    rows = projector.rows(part.matrix, part.extras)
    return Rows(b"".join(part.digests), part.extras[:, : len(NAMES)], rows)


def packed_scores(digests: bytes, scores: Scores, version: str) -> NDArray[Any]:
    """Return scores as an array of SCORE. Raises ImgscoreError if one is not a probability."""
    scores = checked(scores, version)
    rows = np.empty(len(scores.score), SCORE)
    rows["digest"] = np.frombuffer(digests, rows["digest"].dtype)
    rows["score"], rows["deviation"] = scores.score, scores.deviation
    return rows


def cache_of(txn: Txn, spec: Spec, features: Features, projector: Projector) -> FeatureCache | None:
    """Open the file for the rows of images. None: they are not stored.

    File names can change, so their vectors are not part of stored rows.
    """
    is_stored = not len(features.name_scale) and not spec.name_encoder
    count = vectors.count(txn, spec.image_embedder)
    if not is_stored or count < MIN_IMAGES:
        return None
    key = key_of(features, spec.id, DECODER_VERSION)
    cache = FeatureCache(rows_file(), key, projector.width)
    if sum(map(len, cache.digests())) > MAX_STALE * count * DIGEST_SIZE:
        cache.clear()
    return cache


def known_scores(
    txn: Txn,
    head: KernelHead,
    version: str,
    cache: FeatureCache,
    missing: set[bytes],
    threads: int,
) -> Iterator[NDArray[Any]]:
    """Yield scores of images whose rows are in the file, and remove these images from `missing`."""

    def score(part: _StoredPart) -> tuple[list[bytes], NDArray[Any]] | None:
        rows = cache.checked(part.number, part.data)
        if rows is None:
            return None
        names, extras, values = rows
        if part.places is not None:
            names = b"".join(part.digests)
            extras, values = extras[part.places], values[part.places]
        scores = head.score_rows(values, extras)
        return part.digests, packed_scores(names, scores, version)

    is_damaged = False
    for found in in_threads(score, _stored_parts(txn, cache, missing), threads):
        if found is None:
            is_damaged = True
            continue
        digests, scores = found
        missing.difference_update(digests)
        yield scores
    if is_damaged:
        cache.clear()


class _StoredPart(NamedTuple):
    """A part of the file. `places`: those of the wanted images in it; None means all.

    `digests`: the digests of the wanted images.
    """

    number: int
    data: bytes
    digests: list[bytes]
    places: Ints | None


def _stored_parts(txn: Txn, cache: FeatureCache, wanted: Set[bytes]) -> Iterator[_StoredPart]:
    """Yield the parts of the file with wanted images.

    An image whose traits became known after its row was stored is left out.
    """
    get_traits = txn.table("traits").getter()
    for number, names in enumerate(cache.digests()):
        digests = split_digests(names)
        if wanted.isdisjoint(digests):
            continue
        data = cache.read(number)
        left_out = {
            place for place in cache.without_extras(number, data) if get_traits(digests[place], b"")
        }
        places: Ints | None = None
        if left_out or not wanted >= {*digests}:
            chosen = [
                place
                for place, digest in enumerate(digests)
                if digest in wanted and place not in left_out
            ]
            digests, places = [digests[place] for place in chosen], np.array(chosen, np.int64)
        yield _StoredPart(number, data, digests, places)


def new_scores(
    head: KernelHead,
    version: str,
    cache: FeatureCache,
    parts: Iterable[Part],
    threads: int,
) -> Iterator[NDArray[Any]]:
    """Yield the scores of parts of at most ROW_BATCH images, and add their rows to the file."""

    def score(part: Part) -> tuple[Rows, NDArray[Any]]:
        rows = rows_of(head.projector, part)
        scores = head.score_rows(rows.rows, part.extras)
        return rows, packed_scores(rows.digests, scores, version)

    grows = cache.begin()
    for rows, scores in in_threads(score, parts, threads):
        grows = grows and cache.append(rows)
        yield scores
