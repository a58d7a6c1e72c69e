"""Score images with a head.

This module reads the store, but does not write to it. The scores are sent sorted by digest, because
the store is sorted by digest, too: a commit of scores in another sequence changes nearly every page
of the table (6.6 GB were written for 100,000 scores, instead of 0.2 GB).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImgscoreError
from imgscore.heads import files
from imgscore.heads.feature_cache import ROW_BATCH
from imgscore.heads.kernel import KernelHead
from imgscore.paths import head_file
from imgscore.store import head_inputs, scores, vectors
from imgscore.store.examples import extras
from imgscore.store.schema import DIGEST_SIZE, split_digests
from imgscore.store.unscored import unscored
from imgscore.workers.cached_rows import (
    MIN_APPENDED,
    Part,
    cache_of,
    known_scores,
    new_scores,
    packed_scores,
)
from imgscore.workers.cpus import cpus, in_threads
from imgscore.workers.messages import Rescore, Scored

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.heads.base import Head
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context

SCORE_BATCH = ROW_BATCH
"""The number of vectors that one thread scores at a time. A vector uses 5 kB, so 512 vectors use
2.5 MB, and five such batches are in memory with two threads. 2,048 vectors need as much CPU time,
and 38 MB more."""
MIN_DENSE_SHARE = 0.5
"""The share of the images from which whole blocks of vectors are read, and not single rows."""
MAX_SCORE_THREADS = 8
"""The largest number of threads that score. One thread collects the vectors for them; more than
eight would wait for it."""
MESSAGE_SCORES = 2048
"""The number of scores in one message. One commit of the daemon writes the scores of one message,
which takes about 10 ms."""
SORTED_SCORES = 1 << 18
"""The number of scores that are sorted at a time. They use 10 MB, and 30 MB during the sort."""


def rescore(context: Context, task: Rescore) -> Iterator[Scored]:
    """Score images with a head; see Rescore. Yields the scores in parts."""
    head = files.load(head_file(context.heads_folder, task.taste, task.head))
    if head.embedder != context.spec.id:
        raise ImgscoreError(
            f"head {task.head} was trained on {head.embedder}, not on {context.spec.id}",
            "train a new head: imgscore train",
        )
    # The daemon stores the scores while a thread plans the inboxes by them.
    with ThreadPoolExecutor(1) as executor:
        for rows, is_all in _sorted_scores(context, task, head):
            if is_all:
                executor.submit(context.planner.plan_ahead, task.taste, task.head, rows)
            for start in range(0, len(rows), MESSAGE_SCORES):
                yield Scored(rows[start : start + MESSAGE_SCORES].tobytes(), last=False)
        yield Scored(b"", last=True)


def _sorted_scores(
    context: Context, task: Rescore, head: Head
) -> Iterator[tuple[NDArray[Any], bool]]:
    """Yield the scores as arrays of SCORE, each sorted by digest.

    With each array, the function yields whether it contains the scores of all files of the inboxes.
    """
    spec = context.spec
    collected: list[NDArray[Any]] = []
    count = 0
    with context.store.read() as txn:
        wanted, is_all = task.digests, False
        if task.inboxes and not wanted:
            is_all = not any(scores.packed(txn, task.taste, task.head))
            prepared = context.planner.digests(task.inboxes) if is_all else None
            wanted = prepared or unscored(
                txn, spec.image_embedder, task.inboxes, task.taste, task.head
            )
            if not wanted:
                return

        for rows in _unsorted_scores(txn, context, task, head, wanted):
            collected.append(rows)
            count += len(rows)
            if count >= SORTED_SCORES:
                yield _sorted(collected), False
                collected, count, is_all = [], 0, False
    if collected:
        yield _sorted(collected), is_all


def _unsorted_scores(
    txn: Txn, context: Context, task: Rescore, head: Head, wanted: list[bytes]
) -> Iterator[NDArray[Any]]:
    """Yield the scores of the images `wanted`, or of all images if it is empty."""
    spec, threads = context.spec, min(cpus(), MAX_SCORE_THREADS)

    def parts(wanted: Collection[bytes]) -> Iterator[Part]:
        return parts_of(txn, spec, wanted, names=head.uses_names)

    def score(part: Part) -> NDArray[Any]:
        digests, matrix, numbers = part
        return packed_scores(b"".join(digests), head.score(matrix, numbers), task.head)

    cache = None
    if task.inboxes and isinstance(head, KernelHead):
        cache = cache_of(txn, spec, head.features, head.projector)
    if cache is None:
        yield from in_threads(score, parts(wanted), threads)
        return
    assert isinstance(head, KernelHead)
    with cache:
        missing = {*wanted}
        yield from known_scores(txn, head, task.head, cache, missing, threads)
        if len(missing) >= MIN_APPENDED:
            yield from new_scores(head, task.head, cache, parts(missing), threads)
        elif missing:
            yield from in_threads(score, parts(missing), threads)


def _sorted(parts: list[NDArray[Any]]) -> NDArray[Any]:
    rows = np.concatenate(parts)
    return rows[np.argsort(rows["digest"])]


def parts_of(
    txn: Txn, spec: Spec, wanted: Collection[bytes], *, names: bool = False
) -> Iterator[Part]:
    """Yield the inputs of a head for the images `wanted`, or for all images if it is empty.

    A part has at most SCORE_BATCH images. `names`: whether the extras contain file names.
    """
    for digests, values in _blocks(txn, spec, wanted):
        matrix = np.frombuffer(values, np.float16).reshape(-1, spec.dim)
        yield Part(digests, matrix, extras(txn, digests, names=names))


def _blocks(txn: Txn, spec: Spec, wanted: Collection[bytes]) -> Iterator[tuple[list[bytes], bytes]]:
    """Yield parts of at most SCORE_BATCH images, each as a pair (digests, head inputs).

    If all or most images are wanted, whole blocks are read: this takes a fifth of the time of
    single rows.
    """
    if wanted and len(wanted) < MIN_DENSE_SHARE * vectors.count(txn, spec.image_embedder):
        rows = head_inputs.get_many(txn, spec, wanted)
        while part := list(islice(rows, SCORE_BATCH)):
            yield [digest for digest, _ in part], b"".join([row for _, row in part])
        return
    blocks = head_inputs.blocks(txn, spec)
    # A second set of a million digests would use 33 MB.
    chosen = wanted if isinstance(wanted, set) else frozenset(wanted)
    while group := list(islice(blocks, SCORE_BATCH // vectors.ROWS_PER_BLOCK)):
        names = b"".join([names for names, _ in group])
        digests = split_digests(names)
        values = b"".join([values for _, values in group])
        if chosen and not chosen.issuperset(digests):
            places = [place for place, digest in enumerate(digests) if digest in chosen]
            digests = [digests[place] for place in places]
            size = len(values) * DIGEST_SIZE // len(names)
            values = np.frombuffer(values, f"V{size}")[places].tobytes()
        if digests:
            yield digests, values
