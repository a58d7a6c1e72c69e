"""The words head: an order before the first label, from what the user likes and dislikes in words.

The score of an image grows with its cosine to the words that the user likes, and falls with its
cosine to the words that the user dislikes. The model needs a text encoder. No label is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.errors import UsageError
from imgscore.heads.arrays import EPSILON, Floats, Half, Ints
from imgscore.heads.base import (
    Examples,
    Fitted,
    Head,
    OnProgress,
    Scores,
    no_progress,
)

BLOCK = 4096
"""The number of embeddings that are scored at once. They take 40 MB as float32."""
MAX_LOGIT = 15.0
"""The largest log-odds of a score. With larger values, different scores would be equal to 1."""


@dataclass(frozen=True)
class WordsHead:
    """A head made of words.

    `direction`: float32 [d], the like words minus the dislike words. It is 0 outside of the section
    that can be compared with words.
    `centre`, `scale`: the mean and the inverse deviation of the products with `direction`, over a
    sample of the library.
    """

    embedder: str
    direction: Floats
    centre: float
    scale: float
    like: tuple[str, ...]
    dislike: tuple[str, ...]

    kind = "words"

    @property
    def dimensions(self) -> int:
        """The width of the embeddings that the head scores."""
        return len(self.direction)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The words."""
        return {"like": list(self.like), "dislike": list(self.dislike)}

    @property
    def uses_names(self) -> bool:
        """False: the columns behind the traits are not used."""
        return False

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Return the scores of embeddings float16 [n, d].

        The deviations are 0. Words give no estimate of the error.
        """
        result = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), BLOCK):
            rows = embeddings[start : start + BLOCK].astype(np.float32)
            logits = (rows @ self.direction - self.centre) * self.scale
            logits = np.clip(np.nan_to_num(logits), -MAX_LOGIT, MAX_LOGIT)
            result[start : start + BLOCK] = 1 / (1 + np.exp(-logits))
        return Scores(result, np.zeros_like(result))

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the arrays and the JSON-able values from which `restore` makes the head."""
        values = {"embedder": self.embedder, **self.settings}
        numbers = np.array([self.centre, self.scale], np.float32)
        return {"direction": self.direction, "numbers": numbers}, values


def from_words(
    texts: Floats,
    like: Sequence[str],
    dislike: Sequence[str],
    sample: Half,
    sections: Sequence[Section],
    embedder: str,
) -> WordsHead:
    """Return the head for words.

    `texts`: float32 [n, k], the unit vectors of all `like` words and then of all `dislike` words.
    `sample`: float16 [m, d], embeddings of the library, at least one.
    `sections`: the sections of the embeddings. The words are compared with the section "embedding".

    Raises UsageError if there are no words, or if no section can be compared with words.
    """
    section = next((part for part in sections if part.name == "embedding"), None)
    if section is None or section.stop - section.start != texts.shape[1]:
        raise UsageError("the model cannot compare images with words", "use another model")
    if not len(like) + len(dislike):
        raise UsageError("there are no words", "write at least one text for like or dislike")
    direction = np.zeros(sample.shape[1], np.float32)
    for vectors, sign in ((texts[: len(like)], 1), (texts[len(like) :], -1)):
        if len(vectors):
            direction[section.start : section.stop] += sign * vectors.mean(axis=0)
    products = sample.astype(np.float32) @ direction
    deviation = max(float(products.std()), EPSILON)
    return WordsHead(
        embedder, direction, float(products.mean()), 1 / deviation, tuple(like), tuple(dislike)
    )


class WordsRecipe:
    """The recipe that restores words heads. Labels cannot train such a head."""

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> Fitted:
        """Raise UsageError: see `from_words`."""
        raise UsageError("a words head is made from words, not from labels", "train another head")

    def fit_head(self, examples: Examples, settings: Mapping[str, Any] | None = None) -> Head:
        """Raise UsageError: see `from_words`."""
        raise UsageError("a words head is made from words, not from labels", "train another head")

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Head:
        """Return the head from which `WordsHead.state` made `arrays` and `values`."""
        direction, numbers = arrays["direction"], arrays["numbers"]
        if direction.ndim != 1 or numbers.shape != (2,):
            raise ValueError("the arrays have wrong shapes")
        return WordsHead(
            str(values["embedder"]),
            direction.astype(np.float32),
            float(numbers[0]),
            float(numbers[1]),
            tuple(map(str, values["like"])),
            tuple(map(str, values["dislike"])),
        )
