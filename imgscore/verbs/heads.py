"""heads: the trained heads of a taste, and going back to one of them."""

from typing import Literal

import msgspec

from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError
from imgscore.places import head_file
from imgscore.store import records
from imgscore.store.schema import HeadRecord
from imgscore.verbs.base import Result, Row, Steps, until_idle
from imgscore.verbs.study import taste_or_first


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`version`: which head to use."""

    action: Literal["list", "use"] = "list"
    version: str | None = None
    taste: str | None = None


def run(engine: Engine, request: Request) -> Steps:
    """A row a head, oldest first; or the head that is now in use."""
    taste = taste_or_first(engine, request.taste)
    house = engine.house
    with house.store.read() as txn:
        heads = records.heads(txn, taste)
        current = records.current_head(txn, taste)
    in_use = current.version if current is not None else None
    if request.action == "list":
        yield from (Result(_row(head, in_use)) for head in heads)
        return
    chosen = next((head for head in heads if head.version == request.version), None)
    if chosen is None:
        raise ImgscoreError(
            f"taste {taste!r} has no head {request.version!r}", "see: imgscore heads list"
        )
    if chosen.embedder != house.embedder.id:
        raise ImgscoreError(
            f"head {chosen.version} was trained on {chosen.embedder}",
            "switch to that embedder first: imgscore model use",
        )
    if not head_file(house.heads, taste, chosen.version).exists():
        raise ImgscoreError(
            f"head {chosen.version} is too old: its file is gone", "use a later one, or train anew"
        )
    engine.learner.use_head(taste, chosen.version)
    yield from until_idle(engine, "scoring")
    yield Result(_row(chosen, chosen.version))


def _row(head: HeadRecord, in_use: str | None) -> Row:
    return {
        "head": head.version,
        "taste": head.taste,
        "in_use": head.version == in_use,
        "accepted": head.accepted,
        "labels": head.labels,
        "created_ns": head.created_ns,
        "embedder": head.embedder,
        "report": head.report,
        "error": None,
    }
