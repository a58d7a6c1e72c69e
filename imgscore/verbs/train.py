"""The verb `train`: train a head from the labels now.

A daemon also trains without this verb, but only some time after the last change of a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.config import TasteName
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps, until_idle
from imgscore.verbs.heads import HeadReport

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.grades import LabelName


class Response(msgspec.Struct):
    """The head that was trained for a taste. If the training failed, the newest earlier head."""

    taste: str
    """the name of the taste"""
    head: str
    """the version of the head"""
    labels: int
    """the number of labels in the training"""
    used: bool
    """true if the head was accepted; false if it was worse than the previous head"""
    report: HeadReport
    """the report about the training, as `heads list` prints it"""
    error: str | None
    """the reason why the training failed, and a remedy; null if it did not fail"""
    comparisons: int = 0
    """the number of comparisons of two images in the training"""


class Request(BaseRequest[Response]):
    """`taste`: train only this taste. None means all tastes."""

    works_on_battery: ClassVar[bool] = True
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Train, and yield a Response for each taste.

    Raises ImgscoreError if a taste has too few labels for an order. The other tastes are still
    trained.
    """
    from imgscore.engine.tastes import missing_labels
    from imgscore.store import heads

    tastes = [request.taste] if request.taste else sorted(engine.trainer.tastes)
    if not tastes:
        raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
    failed: list[str] = []
    remedy = "see: imgscore status"
    trainable = []
    for taste in tastes:
        engine.trainer.relearn(taste, at_once=True)
        missing = engine.trainer.tastes[taste].missing
        if missing and not engine.trainer.tastes[taste].uses_keeps:
            failed.append(f"taste {taste!r} has too few labels: {missing}")
            remedy = _remedy(list(missing_labels(engine.trainer.tastes[taste].grades)))
        else:
            trainable.append(taste)
    if trainable:
        yield from until_idle(engine, "training")
    for taste in trainable:
        with engine.ctx.store.read() as txn:
            trained = heads.of_taste(txn, taste)[-1:]
        problem = engine.trainer.tastes[taste].problem
        for head in trained:
            yield Result(
                Response(
                    taste=taste,
                    head=head.version,
                    labels=head.labels,
                    comparisons=head.comparisons,
                    used=head.accepted,
                    report=msgspec.convert(head.report, HeadReport),
                    error=problem or None,
                )
            )
        if not trained:
            failed.append(f"taste {taste!r} could not be trained: {problem}")
    if failed:
        raise ImgscoreError("; ".join(failed), remedy)


def _remedy(names: list[LabelName]) -> str:
    """Return what to do if labels with these names are missing."""
    from imgscore.engine.tastes import MIN_COMPARISONS

    or_compare = f"; or compare at least {MIN_COMPARISONS} pairs: imgscore compare"
    if len(names) > 1:
        first = "move files into keep/ and into trash/, or label them: imgscore label -h"
        return first + or_compare
    (name,) = names
    direction = "higher" if name == "keep" else "lower"
    return (
        f"give some images a {direction} label than the others: move them into {name}/, or run "
        f"imgscore label {name} FILE…{or_compare}"
    )
