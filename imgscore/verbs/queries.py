"""The parts of verbs that send a query to a worker: the taste, the answer, and paths of digests."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from imgscore.errors import ConfigError, ImgscoreError
from imgscore.messages import Message
from imgscore.verbs.base import a_step, display_path

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn
    from imgscore.workers.queries import Query, Row


def taste_or_first(engine: Engine, taste: str | None) -> str:
    """`taste` if given, else the first watch's."""
    return taste or next(iter(engine.trainer.tastes), "default")


def answer(engine: Engine, query: Query[Row]) -> Generator[Message[Any] | None, None, list[Row]]:
    """Send a query to a worker. Yields None until it has answered, then returns the rows.

    Raises the error that the worker reports.
    """
    ticket = engine.queries.ask(query)
    while not ticket.done:
        if ticket.error is not None:
            raise ticket.error
        yield from a_step(engine)
    return ticket.rows


def paths_of(engine: Engine, taste: str, digests: Iterable[bytes]) -> dict[bytes, str | None]:
    """A path of each digest: where it is now, or was when it was labelled; None if unknown."""
    with engine.ctx.store.read() as txn:
        return {digest: _path_of(txn, taste, digest) for digest in digests}


def _path_of(txn: Txn, taste: str, digest: bytes) -> str | None:
    from imgscore.store import labels, sightings

    present = [
        sighting.path for sighting in sightings.of_digest(txn, digest) if not sighting.gone_ns
    ]
    if present:
        return display_path(min(present))
    label = labels.current(txn, taste, digest)
    return display_path(label.path) if label is not None else None


def inboxes_of(engine: Engine, taste: str) -> list[bytes]:
    """The inboxes of a taste. Raises ImgscoreError if there is none."""
    inboxes = [watch.inbox for watch in engine.ctx.watches.all if watch.taste == taste]
    if not engine.ctx.watches.all:
        raise ConfigError("nothing is watched yet", "begin with: imgscore init INBOX")
    if not inboxes:
        raise ImgscoreError(f"no inbox has the taste {taste!r}", "see: imgscore status")
    return inboxes
