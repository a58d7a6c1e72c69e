"""Questions about a taste that need its vectors or heavy parts: evaluate, suspects, next, explain,
and reading a table.

Images are named by their digests, in hexadecimal; the verbs know where they lie.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgscore import parquet
from imgscore.errors import ImgscoreError, StoreError, UsageError
from imgscore.heads import files
from imgscore.heads.evaluate import evaluate
from imgscore.heads.explain import Witness, explain
from imgscore.heads.extras import NAMES as TRAIT_NAMES
from imgscore.heads.library import fit_features
from imgscore.heads.next_labels import next_labels
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.suspects import suspects
from imgscore.paths import head_file
from imgscore.store import head_inputs, heads, labels, sightings
from imgscore.workers.messages import Query, QueryRows
from imgscore.workers.training import examples_of, extras

if TYPE_CHECKING:
    from imgscore.heads.base import Head
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context

Row = dict[str, Any]
CURVE_SECONDS = 30.0
"""Time for a learning curve: 18 of CPU with 300 labels in a library of 7,500."""
# Unlabelled images among which the next ones to label are sought: 5,000 of 5 kB are 25 MB.
MAX_CANDIDATES = 5000


def run_query(context: Context, task: Query) -> Iterator[QueryRows]:
    """Answer a question, in parts. Raises ImgscoreError where there is nothing to go by."""
    if task.question == "read table":
        path, model = Path(os.fsdecode(task.arguments["file"])), context.spec
        for rows in parquet.read(path, embedder=model.images, dim=model.images_dim):
            yield QueryRows(rows, last=False)
        yield QueryRows([], last=True)
        return
    if task.question == "report":
        from imgscore.report.gather import report

        yield from report(context, task)
        return
    questions: dict[str, Callable[[Context, Txn, Query], list[Row]]] = {
        "evaluate": _evaluate,
        "suspects": _suspects,
        "next": _next,
        "explain": _explain,
        "import head": _import_head,
    }
    with context.store.read() as txn:
        rows = questions[task.question](context, txn, task)
    yield QueryRows(rows, last=True)


def _evaluate(context: Context, txn: Txn, task: Query) -> list[Row]:
    examples = examples_of(context, txn, task.taste).examples
    found = evaluate(examples, kind=task.arguments["recipe"], enough=after(CURVE_SECONDS))
    return [msgspec.to_builtins(found)]


def after(seconds: float) -> Callable[[], bool]:
    """Whether so long has passed from now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _suspects(context: Context, txn: Txn, task: Query) -> list[Row]:
    labelled = examples_of(context, txn, task.taste)
    fitted = recipe(AUTO).fit(labelled.examples)
    return [
        {
            "sha256": labelled.digests[one.row].hex(),
            "label": labelled.labels[one.row].label,
            "score": one.score,
            "evidence": one.evidence,
            "twin": labelled.digests[one.twin].hex() if one.twin >= 0 else None,
        }
        for one in suspects(labelled.examples, fitted, task.arguments["count"])
    ]


def _next(context: Context, txn: Txn, task: Query) -> list[Row]:
    model = context.spec
    labelled = examples_of(context, txn, task.taste)
    head = _head(context, txn, task.taste)
    known = {digest for digest, _ in labels.iter_all(txn, task.taste)}
    inboxes = set(task.arguments["inboxes"])
    digests = {
        one.digest
        for one in sightings.iter_all(txn)
        if one.role == "inbox" and one.inbox in inboxes and one.digest not in known
    }
    there = sorted(head_inputs.several(txn, model, digests))
    there = there[:: -(-len(there) // MAX_CANDIDATES) or 1]
    if not there:
        return []
    matrix = np.stack([np.frombuffer(vector, np.float16) for _, vector in there])
    more = extras(txn, [digest for digest, _ in there])
    examples = labelled.examples
    features = fit_features(examples.background, model.sections, examples.background_extras)
    chosen = next_labels(head, features, examples, matrix, task.arguments["count"], more)
    scores = head.score(matrix[chosen], more[chosen]).score
    return [
        {"sha256": there[row][0].hex(), "score": float(score)}
        for row, score in zip(chosen, scores, strict=True)
    ]


def _explain(context: Context, txn: Txn, task: Query) -> list[Row]:
    model = context.spec
    labelled = examples_of(context, txn, task.taste)
    digest = bytes.fromhex(task.arguments["sha256"])
    vector = head_inputs.get(txn, model, digest)
    if vector is None:
        raise ImgscoreError("the image has no embedding", "see: imgscore status")
    embedding: NDArray[np.float16] = np.frombuffer(vector, np.float16)
    examples = labelled.examples
    features = fit_features(examples.background, examples.sections, examples.background_extras)
    found = explain(
        _head(context, txn, task.taste),
        features,
        examples,
        embedding,
        extras=extras(txn, [digest])[0],
        names=TRAIT_NAMES,
        most=task.arguments["count"],
    )

    def shown(witnesses: list[Witness]) -> list[Row]:
        return [
            {"sha256": labelled.digests[one.row].hex(), "similarity": one.similarity}
            for one in witnesses
        ]

    return [
        {
            "score": found.score,
            "low": found.low,
            "high": found.high,
            "keeps": shown(found.keeps),
            "trashes": shown(found.trashes),
            "traits_that_matter": msgspec.to_builtins(found.traits),
            "kind": found.kind,
        }
    ]


def _import_head(context: Context, txn: Txn, task: Query) -> list[Row]:
    """Check a head that was trained elsewhere, and lay it beside ours."""
    path, model = Path(os.fsdecode(task.arguments["file"])), context.spec
    if path.suffix in (".pt", ".pth"):
        from imgscore.heads.mlp import read_checkpoint

        head: Head = read_checkpoint(path, model.id, model.dim)
    else:
        try:
            head = files.load(path, embedder=model.id, dimensions=model.dim)
        except StoreError as error:  # it is no head of the store's own
            raise UsageError(error.message, "give the file of a head of imgscore's") from None
    version = str(len(heads.of_taste(txn, task.taste)) + 1)
    files.save(head, head_file(context.heads_folder, task.taste, version))
    return [{"version": version, "kind": head.kind}]


def _head(context: Context, txn: Txn, taste: str) -> Head:
    record = heads.current(txn, taste)
    if record is None or record.embedder != context.spec.id:
        raise ImgscoreError(f"taste {taste!r} has no head yet", "train one with: imgscore train")
    path = head_file(context.heads_folder, taste, record.version)
    return files.load(path, embedder=context.spec.id)
