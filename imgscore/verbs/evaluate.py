"""The verb `evaluate`: measure how good the scores are.

The figures are measured on held-out labels: labels that were not used to train the head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.heads.results import PairQuality, Point, Quality
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, paths_of
from imgscore.verbs.tastes import each

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Doubtful(msgspec.Struct):
    """A label that the score of its image contradicts, or hardly supports."""

    path: str | None
    """the path of the image; null if the path is not known"""
    sha256: str
    """the digest of the image"""
    label: str
    """the label of the image: `keep`, `undecided` or `trash`"""
    score: float
    """the score of the image from a head that was trained without this image"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep)"""


class Response(msgspec.Struct):
    """The quality of the scores of a taste, measured on labels that were not used for training."""

    taste: str
    """the name of the taste"""
    kind: str
    """the kind of the head"""
    quality: Quality | None
    """the figures that were measured with all labels of the taste; null if the taste has
    comparisons and too few labels"""
    curve: list[Point]
    """the learning curve: the AUC for each number of labels, or the pairwise accuracy, as `measure`
    in `quality` says"""
    doubled: float | None
    """the same figure, estimated for twice as many labels; null if there are too few labels for
    this"""
    left_out: int
    """the number of points of the learning curve that were left out because time ran out"""
    error: str | None = None
    """always null"""
    doubtful: list[Doubtful] | None = None
    """the labels whose grade differs by more than 0.4 from the score, the largest difference first;
    null without `--doubtful`"""
    pairs: PairQuality | None = None
    """how well held-out scores predict the comparisons of two images; null if there are none"""
    taste_changed: bool = False
    """true if the taste has changed: only the labels after the change then count and are
    measured"""


class Request(BaseRequest[Response]):
    """`taste`: the taste to evaluate. None means all tastes.

    `doubtful`: whether to list the doubtful labels.
    """

    taste: TasteName | None = None
    doubtful: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Measure the quality in a worker, and yield one Response for each taste."""
    yield from each(engine, request.taste, lambda taste: _evaluate(engine, taste, request))


def _evaluate(engine: Engine, taste: str, request: Request) -> Steps[Response]:
    from imgscore.workers.queries import EvaluateQuery

    query = EvaluateQuery(taste, engine.ctx.config.head, request.doubtful)
    (row,) = yield from answer(engine, query)
    evaluation = row.evaluation
    paths = paths_of(engine, taste, [label.digest for label in row.doubtful])
    doubtful = [
        Doubtful(
            paths[label.digest],
            label.digest.hex(),
            label.label,
            round(label.score, 6),
            round(label.grade, 6),
        )
        for label in row.doubtful
    ]
    yield Result(
        Response(
            taste=taste,
            kind=evaluation.kind,
            quality=evaluation.quality,
            curve=evaluation.curve,
            doubled=evaluation.doubled,
            left_out=evaluation.left_out,
            doubtful=doubtful if request.doubtful else None,
            pairs=evaluation.pairs,
            taste_changed=evaluation.taste_changed,
        )
    )
