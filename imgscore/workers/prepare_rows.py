"""Compute the unit rows of images before the first head needs them, and store them in the cache.

The rows depend on no label, and are half of the work of a first scoring (see cached_rows.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgscore.heads.projector import Projector
from imgscore.store import vectors
from imgscore.store.examples import sample_digests
from imgscore.store.schema import split_digests
from imgscore.workers.cached_rows import MIN_APPENDED, cache_of, rows_of
from imgscore.workers.cpus import in_threads
from imgscore.workers.library_messages import RowsPrepared
from imgscore.workers.scoring import parts_of

if TYPE_CHECKING:
    from imgscore.heads.feature_cache import FeatureCache
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.library_messages import PrepareRows

IMAGES_AT_ONCE = 8_192
"""The largest number of images of one task. They take 0.3 s, for which other tasks of the order
worker have to wait."""


def prepare_rows(context: Context, task: PrepareRows) -> RowsPrepared:
    """Add the rows of at most IMAGES_AT_ONCE images to the cache, unless it has all rows.

    Nothing is prepared if the cache contains no library, or if the file cannot grow.
    """
    with context.store.read() as txn:
        nodes = context.library_cache.load(sample_digests(txn, context.spec))
        if nodes is None:
            return RowsPrepared(more=False)
        projector = Projector(nodes.features)
        cache = cache_of(txn, context.spec, nodes.features, projector)
        if cache is None:
            return RowsPrepared(more=False)
        with cache:
            missing = _missing(context, txn, cache)
            if len(missing) < MIN_APPENDED or not cache.begin():
                return RowsPrepared(more=False)
            parts = parts_of(txn, context.spec, missing[:IMAGES_AT_ONCE])
            # One thread, so that the other CPUs stay free for the user.
            for rows in in_threads(lambda part: rows_of(projector, part), parts, 1):
                if not cache.append(rows):
                    return RowsPrepared(more=False)
    return RowsPrepared(more=len(missing) >= IMAGES_AT_ONCE + MIN_APPENDED)


def _missing(context: Context, txn: Txn, cache: FeatureCache) -> list[bytes]:
    """Return the sorted digests of the images that have a vector, but no row."""
    known = {digest for names in cache.digests() for digest in split_digests(names)}
    digests = vectors.digests(txn, context.spec.image_embedder)
    return [digest for digest in digests if digest not in known]
