"""Training a taste, and scoring what is in the store. Reads the store; writes only head files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImgscoreError
from imgscore.heads import files
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import fit_features
from imgscore.heads.groups import near_duplicates
from imgscore.heads.training import train as train_head
from imgscore.store import labels, records, vectors
from imgscore.store.schema import DIGEST_SIZE, HeadRecord, Label
from imgscore.work.tasks import Rescore, Scored, Train, Trained

if TYPE_CHECKING:
    from imgscore.store.store import Txn
    from imgscore.work.worker import Context

# A sample of the library tells its mean and scale; more would only cost time.
BACKGROUND = 4000
# Vectors scored at a time: 4,096 of 5 kB are 20 MB.
ROWS_AT_A_TIME = 4096


def train(context: Context, task: Train) -> Trained:
    """Learn `task.taste` from the labels in the store and save the head.

    Raises ImgscoreError where too few labelled images have an embedding.
    """
    model = context.spec
    with context.store.read() as txn:
        previous_record = records.current_head(txn, task.taste)
        labelled, matrix = _labelled(txn, task.taste, model.id, model.dim)
        background = sample(txn, model.id, model.dim, BACKGROUND)
        newest = labels.last_sequence(txn)
        version = str(len(records.heads(txn, task.taste)) + 1)
    previous, seen = None, None
    if previous_record is not None and previous_record.embedder == model.id:
        previous = files.load(head_file(context.heads_folder, task.taste, previous_record.version))
        seen = np.array([one.sequence <= previous_record.label_sequence for one in labelled])
    examples = Examples(
        matrix,
        np.array([one.label == "keep" for one in labelled], bool),
        background,
        model.sections,
        model.id,
    )
    examples.check()
    groups = near_duplicates(matrix, fit_features(background, model.sections))
    done = train_head(replace(examples, groups=groups), previous=previous, seen=seen)
    files.save(done.head, head_file(context.heads_folder, task.taste, version))
    return Trained(
        HeadRecord(
            version=version,
            taste=task.taste,
            embedder=model.id,
            created_ns=time.time_ns(),
            labels=len(examples),
            label_sequence=newest,
            accepted=done.accepted,
            report=msgspec.to_builtins(done.report),
        )
    )


def head_file(heads: Path, taste: str, version: str) -> Path:
    """Where a head lies."""
    return heads / taste / f"{version}.safetensors"


def _labelled(
    txn: Txn, taste: str, embedder: str, dim: int
) -> tuple[list[Label], NDArray[np.float16]]:
    """The labels of a taste whose images have an embedding, and those, [n, dim], in one order."""
    found = dict(labels.every(txn, taste))
    order: list[Label] = []
    rows: list[NDArray[np.float16]] = []
    for digests, values in vectors.blocks(txn, embedder):
        block = np.frombuffer(values, np.float16).reshape(-1, dim)
        for row in range(len(block)):
            label = found.get(digests[row * DIGEST_SIZE : (row + 1) * DIGEST_SIZE])
            if label is not None:
                order.append(label)
                rows.append(block[row])
    return order, np.array(rows, np.float16).reshape(-1, dim)


def sample(txn: Txn, embedder: str, dim: int, most: int) -> NDArray[np.float16]:
    """At most `most` vectors spread evenly over the store, [n, dim]; the same ones each time."""
    every = max(1, -(-vectors.count(txn, embedder) // most))
    rows: list[NDArray[np.float16]] = []
    passed = 0
    for _, values in vectors.blocks(txn, embedder):
        block = np.frombuffer(values, np.float16).reshape(-1, dim)
        rows.append(block[(-passed) % every :: every].copy())
        passed += len(block)
    return np.concatenate(rows) if rows else np.empty((0, dim), np.float16)


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
        batches = _chosen(txn, model.id, task.digests) if task.digests else _all(txn, model.id)
        for digests, values in batches:
            yield Scored(_scores(head, digests, values, model.dim), last=False)
    yield Scored(b"", last=True)


def _chosen(txn: Txn, embedder: str, digests: list[bytes]) -> Iterator[tuple[list[bytes], bytes]]:
    for start in range(0, len(digests), ROWS_AT_A_TIME):
        part = digests[start : start + ROWS_AT_A_TIME]
        found = [(one, vectors.get(txn, embedder, one)) for one in part]
        there = [(digest, vector) for digest, vector in found if vector is not None]
        if there:
            yield [digest for digest, _ in there], b"".join(vector for _, vector in there)


def _all(txn: Txn, embedder: str) -> Iterator[tuple[list[bytes], bytes]]:
    digests: list[bytes] = []
    values: list[bytes] = []
    for names, block in vectors.blocks(txn, embedder):
        digests += [names[at : at + DIGEST_SIZE] for at in range(0, len(names), DIGEST_SIZE)]
        values.append(block)
        if len(digests) >= ROWS_AT_A_TIME:
            yield digests, b"".join(values)
            digests, values = [], []
    if digests:
        yield digests, b"".join(values)


def _scores(head: Head, digests: list[bytes], values: bytes, dim: int) -> bytes:
    matrix = np.frombuffer(values, np.float16).reshape(-1, dim)
    scores, deviations = head.score(matrix)
    return b"".join(
        records.pack_score(digest, score, deviation)
        for digest, score, deviation in zip(
            digests, scores.tolist(), deviations.tolist(), strict=True
        )
    )
