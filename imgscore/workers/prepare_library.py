"""Compute the part of a training that depends on no label, and store it in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgscore.heads.kernel_solver import GRAPH_NODES
from imgscore.heads.library_cache import MIN_IMAGES
from imgscore.store.examples import library_of, sample_digests
from imgscore.workers.library_messages import LibraryPrepared

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.library_messages import PrepareLibrary


def prepare_library(context: Context, task: PrepareLibrary) -> LibraryPrepared:
    """Compute the nodes and the graphs of the library, unless the cache has them.

    The number of labels decides which of the graphs a training uses, and it grows.
    """
    cache = context.library_cache
    with context.store.read() as txn:
        digests = sample_digests(txn, context.spec)
        nodes = cache.load(digests)
        if nodes is None and len(digests) >= MIN_IMAGES:
            digests, nodes = library_of(txn, context.spec, digests)
    if nodes is not None:
        for _, size in GRAPH_NODES:
            nodes.graph(size)
        cache.save(digests, nodes)
    return LibraryPrepared()
