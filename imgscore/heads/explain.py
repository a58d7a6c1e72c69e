"""Explain a score by the most similar labelled images and the most important traits.

The most important traits are the traits that change the score most.
"""

from __future__ import annotations

import msgspec
import numpy as np

from imgscore.heads.arrays import Floats, Half, Ints
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import Features
from imgscore.heads.results import TraitWeight


class SimilarExample(msgspec.Struct, frozen=True):
    """A labelled or compared image that is similar to the explained image.

    `row`: the index of the image in the examples, as in Examples.comparisons.
    `similarity`: the cosine of the two feature vectors, from -1 to 1.
    """

    row: int
    similarity: float


class Explanation(msgspec.Struct, frozen=True):
    """A score with its 95 % interval and the reasons for the score.

    `low`, `high`: the ends of the interval.
    `keeps`: the most similar images that are labelled keep. The most similar image is first.
    `trashes`: the most similar images that are labelled trash. The most similar image is first.
    `undecided`: the most similar images of grade 0.5. The most similar image is first.
    `better`, `worse`: the most similar images that are the better or the worse image of a
    comparison. The most similar image is first.
    `traits`: the weights of the traits. The trait with the largest change of the score is first.
    `kind`, `embedder`: the kind and the embedder of the head.
    """

    score: float
    low: float
    high: float
    keeps: list[SimilarExample]
    trashes: list[SimilarExample]
    traits: list[TraitWeight]
    kind: str
    embedder: str
    undecided: list[SimilarExample]
    better: list[SimilarExample]
    worse: list[SimilarExample]


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

    `extras`: float32 [k], numbers that are computed from the image's traits, or None.
    `names`: the names of the k columns of `extras`.
    `limit`: the largest length of each list in the result.

    The interval is score ± 1.96 deviations, limited to the range from 0 to 1.
    """
    row = embedding[None]
    extras_row = None if extras is None else extras[None]
    scores = head.score(row, extras_row)
    score, deviation = float(scores.score[0]), float(scores.deviation[0])
    cosine = features(examples.all_embeddings, examples.all_extras) @ features(row, extras_row)[0]

    def most_similar(rows: Ints) -> list[SimilarExample]:
        order = rows[np.argsort(-cosine[rows], kind="stable")][:limit].tolist()
        return [SimilarExample(index, float(cosine[index])) for index in order]

    decided = examples.comparisons[examples.comparisons[:, 2] == 0]

    return Explanation(
        score=score,
        low=max(0.0, score - 1.96 * deviation),
        high=min(1.0, score + 1.96 * deviation),
        keeps=most_similar(np.flatnonzero(examples.keep)),
        trashes=most_similar(np.flatnonzero(examples.trash)),
        traits=_traits(head, row, extras, names, score)[:limit],
        kind=head.kind,
        embedder=head.embedder,
        undecided=most_similar(np.flatnonzero(~examples.keep & ~examples.trash)),
        better=most_similar(np.unique(decided[:, 0])),
        worse=most_similar(np.unique(decided[:, 1])),
    )


def _traits(
    head: Head, row: Half, extras: Floats | None, names: tuple[str, ...], score: float
) -> list[TraitWeight]:
    """Return the change of the score by each trait, with the largest change first.

    The change is the score minus the score that the image has if the trait is average. The change
    of an unknown trait is 0.
    """
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
