"""This module loads the training data of a head.

The training data are the labelled images of a taste, its compared images, and a sample of all
images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.registry import Spec
from imgscore.heads.arrays import Ints
from imgscore.heads.base import Examples
from imgscore.heads.extras import extras_of, facts_of, grids_of, taken_of
from imgscore.heads.features import Features
from imgscore.heads.groups import fold_groups
from imgscore.heads.library import library_features
from imgscore.heads.library_cache import LibraryCache
from imgscore.heads.library_nodes import LibraryNodes
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side
from imgscore.heads.similar import near_duplicates, similar_pairs
from imgscore.images.traits import Traits
from imgscore.store import comparisons, file_names, head_inputs, labels, traits, vectors
from imgscore.store.comparisons import Comparison
from imgscore.store.schema import Label
from imgscore.store.transaction import Txn

# The largest number of images in the sample of all images. Some heads build a graph that has one
# node for each image of this sample. This number limits the size of the graph.
BACKGROUND = 7500


class Labelled(NamedTuple):
    """The labelled images of a taste that have an embedding.

    The item i of `digests`, the item i of `labels` and the row i of `examples` belong to one image.
    The item i of `compared` and the row i of `examples.compared` belong to one image. The item i of
    `answers` and the row i of `examples.comparisons` belong to one comparison.
    """

    digests: list[bytes]
    labels: list[Label]
    examples: Examples
    features: Features
    """The Features that are fitted to the sample of all images.

    The search for near-duplicates uses them as well.
    """
    compared: list[bytes]
    answers: list[Comparison]
    background: list[bytes]
    """The digests of the sample of all images."""

    @property
    def all_digests(self) -> list[bytes]:
        """The digests of the labelled and of the compared images: rows of comparisons."""
        return [*self.digests, *self.compared]


def examples_of(
    txn: Txn, spec: Spec, taste: str, *, check: bool = True, cache: LibraryCache | None = None
) -> Labelled:
    """Load the training data of a taste.

    If `check` is true, raises UsageError if the taste has too few labels and comparisons.
    `cache`: if it contains the library, the vectors of the sample are not read, and
    `examples.background` is empty.
    """
    label_of = dict(labels.iter_all(txn, taste))
    digests, matrix = rows_of(txn, spec, label_of)
    answers = [answer for answer in comparisons.iter_all(txn, taste) if answer.teaches]
    others = {digest for answer in answers for digest in (answer.first, answer.second)}
    compared, compared_matrix = rows_of(txn, spec, sorted(others - label_of.keys()))
    ordered = [label_of[digest] for digest in digests]
    grades = np.array([label.grade for label in ordered], np.float32)
    background_digests = sample_digests(txn, spec)
    # The scores of a head without calibration depend on the vectors of the sample.
    calibrated = smaller_side(upper_side(grades)) >= MIN_SIDE
    library = cache.load(background_digests) if cache and calibrated else None
    if library is None:
        background_digests, background = rows_of(txn, spec, background_digests)
        background_extras = extras(txn, background_digests, names=spec.measures_names)
    else:
        background, background_extras = matrix[:0], None
    traits_of = traits.getter(txn)
    image_traits = list(map(traits_of, digests))
    examples = Examples(
        matrix,
        grades,
        background,
        spec.sections,
        spec.id,
        extras=_extras(txn, digests, image_traits, names=spec.measures_names),
        background_extras=background_extras,
        library=library,
        times=np.array([label.time_ns for label in ordered], np.int64),
    )
    if compared:
        answers, rows = _rows_of_answers(answers, [*digests, *compared])
        examples = replace(
            examples,
            comparisons=rows,
            compared=compared_matrix,
            compared_extras=extras(txn, compared, names=spec.measures_names),
        )
        image_traits += map(traits_of, compared)
    elif answers:
        answers, rows = _rows_of_answers(answers, digests)
        examples = replace(examples, comparisons=rows)
    if check:
        examples.check()
    if library is None:
        features = library_features(examples)
        library = LibraryNodes.of(features, background, background_extras)
    features = library.features
    grids, taken = grids_of(image_traits), taken_of(image_traits)
    projected = features.projected(examples.all_embeddings)
    pairs = similar_pairs(projected, features, library, grids, taken)
    groups = fold_groups(pairs)
    assert examples.extras is not None
    labelled_pairs = pairs.first(len(digests))
    copies = near_duplicates(labelled_pairs, facts_of(examples.extras)).groups()
    examples = replace(
        examples,
        groups=groups[: len(digests)],
        compared_groups=groups[len(digests) :] if compared else None,
        copies=copies,
        features=features,
        projected=projected,
        library=library,
    )
    return Labelled(digests, ordered, examples, features, compared, answers, background_digests)


def library_of(txn: Txn, spec: Spec, digests: list[bytes]) -> tuple[list[bytes], LibraryNodes]:
    """Return the nodes of the library from a sample of all images, without any label.

    The first result contains the digests of the sample that have a vector.
    """
    digests, rows = rows_of(txn, spec, digests)
    numbers = extras(txn, digests, names=spec.measures_names)
    unlabelled = Examples(
        rows[:0],
        np.empty(0, np.float32),
        rows,
        spec.sections,
        spec.id,
        extras=numbers[:0],
        background_extras=numbers,
    )
    return digests, LibraryNodes.of(library_features(unlabelled), rows, numbers)


def _rows_of_answers(
    answers: list[Comparison], digests: list[bytes]
) -> tuple[list[Comparison], Ints]:
    """Return the answers whose two images are in `digests`, and their rows as int64 [p, 3].

    The rows are those of Examples.comparisons.
    """
    row_of = {digest: row for row, digest in enumerate(digests)}
    used = [answer for answer in answers if {answer.first, answer.second} <= row_of.keys()]
    rows = [
        (row_of[answer.second], row_of[answer.first], 0)
        if answer.answer == "second"
        else (row_of[answer.first], row_of[answer.second], int(answer.answer == "same"))
        for answer in used
    ]
    return used, np.array(rows, np.int64).reshape(-1, 3)


def extras(txn: Txn, digests: list[bytes], *, names: bool) -> NDArray[np.float32]:
    """Return the traits of images as numbers for a head, float32 [n, k].

    `names`: whether the vectors of the file names follow in further columns.
    """
    return _extras(txn, digests, list(map(traits.getter(txn), digests)), names=names)


def _extras(
    txn: Txn, digests: list[bytes], image_traits: list[Traits | None], *, names: bool
) -> NDArray[np.float32]:
    """Return the result of `extras` from the traits of the images."""
    numbers = extras_of(image_traits)
    return np.hstack([numbers, file_names.vectors_of(txn, digests)]) if names else numbers


def sample(txn: Txn, spec: Spec, limit: int) -> tuple[list[bytes], NDArray[np.float16]]:
    """Return the digests and the head inputs [n, dim] of at most `limit` images.

    As long as the store does not change, each call returns equal results. A new image changes at
    most one image of the sample.
    """
    return rows_of(txn, spec, sample_digests(txn, spec, limit))


def sample_digests(txn: Txn, spec: Spec, limit: int = BACKGROUND) -> list[bytes]:
    """Return the first `limit` digests. Digests are hashes, so that these are random images."""
    return list(islice(vectors.digests(txn, spec.image_embedder), limit))


def rows_of(
    txn: Txn, spec: Spec, wanted: Iterable[bytes]
) -> tuple[list[bytes], NDArray[np.float16]]:
    """Return the wanted digests that have a vector, and the head inputs [n, dim] of these digests.

    Row i belongs to digest i. The digests have the order in which the store contains them.
    """
    digests: list[bytes] = []
    values = bytearray()
    for digest, row in head_inputs.get_many(txn, spec, wanted):
        digests.append(digest)
        values += row
    return digests, np.frombuffer(values, np.float16).reshape(-1, spec.dim)
