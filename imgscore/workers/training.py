"""Training a taste, and scoring what is in the store. Reads the store; writes only head files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImgscoreError
from imgscore.failpoints import step
from imgscore.heads import files
from imgscore.heads.base import Examples, Scores
from imgscore.heads.extras import extras_of, taken_of
from imgscore.heads.features import Features
from imgscore.heads.groups import near_duplicates
from imgscore.heads.library import of_library
from imgscore.heads.training import train as train_head
from imgscore.paths import head_file
from imgscore.store import head_inputs, heads, labels, scores, traits, vectors
from imgscore.store.schema import HeadRecord, Label
from imgscore.workers.messages import Rescore, Scored, Train, Trained

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context

# A sample of the library, as large as the largest graph a head makes of it.
BACKGROUND = 7500
# Vectors scored at a time: 4,096 of 5 kB are 20 MB.
ROWS_AT_A_TIME = 4096


class Labelled(NamedTuple):
    """A taste's labels whose images have an embedding; all in one order."""

    digests: list[bytes]
    labels: list[Label]
    examples: Examples
    features: Features
    """of the library; near-duplicates are told by them"""


def examples_of(context: Context, txn: Txn, taste: str) -> Labelled:
    """What a head of a taste learns from. Raises UsageError where labels are too few."""
    model = context.spec
    found = dict(labels.iter_all(txn, taste))
    digests, matrix = rows_of(txn, model, found)
    order = [found[digest] for digest in digests]
    names_of, background = sample(txn, model, BACKGROUND)
    keep = np.array([one.label == "keep" for one in order], bool)
    all_traits = [traits.get(txn, digest) for digest in digests]
    examples = Examples(
        matrix,
        keep,
        background,
        model.sections,
        model.id,
        extras=extras_of(all_traits),
        background_extras=extras(txn, names_of),
    )
    examples.check()
    features = of_library(examples)
    groups = near_duplicates(matrix, features, taken_of(all_traits))
    examples = replace(examples, groups=groups, features=features)
    return Labelled(digests, order, examples, features)


def extras(txn: Txn, digests: list[bytes]) -> NDArray[np.float32]:
    """What a head sees of images beside their vectors, [n, k]."""
    return extras_of([traits.get(txn, digest) for digest in digests])


def train(context: Context, task: Train) -> Trained:
    """Learn `task.taste` from the labels in the store and save the head.

    Raises ImgscoreError where too few labelled images have an embedding.
    """
    model = context.spec
    with context.store.read() as txn:
        before = heads.current(txn, task.taste)
        newest = labels.last_sequence(txn)
        version = str(len(heads.of_taste(txn, task.taste)) + 1)
        labelled = examples_of(context, txn, task.taste)
    previous, seen = None, None
    if before is not None and before.embedder == model.id:
        previous = files.load(head_file(context.heads_folder, task.taste, before.version))
        seen = np.array([one.sequence <= before.label_sequence for one in labelled.labels])
    step("in training")
    done = train_head(labelled.examples, kind=task.recipe, previous=previous, seen=seen)
    files.save(done.head, head_file(context.heads_folder, task.taste, version))
    step("after training")
    return Trained(
        HeadRecord(
            version=version,
            taste=task.taste,
            embedder=model.id,
            created_ns=time.time_ns(),
            labels=len(labelled.labels),
            label_sequence=newest,
            accepted=done.accepted,
            report=msgspec.to_builtins(done.report),
        )
    )


def sample(txn: Txn, model: Spec, most: int) -> tuple[list[bytes], NDArray[np.float16]]:
    """At most `most` images, any of the store alike, the same each time.

    Returns their digests and vectors [n, dim].
    """
    every = max(1, -(-vectors.count(txn, model.images) // most))
    return rows_of(txn, model, islice(vectors.digests(txn, model.images), None, None, every))


def rows_of(
    txn: Txn, model: Spec, wanted: Iterable[bytes]
) -> tuple[list[bytes], NDArray[np.float16]]:
    """Those that have a vector, and their rows [n, dim], as they lie in the store."""
    digests: list[bytes] = []
    values = bytearray()
    for digest, row in head_inputs.several(txn, model, wanted):
        digests.append(digest)
        values += row
    return digests, np.frombuffer(values, np.float16).reshape(-1, model.dim)


def rescore(context: Context, task: Rescore) -> Iterator[Scored]:
    """Score the vectors of `task.digests`, or of the whole store, in parts."""
    model = context.spec
    head = files.load(head_file(context.heads_folder, task.taste, task.head))
    if head.embedder != model.id:
        raise ImgscoreError(
            f"head {task.head} was trained on {head.embedder}, not on {model.id}",
            "train a new one with: imgscore train",
        )
    with context.store.read() as txn:
        rows = head_inputs.several(txn, model, task.digests or vectors.digests(txn, model.images))
        while part := list(islice(rows, ROWS_AT_A_TIME)):
            digests = [digest for digest, _ in part]
            values = b"".join(row for _, row in part)
            matrix = np.frombuffer(values, np.float16).reshape(-1, model.dim)
            head_scores = head.score(matrix, extras(txn, digests))
            yield Scored(_packed(digests, head_scores), last=False)
    yield Scored(b"", last=True)


def _packed(digests: list[bytes], head_scores: Scores) -> bytes:
    return b"".join(
        scores.pack(digest, score, deviation)
        for digest, score, deviation in zip(
            digests, head_scores.score.tolist(), head_scores.deviation.tolist(), strict=True
        )
    )
