"""Train the head of a taste, and score images with a head.

This module reads the store, but does not write to it. It writes only head files.
"""

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
from imgscore.heads.arrays import Floats, Half
from imgscore.heads.base import Scores
from imgscore.heads.checks import checked
from imgscore.heads.from_keeps import train_from_keeps
from imgscore.heads.recipes import MLP, WORDS
from imgscore.heads.training import train as train_head
from imgscore.heads.words import from_words
from imgscore.paths import head_file
from imgscore.store import comparisons, head_inputs, heads, labels, scores, vectors
from imgscore.store.examples import examples_of, extras, sample
from imgscore.store.schema import DIGEST_SIZE, HeadRecord
from imgscore.workers.cpus import cpus, in_threads
from imgscore.workers.messages import Rescore, Scored, Train, Trained

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context

WORDS_SAMPLE = 4096
"""The largest number of images from which the scale of a words head is computed."""
SCORE_BATCH = 2048
"""The number of vectors that one thread scores at a time. A vector uses 5 kB, so 2048 vectors use
10 MB, and as much again while they are collected."""
MIN_DENSE_SHARE = 0.5
"""The share of the images from which whole blocks of vectors are read, and not single rows."""
MAX_SCORE_THREADS = 8
"""The largest number of threads that score. One thread collects the vectors for them; more than
eight would wait for it."""


def train(context: Context, task: Train) -> Trained:
    """Train a head on the labels and comparisons in the store, and save the head.

    This function does not write to the store. It returns the record of the head in the answer.
    Raises ImgscoreError if too few labelled and compared images have an embedding.
    """
    if task.recipe == WORDS:
        return _from_words(context, task)
    spec = context.spec
    with context.store.read() as txn:
        before = heads.current(txn, task.taste)
        newest, newest_answer = labels.last_sequence(txn), comparisons.last_sequence(txn)
        version = str(len(heads.of_taste(txn, task.taste)) + 1)
        previous, seen, seen_answers = None, None, None
        if before is not None and before.embedder == spec.id:
            previous = files.load(head_file(context.heads_folder, task.taste, before.version))
        # An MLP is trained on vectors of the library, which the cache does not contain.
        kinds = {task.recipe, previous.kind if previous is not None else ""}
        cache = None if MLP in kinds else context.library_cache
        labelled = examples_of(txn, spec, task.taste, check=not task.from_keeps, cache=cache)
    if before is not None and previous is not None:
        seen = np.array(
            [label.sequence <= before.label_sequence for label in labelled.labels], bool
        )
        seen_answers = np.array(
            [answer.sequence <= before.comparison_sequence for answer in labelled.answers], bool
        )
    step("in training")
    if task.from_keeps:
        trained = train_from_keeps(labelled.examples)
    else:
        trained = train_head(
            labelled.examples,
            kind=task.recipe,
            previous=previous,
            seen=seen,
            seen_comparisons=seen_answers,
            device=context.device,
            on_progress=context.on_progress,
        )
    files.save(trained.head, head_file(context.heads_folder, task.taste, version))
    if cache is not None and labelled.examples.library is not None:
        cache.save(labelled.background, labelled.examples.library)
    step("after training")
    return Trained(
        HeadRecord(
            version=version,
            taste=task.taste,
            embedder=spec.id,
            created_ns=time.time_ns(),
            labels=len(labelled.labels),
            label_sequence=newest,
            accepted=trained.accepted,
            report=msgspec.to_builtins(trained.report),
            comparisons=len(labelled.answers),
            comparison_sequence=newest_answer,
        )
    )


def _from_words(context: Context, task: Train) -> Trained:
    """Make a head of words, and save it.

    Raises ImgscoreError if the model has no text encoder, or if no image has an embedding.
    """
    spec = context.spec
    texts = context.text_encoder([*task.like, *task.dislike])
    with context.store.read() as txn:
        version = str(len(heads.of_taste(txn, task.taste)) + 1)
        _, rows = sample(txn, spec, WORDS_SAMPLE)
    if not len(rows):
        raise ImgscoreError("no image is embedded yet", "add images to the inbox")
    head = from_words(texts, task.like, task.dislike, rows, spec.sections, spec.id)
    files.save(head, head_file(context.heads_folder, task.taste, version))
    return Trained(
        HeadRecord(
            version=version,
            taste=task.taste,
            embedder=spec.id,
            created_ns=time.time_ns(),
            labels=0,
            label_sequence=0,
            accepted=True,
            report={
                "kind": head.kind,
                "reason": "made of words, before the first labels",
                "settings": dict(head.settings),
            },
        )
    )


def rescore(context: Context, task: Rescore) -> Iterator[Scored]:
    """Score the images `task.digests` with a head. If `task.digests` is empty, score all images.

    Yields the scores in parts.
    """
    spec = context.spec
    head = files.load(head_file(context.heads_folder, task.taste, task.head))
    if head.embedder != spec.id:
        raise ImgscoreError(
            f"head {task.head} was trained on {head.embedder}, not on {spec.id}",
            "train a new head: imgscore train",
        )
    with context.store.read() as txn:

        def parts() -> Iterator[tuple[list[bytes], Half, Floats]]:
            for digests, values in _parts(txn, spec, task.digests):
                matrix = np.frombuffer(values, np.float16).reshape(-1, spec.dim)
                yield digests, matrix, extras(txn, digests, names=head.uses_names)

        def score(part: tuple[list[bytes], Half, Floats]) -> Scored:
            digests, matrix, numbers = part
            head_scores = checked(head.score(matrix, numbers), task.head)
            return Scored(_packed(digests, head_scores), last=False)

        yield from in_threads(score, parts(), min(cpus(), MAX_SCORE_THREADS))
    yield Scored(b"", last=True)


def _parts(txn: Txn, spec: Spec, wanted: list[bytes]) -> Iterator[tuple[list[bytes], bytes]]:
    """Yield parts of at most SCORE_BATCH images, each as a pair (digests, head inputs).

    If all or most images are wanted, whole blocks are read: this takes a fifth of the time of
    single rows.
    """
    if wanted and len(wanted) < MIN_DENSE_SHARE * vectors.count(txn, spec.image_embedder):
        rows = head_inputs.get_many(txn, spec, wanted)
        while part := list(islice(rows, SCORE_BATCH)):
            yield [digest for digest, _ in part], b"".join([row for _, row in part])
        return
    blocks, chosen = head_inputs.blocks(txn, spec), frozenset(wanted)
    while group := list(islice(blocks, SCORE_BATCH // vectors.ROWS_PER_BLOCK)):
        names = b"".join([names for names, _ in group])
        digests = [names[at : at + DIGEST_SIZE] for at in range(0, len(names), DIGEST_SIZE)]
        values = b"".join([values for _, values in group])
        if chosen and not chosen.issuperset(digests):
            places = [place for place, digest in enumerate(digests) if digest in chosen]
            digests = [digests[place] for place in places]
            size = len(values) * DIGEST_SIZE // len(names)
            values = np.frombuffer(values, f"V{size}")[places].tobytes()
        if digests:
            yield digests, values


def _packed(digests: list[bytes], head_scores: Scores) -> bytes:
    return b"".join(
        scores.pack(digest, score, deviation)
        for digest, score, deviation in zip(
            digests, head_scores.score.tolist(), head_scores.deviation.tolist(), strict=True
        )
    )
