"""Finds near-duplicates for the page in a store that has no groups yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from imgscore.heads.extras import extras_of, facts_of, grids_of
from imgscore.heads.library import fit_features
from imgscore.heads.similar import near_duplicates, similar_pairs
from imgscore.store import traits
from imgscore.store.examples import BACKGROUND, rows_of, sample

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.heads.features import Features
    from imgscore.store.transaction import Txn

MAX_COMPARED = 20_000
"""The largest number of images that are compared. The vectors of this number of images use
100 MB."""

Rank = tuple[float, int, int]


def near_groups(
    txn: Txn, spec: Spec, ranks: Mapping[bytes, Rank], features: Features | None
) -> Iterator[list[bytes]]:
    """Yield the groups of near-duplicates among the MAX_COMPARED best images, best image first.

    `ranks`: the rank of each image, by its digest; the best image has the largest rank.
    """
    wanted = set(sorted(ranks, key=lambda digest: ranks[digest], reverse=True)[:MAX_COMPARED])
    digests, matrix = rows_of(txn, spec, wanted)
    if not digests:
        return
    _, background = sample(txn, spec, BACKGROUND)
    if features is None:
        features = fit_features(background, spec.sections)
    image_traits = [traits.get(txn, digest) for digest in digests]
    similar = similar_pairs(matrix, features, background, grids_of(image_traits))
    pairs = near_duplicates(similar, facts_of(extras_of(image_traits)))
    alike = {frozenset(pair) for pair in pairs.rows.tolist()}
    chains: dict[int, list[int]] = {}
    for row, chain in enumerate(pairs.groups()):
        chains.setdefault(int(chain), []).append(row)
    for rows in chains.values():
        rows.sort(key=lambda row: ranks[digests[row]], reverse=True)
        for group in _split(rows, alike):
            yield [digests[row] for row in group]


def _split(chain: list[int], alike: set[frozenset[int]]) -> Iterator[list[int]]:
    """Split a chain of images into groups of near-duplicates.

    In a chain, each image is a near-duplicate of at least one other image of the chain, but the two
    ends of the chain can be very different. In a group, each image is a near-duplicate of the best
    image of the group.

    `chain`: the rows of the images, the best image first. `alike`: the pairs of rows that are
    near-duplicates.
    """
    left = chain
    while len(left) > 1:
        best = left[0]
        group = [row for row in left if row == best or frozenset((row, best)) in alike]
        if len(group) > 1:
            yield group
        left = [row for row in left if row not in group]
