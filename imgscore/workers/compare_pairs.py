"""Compare the pairs of images of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imgscore.workers.group_messages import GroupsFound
from imgscore.workers.grouping import linked, load

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.store.pair_blocks import PairBlock
    from imgscore.store.similarity import Link
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.group_messages import ComparePairs


def compare_pairs(context: Context, task: ComparePairs) -> GroupsFound:
    """Return the links of a block of pairs."""
    with context.store.read() as txn:
        return GroupsFound(last=True, links=links_in(txn, context.spec, task.block))


def links_in(txn: Txn, spec: Spec, block: PairBlock) -> list[Link]:
    """Return the links of those pairs of a block that belong together.

    Images that were deleted in the meantime are left out.
    """
    listed = block.images()
    library = load(txn, spec, listed)
    row_of = {digest: row for row, digest in enumerate(library.digests)}
    rows = np.array([row_of.get(digest, -1) for digest in listed], np.int64)
    pairs = rows[np.frombuffer(block.places, "<u2").reshape(-1, 2)]
    return linked(library, pairs[(pairs >= 0).all(axis=1)])
