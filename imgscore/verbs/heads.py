"""The verb `heads`: list the heads of a taste, use one of these heads, or import a head."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from imgscore.config import TasteName
from imgscore.errors import ImgscoreError, UsageError
from imgscore.heads.results import Comparison, PairQuality, Quality
from imgscore.messages import BaseRequest, PathText, Result, ShortText
from imgscore.paths import head_file
from imgscore.verbs.base import Steps, until_idle
from imgscore.verbs.queries import answer
from imgscore.verbs.tastes import all_of, give_one, one_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.schema import HeadRecord


class HeadReport(msgspec.Struct):
    """The report about the training of a head. An imported head has only `kind` and `reason`."""

    kind: str
    """the kind of the head"""
    reason: str
    """why the head was accepted or rejected, or the file from which it was imported"""
    embedder: str | UnsetType = UNSET
    """the id of the embedder whose vectors the head scores"""
    labels: int | UnsetType = UNSET
    """the number of labels in the training"""
    keeps: int | UnsetType = UNSET
    """the number of keep labels in the training"""
    settings: dict[str, object] | UnsetType = UNSET
    """the settings of the training"""
    quality: Quality | UnsetType = UNSET
    """the quality of the head, measured on labels that were not used for the training; missing if
    the head learned from comparisons and from too few labels"""
    comparison: Comparison | UnsetType | None = UNSET
    """the comparison with the previous head; null if there was no previous head"""
    accepted: bool | UnsetType = UNSET
    """true if the head is at least as good as the previous head"""
    pairs: PairQuality | UnsetType = UNSET
    """how well held-out scores predict the comparisons of two images; missing if there are none"""
    calibrated: bool | UnsetType = UNSET
    """false if the head learned from comparisons and from too few labels: a score of 0.5 is then
    the middle of the library, and no probability that you would keep the image"""
    taste_changed: bool = False
    """true if the taste had changed: only the labels after the change then count, also in
    `quality`"""


class Response(msgspec.Struct):
    """A head of a taste."""

    head: str
    """the version of the head"""
    taste: str
    """the taste of the head"""
    in_use: bool
    """true if the head is in use"""
    accepted: bool
    """true if the head was at least as good as the previous head; false for an imported head"""
    labels: int
    """the number of labels in the training"""
    created_ns: int
    """the time of the training, in nanoseconds since 1970"""
    embedder: str
    """the id of the embedder whose vectors the head scores"""
    report: HeadReport
    """the report about the training"""
    error: str | None = None
    """always null"""
    comparisons: int = 0
    """the number of comparisons of two images in the training"""


class Request(BaseRequest[Response]):
    """`version`: the version of the head to use, if `action` is "use".

    `file`: the absolute path of the head to import, if `action` is "import".
    """

    works_on_battery: ClassVar[bool] = True
    needs_file: ClassVar[bool] = True
    action: Literal["list", "use", "import"] = "list"
    version: ShortText | None = None
    file: PathText = ""
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """List the heads, or use another head, or import a head.

    If `action` is "list", yield a Response for each head, taste by taste, oldest first. Otherwise
    yield one Response, about the head that is now in use.
    """
    from imgscore.store import heads

    ctx = engine.ctx
    if request.action == "list":
        for taste in all_of(engine, request.taste):
            with ctx.store.read() as txn:
                of_taste = heads.of_taste(txn, taste)
                current = heads.current(txn, taste)
            in_use = current.version if current is not None else None
            yield from (Result(_row(head, in_use)) for head in of_taste)
        return
    if request.action == "import":
        yield from _import(engine, one_of(ctx.watches, request.taste), request.file)
        return
    chosen = _chosen(engine, request)
    taste = chosen.taste
    if chosen.embedder != ctx.embedder.id:
        raise ImgscoreError(
            f"head {chosen.version} was trained on {chosen.embedder}",
            "use that embedder first: imgscore model use",
        )
    if not head_file(ctx.heads, taste, chosen.version).exists():
        raise ImgscoreError(
            f"head {chosen.version} is too old: its file was deleted",
            "use a later head, or train a new head: imgscore train",
        )
    engine.trainer.use_head(taste, chosen.version)
    yield from until_idle(engine, "scoring")
    yield Result(_row(chosen, chosen.version))


def _chosen(engine: Engine, request: Request) -> HeadRecord:
    """Return the head with the version of a request.

    Raises ImgscoreError if there is no such head, and UsageError if several tastes have one.
    """
    from imgscore.store import heads

    tastes = all_of(engine, request.taste)
    with engine.ctx.store.read() as txn:
        found = [
            head
            for taste in tastes
            for head in heads.of_taste(txn, taste)
            if head.version == request.version
        ]
    if not found:
        names = " and ".join(map(repr, tastes))
        raise ImgscoreError(
            f"taste {names} has no head {request.version!r}", "see: imgscore heads list"
        )
    if len(found) > 1:
        names = ", ".join(head.taste for head in found)
        raise UsageError(
            f"several tastes have a head {request.version!r}: {names}",
            give_one(engine.ctx.watches),
        )
    return found[0]


def _import(engine: Engine, taste: str, file: str) -> Steps[Response]:
    """Import a head from a file, use it, and yield a Response. A later training may replace it."""
    from imgscore.store import comparisons, heads, labels
    from imgscore.store.schema import HeadRecord
    from imgscore.workers.queries import ImportHeadQuery

    ctx, name = engine.ctx, os.fsencode(file).decode(errors="replace")
    (imported,) = yield from answer(
        engine, ImportHeadQuery(taste, os.path.realpath(os.fsencode(file)))
    )
    with ctx.store.read() as txn:
        newest, newest_answer = labels.last_sequence(txn), comparisons.last_sequence(txn)
    record = HeadRecord(
        version=imported.version,
        taste=taste,
        embedder=ctx.embedder.id,
        created_ns=time.time_ns(),
        labels=0,
        label_sequence=newest,
        accepted=False,
        report={"kind": imported.kind, "reason": f"imported from {name}"},
        comparison_sequence=newest_answer,
    )
    ctx.store.commit(lambda txn: heads.record(txn, record))
    engine.trainer.use_head(taste, record.version)
    yield from until_idle(engine, "scoring")
    yield Result(_row(record, record.version))


def _row(head: HeadRecord, in_use: str | None) -> Response:
    return Response(
        head=head.version,
        taste=head.taste,
        in_use=head.version == in_use,
        accepted=head.accepted,
        labels=head.labels,
        created_ns=head.created_ns,
        embedder=head.embedder,
        report=msgspec.convert(head.report, HeadReport),
        comparisons=head.comparisons,
    )
