"""What evaluate, suspects, next and explain share: asking a worker, and naming files."""

from collections.abc import Generator

from imgscore.engine.engine import Engine
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.messages import Message
from imgscore.store import labels, sightings
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Row, a_step, display_path
from imgscore.workers.queries import Query
from imgscore.workers.queries import Row as Answer


def taste_or_first(engine: Engine, asked: str | None) -> str:
    """The taste asked for, or the first watch's."""
    return asked or next(iter(engine.trainer.tastes), "default")


def answer(engine: Engine, query: Query[Answer]) -> Generator[Message | None, None, list[Answer]]:
    """Send a query to a worker; yields None until it has answered. Raises what it refuses with."""
    ticket = engine.trainer.query(query)
    while not ticket.done:
        if ticket.error is not None:
            raise ticket.error
        yield from a_step(engine)
    return ticket.rows


def path_of(txn: Txn, taste: str, digest: bytes) -> str | None:
    """A path where a digest lies now, or lay when it was labelled; None where that is unknown."""
    seen = sightings.of_digest(txn, digest)
    present = [one.path for one in seen if not one.gone_ns]
    if present:
        return display_path(min(present))
    label = labels.current(txn, taste, digest)
    return display_path(label.path) if label is not None else None


def with_paths(engine: Engine, taste: str, rows: list[Row], *keys: str) -> list[Row]:
    """Rows with a path put in front, and for each further key that holds a digest `KEY_path`."""
    with engine.ctx.store.read() as txn:
        found = []
        for row in rows:
            paths = {"path": path_of(txn, taste, bytes.fromhex(row["sha256"]))}
            for key in keys:
                digest = row[key]
                paths[f"{key}_path"] = (
                    path_of(txn, taste, bytes.fromhex(digest)) if digest else None
                )
            found.append({**paths, **row, "error": None})
    return found


def inboxes_of(engine: Engine, taste: str) -> list[bytes]:
    """The inboxes that a taste judges. Raises ImgscoreError where there is none."""
    found = [watch.inbox for watch in engine.ctx.watches.all if watch.taste == taste]
    if not engine.ctx.watches.all:
        raise ConfigError("nothing is watched yet", "begin with: imgscore init INBOX")
    if not found:
        raise ImgscoreError(f"no inbox has the taste {taste!r}", "see: imgscore status")
    return found
