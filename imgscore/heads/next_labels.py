"""Which images to label next: those whose answer would teach the head most."""

from __future__ import annotations

import numpy as np

from imgscore.heads.base import Floats, Half, Head, Ints
from imgscore.heads.features import Features

ALIKE = 0.9
"""Cosine to a chosen or labelled image from which another of its kind would teach little."""


def next_labels(
    head: Head,
    features: Features,
    embeddings: Half,
    labelled: Half,
    count: int,
    extras: Floats | None = None,
) -> Ints:
    """Rows of `embeddings` float16 [m, d] to label next, most telling first, at most `count`.

    An image is telling where the head is unsure: where its score's entropy is high. One by one the
    image with the highest entropy · novelty is chosen, novelty being 1 - the highest cosine to
    what is labelled or chosen, so that a batch is diverse; near-duplicates are left out.
    """
    score = head.score(embeddings, extras).score.astype(np.float64)
    score = np.clip(score, 1e-6, 1 - 1e-6)
    unsure = -score * np.log(score) - (1 - score) * np.log(1 - score)
    rows = features(embeddings)
    closest = np.full(len(rows), -1.0, np.float32)
    for other in features(labelled):
        np.maximum(closest, rows @ other, out=closest)
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        worth = np.where(closest < ALIKE, unsure * (1 - closest), -1)
        best = int(np.argmax(worth))
        if worth[best] < 0:
            break
        chosen.append(best)
        np.maximum(closest, rows @ rows[best], out=closest)
    return np.array(chosen, np.int64)
