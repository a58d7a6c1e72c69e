"""Explain a score: the most similar labelled images, and the traits that change it most."""

from __future__ import annotations

import msgspec
import numpy as np

from imgscore.heads.arrays import Floats, Half
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import Features
from imgscore.heads.results import TraitWeight


class SimilarExample(msgspec.Struct, frozen=True):
    """A labelled image. row: index in the examples. similarity: cosine of features, in [-1, 1]."""

    row: int
    similarity: float


class Explanation(msgspec.Struct, frozen=True):
    """A score with its 95 % interval, and the reasons for it.

    keeps, trashes: the most similar labelled images, most similar first. traits: largest change
    first. kind: the head's.
    """

    score: float
    low: float
    high: float
    keeps: list[SimilarExample]
    trashes: list[SimilarExample]
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
    limit: int = 5,
) -> Explanation:
    """Explain the score of one embedding float16 [d].

    extras: float32 [k], with the column names `names`. limit: similar images of each kind, and
    traits. The interval is score ± 1.96 deviations, clipped to [0, 1].
    """
    row = embedding[None]
    extras_row = None if extras is None else extras[None]
    scores = head.score(row, extras_row)
    score, deviation = float(scores.score[0]), float(scores.deviation[0])
    cosine = features(examples.embeddings, examples.extras) @ features(row, extras_row)[0]
    order = np.argsort(-cosine, kind="stable")

    def most_similar(kind: bool) -> list[SimilarExample]:
        rows = [int(index) for index in order if examples.keep[index] == kind][:limit]
        return [SimilarExample(index, float(cosine[index])) for index in rows]

    return Explanation(
        score=score,
        low=max(0.0, score - 1.96 * deviation),
        high=min(1.0, score + 1.96 * deviation),
        keeps=most_similar(True),
        trashes=most_similar(False),
        traits=_traits(head, row, extras, names, score)[:limit],
        kind=head.kind,
        embedder=head.embedder,
    )


def _traits(
    head: Head, row: Half, extras: Floats | None, names: tuple[str, ...], score: float
) -> list[TraitWeight]:
    """By how much each trait raises the score; an unknown trait counts as average."""
    if extras is None or not names:
        return []
    without = np.repeat(extras[None], len(names), axis=0)
    without[np.diag_indices(len(names))] = np.nan
    scores = head.score(np.repeat(row, len(names), axis=0), without).score
    weights = [
        TraitWeight(name, score - float(without_it))
        for name, without_it in zip(names, scores, strict=True)
    ]
    return sorted(weights, key=lambda weight: -abs(weight.change))
