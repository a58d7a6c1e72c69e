"""Choose the best images for folders of links, and bring such folders up to date."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgscore.errors import ImgscoreError
from imgscore.links import folder
from imgscore.links.choice import choose
from imgscore.links.folder import Image
from imgscore.store import heads
from imgscore.system.system_folders import is_links_folder
from imgscore.workers.link_messages import LinksRefreshed
from imgscore.workers.queries import BestImage, QueryRows

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.link_messages import RefreshLinks
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


def refresh_links(context: Context, task: RefreshLinks) -> LinksRefreshed:
    """Bring a folder of links up to date. Raises ImgscoreError if the folder cannot be written."""
    links, began = task.links, time.monotonic()
    with context.store.read() as txn:
        chosen = choose(
            txn,
            task.watches,
            links.taste,
            top=links.top,
            per_group=links.per_group,
            min_score=links.min_score,
        )
        learns = heads.current(txn, links.taste) is not None
    if not chosen and not learns:
        return LinksRefreshed(
            0, 0, None, 0.0
        )  # A new store chooses nothing, so the old links stay.
    images = [Image(image.digest, image.path) for image in chosen]
    try:
        changes = folder.refresh(
            links.folder,
            images,
            links.options,
            create=False,
            must_be_new=task.must_be_new and not is_links_folder(links.folder),
        )
    except ImgscoreError as error:
        if isinstance(error.__cause__, PermissionError) and os.access(links.folder, os.W_OK):
            name = os.fsdecode(links.folder)
            raise ImgscoreError(
                f"the daemon may not write in {name}, because the folder was made or entered into "
                "the config after the daemon had started",
                "restart the daemon: imgscore stop, then imgscore start",
            ) from None
        raise
    failed = [change for change in changes if change.error is not None]
    problem = None
    if failed:
        first = os.fsdecode(os.path.join(links.folder, failed[0].name))
        problem = f"{len(failed)} links cannot be made, for example {first}: {failed[0].error}"
    return LinksRefreshed(
        sum(change.rank is not None and change.error is None for change in changes),
        sum(change.what != "kept" and change.error is None for change in changes),
        problem,
        time.monotonic() - began,
    )
