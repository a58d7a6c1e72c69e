"""Why an image has its score: the labelled images that speak for and against it."""

from __future__ import annotations

import msgspec
import numpy as np

from imgscore.heads.arrays import Floats, Half
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import Features
from imgscore.heads.results import TraitWeight


class Witness(msgspec.Struct, frozen=True):
    """row: of the examples. similarity: cosine of the features, in [-1, 1]."""

    row: int
    similarity: float


class Explanation(msgspec.Struct, frozen=True):
    """score with its 95 % interval; the nearest keeps and trashes, nearest first; the traits that
    matter, most first; head and embedder."""

    score: float
    low: float
    high: float
    keeps: list[Witness]
    trashes: list[Witness]
    traits: list[TraitWeight]
    kind: str
    embedder: str


def explain(
    head: Head,
    features: Features,
    examples: Examples,
    embedding: Half,
    *,
    extras: Floats | None = None,
    names: tuple[str, ...] = (),
    most: int = 5,
) -> Explanation:
    """Explain the score of one embedding float16 [d] (extras float32 [k], columns called `names`).

    The interval is score ± 1.96 deviations, kept within [0, 1].
    """
    row = embedding[None]
    more = None if extras is None else extras[None]
    found = head.score(row, more)
    score, deviation = float(found.score[0]), float(found.deviation[0])
    cosine = features(examples.embeddings, examples.extras) @ features(row, more)[0]
    order = np.argsort(-cosine, kind="stable")

    def witnesses(kind: bool) -> list[Witness]:
        rows = [int(one) for one in order if examples.keep[one] == kind][:most]
        return [Witness(one, float(cosine[one])) for one in rows]

    return Explanation(
        score=score,
        low=max(0.0, score - 1.96 * deviation),
        high=min(1.0, score + 1.96 * deviation),
        keeps=witnesses(True),
        trashes=witnesses(False),
        traits=_traits(head, row, extras, names, score)[:most],
        kind=head.kind,
        embedder=head.embedder,
    )


def _traits(
    head: Head, row: Half, extras: Floats | None, names: tuple[str, ...], score: float
) -> list[TraitWeight]:
    """The change of the score when each trait in turn is unknown, and so average."""
    if extras is None or not names:
        return []
    without = np.repeat(extras[None], len(names), axis=0)
    without[np.diag_indices(len(names))] = np.nan
    scores = head.score(np.repeat(row, len(names), axis=0), without).score
    found = [TraitWeight(name, score - float(one)) for name, one in zip(names, scores, strict=True)]
    return sorted(found, key=lambda one: -abs(one.change))
