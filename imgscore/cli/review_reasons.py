"""The reasons for the score of an image, as the review page shows them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from imgscore.heads.results import TraitWeight
from imgscore.verbs import explain

COUNT = 6
"""The largest number of similar images of each kind: two rows beside the open image."""


class Similar(msgspec.Struct):
    """A similar labelled image: its number on the page, and the similarity, from −1 to 1."""

    image: int
    similarity: float


class Explanation(msgspec.Struct):
    """The images and traits that speak for and against an image.

    Similar images that are not on the page are left out. `error`: the reason why there is no
    explanation.
    """

    keeps: list[Similar] = []
    trashes: list[Similar] = []
    undecided: list[Similar] = []
    better: list[Similar] = []
    worse: list[Similar] = []
    traits: list[TraitWeight] = []
    error: str | None = None


def explanation(row: explain.Response, sha256: str, numbers: Mapping[str, int]) -> Explanation:
    """Return the explanation of the image with this digest.

    `numbers`: the number on the page of each digest.
    """
    if isinstance(row, explain.Unexplained):
        return Explanation(error=row.error)
    if row.sha256 != sha256:
        return Explanation(error="the file has changed since the page was made")

    def similar(witnesses: list[explain.Witness]) -> list[Similar]:
        return [
            Similar(numbers[witness.sha256], round(witness.similarity, 4))
            for witness in witnesses
            if witness.sha256 in numbers and witness.sha256 != sha256
        ]

    return Explanation(
        keeps=similar(row.keeps),
        trashes=similar(row.trashes),
        undecided=similar(row.undecided),
        better=similar(row.better),
        worse=similar(row.worse),
        traits=row.traits_that_matter,
    )
