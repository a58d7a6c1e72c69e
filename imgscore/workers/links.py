"""Choose the best images for folders of links, and bring such folders up to date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgscore.links.choice import choose
from imgscore.workers.queries import BestImage, QueryRows

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.queries import BestQuery

ROWS = 1000
"""The largest number of images in one message, which then has about 200 kB."""


def best_images(context: Context, query: BestQuery) -> Iterator[QueryRows]:
    """Return the best images of a taste, best image first."""
    with context.store.read() as txn:
        chosen = choose(
            txn,
            query.watches,
            query.taste,
            top=query.top,
            per_group=query.per_group,
            min_score=query.min_score,
        )
    for at in range(0, len(chosen), ROWS):
        yield QueryRows([BestImage(*image) for image in chosen[at : at + ROWS]], last=False)
    yield QueryRows([], last=True)
