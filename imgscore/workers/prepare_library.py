"""Compute the part of a training that depends on no label, and store it in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgscore.heads.library_cache import MIN_IMAGES
from imgscore.heads.library_nodes import MAX_NODES
from imgscore.store.examples import library_of, sample_digests
from imgscore.workers.library_messages import LibraryPrepared

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.library_messages import PrepareLibrary


def prepare_library(context: Context, task: PrepareLibrary) -> LibraryPrepared:
    """Compute the nodes and the largest graph of the library, unless the cache has both."""
    cache = context.library_cache
    with context.store.read() as txn:
        digests = sample_digests(txn, context.spec)
        nodes = cache.load(digests)
        if nodes is None and len(digests) >= MIN_IMAGES:
            digests, nodes = library_of(txn, context.spec, digests)
    if nodes is not None:
        nodes.graph(MAX_NODES)
        cache.save(digests, nodes)
    return LibraryPrepared()
