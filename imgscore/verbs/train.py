"""train: learn from the labels now, instead of when they have been quiet for a while."""

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.engine.trainer import MIN_LABELS
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.messages import Result
from imgscore.store import heads
from imgscore.verbs.base import Steps, until_idle


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`taste`: only this one; None = all."""

    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """A row a taste. Raises ImgscoreError where there are too few labels."""
    tastes = [request.taste] if request.taste else sorted(engine.trainer.tastes)
    if not tastes:
        raise ConfigError("nothing is watched yet", "begin with: imgscore init INBOX")
    for taste in tastes:
        engine.trainer.relearn(taste, at_once=True)
        missing = engine.trainer.tastes[taste].missing
        if missing:
            raise ImgscoreError(
                f"too few labels to learn {taste!r} from: {missing}",
                f"move at least {MIN_LABELS} files into keep/ and {MIN_LABELS} into trash/",
            )
    yield from until_idle(engine, "training")
    for taste in tastes:
        with engine.ctx.store.read() as txn:
            trained = heads.of_taste(txn, taste)[-1:]
        problem = engine.trainer.tastes[taste].problem
        for head in trained:
            yield Result(
                {
                    "taste": taste,
                    "head": head.version,
                    "labels": head.labels,
                    "used": head.accepted,
                    "report": head.report,
                    "error": problem or None,
                }
            )
        if not trained:
            raise ImgscoreError(
                f"{taste!r} could not be trained: {problem}", "see: imgscore status"
            )
