"""The verb `explain`: find the reasons for the score of a file, or for a missing score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.grades import name_of
from imgscore.heads.results import TraitWeight
from imgscore.images.traits import Traits
from imgscore.messages import BaseRequest, PathText, Result, Rows
from imgscore.verbs.base import Steps, Waiting, absolute_path, display_path
from imgscore.verbs.group_place import GroupPlace, group_place
from imgscore.verbs.queries import answer, paths_of
from imgscore.verbs.score import digest_of, has_calibrated_head, problem
from imgscore.verbs.tastes import of_file

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.workers.queries import SimilarImage


class Witness(msgspec.Struct):
    """A labelled or compared image that is similar to the explained image."""

    path: str | None
    """the path of the image; null if the path is not known"""
    sha256: str
    """the digest of the image"""
    similarity: float
    """the similarity to the explained image, from −1 to 1; 1 means that the images look the same"""
    error: str | None = None
    """always null"""
    label: str | None = None
    """the label of the image: `keep`, `undecided` or `trash`; null if it has no label"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep); null if it has no label"""


class Explained(msgspec.Struct):
    """A file with a score."""

    path: str
    """the path of the file"""
    taste: str
    """the taste to which the score belongs"""
    head: str | None
    """the version of the head that computed the score"""
    embedder: str
    """the id of the embedder in use"""
    sha256: str
    """the digest of the image"""
    score: float
    """the expected grade of the image, from 0 to 1: the probability that you would keep it"""
    low: float
    """the lower end of the 95 % interval of the score"""
    high: float
    """the upper end of the 95 % interval of the score"""
    keeps: list[Witness]
    """the most similar images with the label keep, which are those above grade 0.5"""
    trashes: list[Witness]
    """the most similar images with the label trash, which are those below grade 0.5"""
    traits_that_matter: list[TraitWeight]
    """the traits that change the score of the image most"""
    kind: str
    """the kind of the head"""
    traits: Traits | None
    """the traits of the image, such as its size and camera; null if they are not stored"""
    error: str | None = None
    """always null"""
    undecided: list[Witness] = []
    """the most similar images of grade 0.5"""
    better: list[Witness] = []
    """the most similar images that you called better than another image"""
    worse: list[Witness] = []
    """the most similar images that you called worse than another image"""
    calibrated: bool = True
    """false if the score is no probability: the head learned from comparisons and from too few
    labels, or was made of words; 0.5 is then the middle of your library"""
    group: GroupPlace | None = None
    """the place of the file in a group of similar images; null if it is in no group of an inbox"""


class Unexplained(msgspec.Struct):
    """A file without a score."""

    path: str
    """the path of the file"""
    taste: str
    """the taste whose head would score the file"""
    head: str | None
    """the version of the head; null if there is no head"""
    embedder: str
    """the id of the embedder in use"""
    error: str | None
    """the reason for the missing score, and a remedy"""
    score: None = None
    """always null"""


Response = Explained | Unexplained


class Request(BaseRequest[Response]):
    """`count`: the largest number of similar images for each label."""

    file: PathText
    taste: TasteName | None = None
    count: Rows = 5


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one Explained for each taste of the file, or one Unexplained if it has no score."""
    path = absolute_path(request.file)
    for taste in of_file(engine, path, request.taste):
        yield from _explain(engine, path, taste, request.count)


def _explain(engine: Engine, path: bytes, taste: str, count: int) -> Steps[Response]:
    from imgscore.workers.queries import ExplainQuery

    ctx = engine.ctx
    ticket, waiting = engine.indexer.ask(path, taste), Waiting(engine, engine.indexer)
    while ticket.answer is None:
        yield from waiting.step()
    head, digest, reason = ctx.head(taste) or None, digest_of(ticket), problem(ticket)
    if reason is None and head is None:
        state = engine.trainer.tastes.get(taste)
        reason = f"no head yet: {(state.missing if state else '') or 'training is under way'}"
    if reason is not None or digest is None:
        yield Result(Unexplained(display_path(path), taste, head, ctx.embedder.id, reason))
        return
    while not _is_stored(engine, digest):
        yield from waiting.step()
    calibrated = has_calibrated_head(engine, taste)
    (explanation,) = yield from answer(engine, ExplainQuery(taste, digest, count))
    yield Result(
        Explained(
            path=display_path(path),
            taste=taste,
            head=head,
            embedder=ctx.embedder.id,
            sha256=digest.hex(),
            score=explanation.score,
            low=explanation.low,
            high=explanation.high,
            keeps=_witnesses(engine, taste, explanation.keeps),
            trashes=_witnesses(engine, taste, explanation.trashes),
            traits_that_matter=explanation.traits,
            kind=explanation.kind,
            traits=_traits(engine, digest),
            undecided=_witnesses(engine, taste, explanation.undecided),
            better=_witnesses(engine, taste, explanation.better),
            worse=_witnesses(engine, taste, explanation.worse),
            calibrated=calibrated,
            group=group_place(engine, path, digest),
        )
    )


def _witnesses(engine: Engine, taste: str, images: list[SimilarImage]) -> list[Witness]:
    paths = paths_of(engine, taste, [image.digest for image in images])
    return [
        Witness(
            path=paths[image.digest],
            sha256=image.digest.hex(),
            similarity=image.similarity,
            label=None if image.grade is None else name_of(image.grade),
            grade=None if image.grade is None else round(image.grade, 6),
        )
        for image in images
    ]


def _traits(engine: Engine, digest: bytes) -> Traits | None:
    from imgscore.store import traits

    with engine.ctx.store.read() as txn:
        stored = traits.get(txn, digest)
    return msgspec.structs.replace(stored, grid=b"") if stored is not None else None


def _is_stored(engine: Engine, digest: bytes) -> bool:
    from imgscore.store import vectors

    with engine.ctx.store.read() as txn:
        return vectors.contains(txn, engine.ctx.embedder.image_embedder, digest)
