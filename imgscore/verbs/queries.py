"""Functions for verbs that send a query to a worker process, which reads the store."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from imgscore.errors import ConfigError, ImgscoreError
from imgscore.messages import Message, Progress
from imgscore.verbs.base import Waiting, display_path

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.workers.queries import Query, Row


def answer(engine: Engine, query: Query[Row]) -> Generator[Message[Any] | None, None, list[Row]]:
    """Send a query to a worker, and return the rows of the answer.

    Yield None as long as the worker has not answered, and the progress if the worker sends it. If
    the worker sends an error, raise it.
    """
    ticket, waiting = engine.queries.ask(query), Waiting(engine, engine.queries)
    reported = None
    while not ticket.done:
        if ticket.error is not None:
            raise ticket.error
        if ticket.progress is not None and ticket.progress != reported:
            reported = ticket.progress
            yield Progress("training", *reported)
        yield from waiting.step()
    return ticket.rows


def paths_of(engine: Engine, taste: str, digests: Iterable[bytes]) -> dict[bytes, str | None]:
    """Return a dict from each digest to a path at which its image is now.

    Only the watches of the taste are searched, and then the path at which the image was labelled.
    The value is None if the image is at none of these paths.
    """
    from imgscore.store.image_paths import present_path

    inboxes = {watch.inbox for watch in engine.ctx.watches.all if watch.taste == taste}
    with engine.ctx.store.read() as txn:
        paths = {digest: present_path(txn, taste, inboxes, digest) for digest in digests}
    return {digest: display_path(path) if path else None for digest, path in paths.items()}


def inboxes_of(engine: Engine, taste: str) -> list[bytes]:
    """Return the inboxes of a taste. Raises ImgscoreError if no inbox has this taste."""
    inboxes = [watch.inbox for watch in engine.ctx.watches.all if watch.taste == taste]
    if not engine.ctx.watches.all:
        raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
    if not inboxes:
        raise ImgscoreError(f"no watched folder has the taste {taste!r}", "see: imgscore status")
    return inboxes
