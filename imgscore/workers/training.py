"""Training a taste, and scoring what is in the store. Reads the store; writes only head files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from imgscore.errors import ImgscoreError
from imgscore.failpoints import step
from imgscore.heads import files
from imgscore.heads.base import Scores
from imgscore.heads.training import train as train_head
from imgscore.paths import head_file
from imgscore.store import head_inputs, heads, labels, scores, vectors
from imgscore.store.examples import examples_of, extras
from imgscore.store.schema import HeadRecord
from imgscore.workers.messages import Rescore, Scored, Train, Trained

if TYPE_CHECKING:
    from imgscore.workers.context import Context

# Vectors scored at a time: 4,096 of 5 kB are 20 MB.
ROWS_AT_A_TIME = 4096


def train(context: Context, task: Train) -> Trained:
    """Learn `task.taste` from the labels in the store and save the head.

    Raises ImgscoreError where too few labelled images have an embedding.
    """
    model = context.spec
    with context.store.read() as txn:
        before = heads.current(txn, task.taste)
        newest = labels.last_sequence(txn)
        version = str(len(heads.of_taste(txn, task.taste)) + 1)
        labelled = examples_of(txn, model, task.taste)
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
        rows = head_inputs.get_many(
            txn, model, task.digests or vectors.digests(txn, model.image_embedder)
        )
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
