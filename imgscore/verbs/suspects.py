"""The verb `suspects`: list labels and comparisons that may be mistakes.

The most suspect label is first, and the comparisons follow.

An image that is no longer on disk is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.messages import BaseRequest, Result, Rows
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, paths_of
from imgscore.verbs.tastes import each

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """An image whose label may be wrong, or an answer to a comparison that may be wrong.

    In the second case, `path` is the image that you called better.
    """

    path: str | None
    """the path of the image; null if the path is not known"""
    twin_path: str | None
    """the path of the image in `twin`; null if `twin` is null, or if the path is not known"""
    sha256: str
    """the digest of the image"""
    label: str | None
    """the label of the image, `keep`, `undecided` or `trash`; null for a comparison"""
    score: float | None
    """the score of the image from heads that were trained without this image; null for a
    comparison"""
    evidence: float
    """the evidence against the label or answer: for keep, trash and comparisons, −ln of the
    probability of the label or answer; for other grades, the divergence of the score from the
    grade"""
    twin: str | None
    """the digest of a near-duplicate that has the opposite label; null if there is none"""
    error: str | None = None
    """always null"""
    taste: str = "default"
    """the taste that the label belongs to"""
    worse: str | None = None
    """the digest of the image that you called worse; null for a label"""
    worse_path: str | None = None
    """the path of the image in `worse`; null if `worse` is null, or if the path is not known"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep); null for a comparison"""


class Request(BaseRequest[Response]):
    """`taste`: None means all tastes. `count`: the largest number of rows for each taste."""

    taste: TasteName | None = None
    count: Rows = 20


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each suspect label and comparison, taste by taste."""
    yield from each(engine, request.taste, lambda taste: _suspects(engine, taste, request.count))


def _suspects(engine: Engine, taste: str, count: int) -> Steps[Response]:
    from imgscore.workers.queries import SuspectAnswer, SuspectsQuery

    inboxes = [watch.inbox for watch in engine.ctx.watches.all if watch.taste == taste]
    suspects = yield from answer(engine, SuspectsQuery(taste, inboxes, count))
    digests: list[bytes] = []
    for suspect in suspects:
        if isinstance(suspect, SuspectAnswer):
            digests += [suspect.better, suspect.worse]
        else:
            digests += [suspect.digest, *([suspect.twin] if suspect.twin else [])]
    paths = paths_of(engine, taste, digests)
    for suspect in suspects:
        if isinstance(suspect, SuspectAnswer):
            yield Result(
                Response(
                    path=paths[suspect.better],
                    twin_path=None,
                    sha256=suspect.better.hex(),
                    label=None,
                    score=None,
                    evidence=suspect.evidence,
                    twin=None,
                    taste=taste,
                    worse=suspect.worse.hex(),
                    worse_path=paths[suspect.worse],
                )
            )
            continue
        yield Result(
            Response(
                path=paths[suspect.digest],
                twin_path=paths[suspect.twin] if suspect.twin else None,
                sha256=suspect.digest.hex(),
                label=suspect.label,
                score=suspect.score,
                evidence=suspect.evidence,
                twin=suspect.twin.hex() if suspect.twin else None,
                taste=taste,
                grade=suspect.grade,
            )
        )
