"""Train the head of a taste.

This module reads the store, but does not write to it. It writes only head files.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from imgscore.errors import ImgscoreError
from imgscore.failpoints import step
from imgscore.heads import files
from imgscore.heads.from_keeps import train_from_keeps
from imgscore.heads.recipes import MLP, WORDS
from imgscore.heads.training import train as train_head
from imgscore.heads.words import from_words
from imgscore.paths import head_file
from imgscore.store import comparisons, heads, labels
from imgscore.store.examples import examples_of, sample
from imgscore.store.schema import HeadRecord
from imgscore.workers.messages import Train, Trained

if TYPE_CHECKING:
    from imgscore.workers.context import Context

WORDS_SAMPLE = 4096
"""The largest number of images from which the scale of a words head is computed."""


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
