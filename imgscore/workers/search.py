"""Search the stored vectors for the images that fit a text.

The vectors are read block by block, so that a search needs little memory: 4 bytes an image for the
cosines, and 32 bytes an image for the digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImgscoreError
from imgscore.store import heads, scores, sightings, vectors
from imgscore.store.schema import DIGEST_SIZE, Sighting
from imgscore.store.transaction import Txn
from imgscore.watches import within
from imgscore.workers.context import Context
from imgscore.workers.queries import ImageFound, QueryRows, SearchQuery

MIN_RANKED = 1000
"""The number of most similar images among which the score counts. The score of an image that does
not fit the text is irrelevant."""


def search(context: Context, query: SearchQuery) -> QueryRows:
    """Find the images that fit `query.text` best.

    Raises ImgscoreError if the text contains no words, or if the model has no text encoder.
    """
    if not query.text.strip():
        raise ImgscoreError("the search has no words", 'write words: imgscore search "red car"')
    text = context.text_encoder([query.text])[0]
    with context.store.read() as txn:
        digests, cosines = _cosines(txn, context, text)
        wanted = max(query.count, MIN_RANKED) if query.taste_weight else query.count
        found = _present(txn, query, digests, _best_first(cosines, 2 * wanted))
        getters = {
            taste: _score_getter(txn, taste) for taste in {query.taste, *query.tastes.values()}
        }
        rows = []
        for row, sighting in found:
            score = getters[query.tastes.get(sighting.inbox, query.taste)](sighting.digest)
            value = None if score is None else score[0]
            rows.append(ImageFound(sighting.digest, sighting.path, float(cosines[row]), value))
            if len(rows) == wanted:
                break
    if query.taste_weight:
        rows = _by_similarity_and_score(rows, query.taste_weight)
    return QueryRows([*rows[: query.count]], last=True)


def _cosines(
    txn: Txn, context: Context, text: NDArray[np.float32]
) -> tuple[bytes, NDArray[np.float32]]:
    """Return the digests of all images as one bytes object, and their cosines float32 [n].

    `text`: the vector of the text, float32 [dim]. Vectors of images have unit length.

    The function reads one block at a time into a buffer that is used again. The conversion by a
    table takes half the time of numpy's, which converts number by number.
    """
    section = next(part for part in context.spec.sections if part.name == "embedding")
    floats_of = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    buffer = np.empty((vectors.ROWS_PER_BLOCK, len(text)), np.float32)
    digests: list[bytes] = []
    cosines: list[NDArray[np.float32]] = []
    for names, values in vectors.blocks(txn, context.spec.image_embedder):
        rows = np.frombuffer(values, np.uint16).reshape(-1, context.spec.image_dim)
        floats = buffer[: len(rows)]
        floats_of.take(rows[:, section.start : section.stop], out=floats, mode="clip")
        digests.append(names)
        cosines.append(floats @ text)
    return b"".join(digests), np.concatenate([np.empty(0, np.float32), *cosines])


def _best_first(cosines: NDArray[np.float32], count: int) -> Iterator[int]:
    """Yield the rows by their cosine, largest first.

    The first `count` rows are found without sorting all rows. The others are only sorted if the
    caller needs them, for example because many images no longer exist.
    """
    first = np.empty(0, np.int64)
    if count < len(cosines):
        first = np.argpartition(cosines, -count)[-count:]
        first = first[np.argsort(-cosines[first], kind="stable")]
        yield from first.tolist()
        cosines = cosines.copy()
        cosines[first] = -np.inf
    rest = np.argsort(-cosines, kind="stable")
    yield from rest[: len(cosines) - len(first)].tolist()


def _present(
    txn: Txn, query: SearchQuery, digests: bytes, order: Iterator[int]
) -> Iterator[tuple[int, Sighting]]:
    """Yield (row, file) for each image in `order` whose file exists, is watched and in the folder.

    If an image has several such files, the one with the first path is yielded.
    """
    for row in order:
        digest = digests[row * DIGEST_SIZE : (row + 1) * DIGEST_SIZE]
        files = [
            sighting
            for sighting in sightings.of_digest(txn, digest)
            if not sighting.gone_ns
            and (query.folder is None or within(sighting.path, query.folder))
        ]
        if files:
            yield row, min(files, key=lambda file: file.path)


def _score_getter(txn: Txn, taste: str) -> Callable[[bytes], tuple[float, float] | None]:
    head = heads.current(txn, taste)
    return (lambda _: None) if head is None else scores.getter(txn, taste, head.version)


def _by_similarity_and_score(rows: list[ImageFound], weight: float) -> list[ImageFound]:
    """Sort images by the weighted mean of their cosine and their score.

    Cosines and scores are first scaled to mean 0 and deviation 1 over these images, because cosines
    of many models lie between 0.2 and 0.3. An image without a score counts as the mean.
    """
    cosines = np.array([row.similarity for row in rows])
    given = np.array([np.nan if row.score is None else row.score for row in rows])
    ranks = (1 - weight) * _standard(cosines) + weight * np.nan_to_num(_standard(given))
    return [rows[row] for row in np.argsort(-ranks, kind="stable")]


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros_like(values)
    result: NDArray[np.float64] = (values - known.mean()) / max(float(known.std()), 1e-9)
    return result
