"""Answer the query for the images that the user should compare next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.pair_choice import PairChoice
from imgscore.heads.pair_choice import choose_pairs as choose
from imgscore.store import comparisons, head_inputs, heads, scores, sightings
from imgscore.store.examples import examples_of, extras
from imgscore.watches import within
from imgscore.workers.queries import ProposedPair, QueryRows

if TYPE_CHECKING:
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.queries import PairsQuery

MAX_CANDIDATES = 2000
"""The largest number of images from which pairs are chosen. The choice itself uses 1,000 of them;
each further answer begins with other images of a large library."""


def choose_pairs(context: Context, query: PairsQuery) -> QueryRows:
    """Choose the images to compare. A pair that has an answer, or was skipped, is not chosen again.

    Taste without labels and answers: the pairs cover the images of the folder.
    """
    spec = context.spec
    with context.store.read() as txn:
        known = [(row.first, row.second) for row in comparisons.iter_all(txn, query.taste)]
        digests, matrix = _candidates(context, txn, query, turn=len(known))
        if len(digests) < 2:
            return QueryRows([], last=True)
        numbers = extras(txn, digests, names=spec.measures_names)
        taught = examples_of(txn, spec, query.taste, check=False, cache=context.library_cache)
        row_of = {digest: row for row, digest in enumerate(digests)}
        seen = [
            (row_of[first], row_of[second])
            for first, second in (*known, *query.exclude)
            if first in row_of and second in row_of
        ]
        chosen = choose(
            taught.features,
            taught.examples,
            matrix,
            query.count * query.size // 2,
            numbers,
            np.array(seen, np.int64).reshape(-1, 2),
        )
        head = heads.current(txn, query.taste)
        rows = []
        for group in grouped(chosen, query.size // 2, {frozenset(pair) for pair in seen}):
            images = [digests[row] for pair in group for row in (pair.first, pair.second)]
            found = [
                scores.get(txn, query.taste, head.version, digest) if head else None
                for digest in images
            ]
            gain = sum(pair.gain for pair in group)
            rows.append(
                ProposedPair(
                    images,
                    [None if score is None else score[0] for score in found],
                    f"the answer should remove {gain:.1%} of the uncertainty about the order",
                )
            )
    return QueryRows([*rows], last=True)


def grouped(
    chosen: list[PairChoice], size: int, seen: set[frozenset[int]]
) -> list[list[PairChoice]]:
    """Put `size` pairs together into one proposal, best pairs first.

    A choice among four images also compares the images of one pair with those of the other. Two
    pairs are therefore put together only if none of these comparisons is in `seen`.
    """
    groups: list[list[PairChoice]] = []
    left = list(chosen)
    while len(left) >= size:
        group = [left.pop(0)]
        for pair in left:
            if len(group) == size:
                break
            images = {row for other in group for row in (other.first, other.second)}
            if not any(frozenset((row, own)) in seen for row in images for own in pair[:2]):
                group.append(pair)
        if len(group) == size:
            groups.append(group)
            left = [pair for pair in left if pair not in group]
    return groups


def _candidates(
    context: Context, txn: Txn, query: PairsQuery, turn: int
) -> tuple[list[bytes], NDArray[np.float16]]:
    """Return at most MAX_CANDIDATES images of `query.inboxes`, labelled or not.

    If there are more images, they are sorted by digest, and every k-th image is chosen, from
    another beginning for each `turn`. Returns the digests of the chosen images, and their input
    vectors for a head as float16 [n, dim].
    """
    inboxes = set(query.inboxes)
    digests = sorted(
        {
            sighting.digest
            for sighting in sightings.iter_all(txn)
            if sighting.role == "inbox"
            and sighting.inbox in inboxes
            and not sighting.gone_ns
            and (query.folder is None or within(sighting.path, query.folder))
        }
    )
    step = -(-len(digests) // MAX_CANDIDATES) or 1
    rows = list(head_inputs.get_many(txn, context.spec, digests[turn % step :: step]))
    values = b"".join(vector for _, vector in rows)
    matrix = np.frombuffer(values, np.float16).reshape(-1, context.spec.dim)
    return [digest for digest, _ in rows], matrix
