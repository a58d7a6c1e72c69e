"""Answer queries about a taste. There is one function for each query type of queries.py.

In most queries and answers, an image is named by its digest. The verb that sends a query replaces
digests by paths.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgscore import parquet
from imgscore.errors import ImgscoreError, StoreError, UsageError
from imgscore.heads import evaluate as evaluation
from imgscore.heads import explain as explanation
from imgscore.heads import files
from imgscore.heads import suspects as suspicion
from imgscore.heads.checks import checked
from imgscore.heads.extras import NAMES as TRAIT_NAMES
from imgscore.heads.next_labels import next_labels
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.suspect_comparisons import suspect_comparisons
from imgscore.paths import head_file
from imgscore.report import gather
from imgscore.report.data import NO_SCORE
from imgscore.store import head_inputs, heads, labels, sightings, vectors
from imgscore.store.examples import examples_of, extras
from imgscore.store.image_paths import present_path
from imgscore.workers.queries import (
    DoubtfulLabel,
    Evaluated,
    HeadImported,
    MissingThumbnail,
    NextImage,
    ParquetRow,
    QueryRows,
    ReportCounts,
    ScoreExplained,
    SimilarImage,
    SuspectAnswer,
    SuspectLabel,
)

if TYPE_CHECKING:
    from imgscore.heads.base import Head
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.queries import (
        EvaluateQuery,
        ExplainQuery,
        ImportHeadQuery,
        NextQuery,
        ReadParquetQuery,
        ReportQuery,
        SuspectsQuery,
    )

CURVE_SECONDS = 30.0
"""The number of seconds after which the measurement of a learning curve is ended early. With 300
labels in a library of 7,500 images, a learning curve uses 18 s of CPU time."""
MAX_CANDIDATES = 5000
"""The largest number of unlabelled images from which `next_images` chooses. Each image uses 5 kB,
so all of them use at most 25 MB."""
THUMBNAIL_BATCH = 1000
"""The largest number of missing thumbnails in one message. A message with 1000 thumbnails has about
300 kB. The daemon never needs memory for all missing thumbnails at once."""


def evaluate(context: Context, query: EvaluateQuery) -> QueryRows:
    """Measure the quality of a recipe on held-out labels.

    Raises UsageError if there are too few labels.
    """
    with context.store.read() as txn:
        labelled = examples_of(txn, context.spec, query.taste, cache=context.library_cache)
    fitted = recipe(query.recipe, context.device).fit(
        labelled.examples, on_progress=context.on_progress
    )
    measured = evaluation.evaluate(
        labelled.examples,
        kind=query.recipe,
        fitted=fitted,
        stop=after(CURVE_SECONDS),
        device=context.device,
    )
    score = fitted.held_out.score
    rows = (
        evaluation.doubtful(score, labelled.examples.grades)
        if query.doubtful and labelled.examples.is_calibrated
        else ()
    )
    doubtful = [
        DoubtfulLabel(
            labelled.digests[row],
            labelled.labels[row].label,
            float(score[row]),
            float(labelled.examples.grades[row]),
        )
        for row in rows
    ]
    return QueryRows([Evaluated(measured, doubtful)], last=True)


def after(seconds: float) -> Callable[[], bool]:
    """Return a function that returns whether `seconds` have passed since the call of `after`."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def suspects(context: Context, query: SuspectsQuery) -> QueryRows:
    """List the labels and comparisons that are probably wrong.

    At least half of the rows are labels, if there are so many. Raises UsageError if there are too
    few labels and comparisons.
    """
    with context.store.read() as txn:
        taught = examples_of(txn, context.spec, query.taste, cache=context.library_cache)
    fitted = recipe(AUTO).fit(taught.examples)
    digests, comparisons = taught.all_digests, taught.examples.comparisons
    found: list[SuspectLabel] = []
    answers: list[SuspectAnswer] = []
    with context.store.read() as txn:

        def is_present(*images: bytes) -> bool:
            return all(
                present_path(txn, query.taste, query.inboxes, image) is not None for image in images
            )

        for answer in suspect_comparisons(taught.examples, fitted):
            better, worse = (digests[row] for row in comparisons[answer.row, :2])
            if len(answers) < query.count and is_present(better, worse):
                answers.append(SuspectAnswer(better, worse, answer.evidence))
        limit = query.count - min(len(answers), query.count // 2)
        for suspect in suspicion.suspects(taught.examples, fitted):
            if len(found) == limit:
                break
            if not is_present(digests[suspect.row]):
                continue
            found.append(
                SuspectLabel(
                    digest=digests[suspect.row],
                    label=taught.labels[suspect.row].label,
                    score=suspect.score,
                    evidence=suspect.evidence,
                    twin=digests[suspect.twin] if suspect.twin >= 0 else None,
                    grade=taught.labels[suspect.row].grade,
                )
            )
    return QueryRows([*found, *answers[: query.count - len(found)]], last=True)


def next_images(context: Context, query: NextQuery) -> QueryRows:
    """Choose the images to label next. Raises ImgscoreError if the taste has no head."""
    spec = context.spec
    with context.store.read() as txn:
        labelled = examples_of(txn, spec, query.taste, cache=context.library_cache)
        head = _load_head(context, txn, query.taste)
        digests, matrix = _candidates(context, txn, query)
        if not digests:
            return QueryRows([], last=True)
        numbers = extras(txn, digests, names=spec.measures_names or head.uses_names)
    examples = labelled.examples
    chosen = next_labels(head, labelled.features, examples, matrix, query.count, numbers)
    scores = checked(head.score(matrix[chosen], numbers[chosen]), "in use").score
    rows = [
        NextImage(digests[row], float(score)) for row, score in zip(chosen, scores, strict=True)
    ]
    return QueryRows([*rows], last=True)


def _candidates(
    context: Context, txn: Txn, query: NextQuery
) -> tuple[list[bytes], NDArray[np.float16]]:
    """Return at most MAX_CANDIDATES unlabelled images of `query.inboxes`.

    If there are more unlabelled images, they are sorted by digest, and every k-th image is chosen.
    Returns the digests of the chosen images, and their input vectors for a head as float16 [n,
    dim].
    """
    labelled = {digest for digest, _ in labels.iter_all(txn, query.taste)}
    has_vector = vectors.is_embedded(txn, context.spec.image_embedder)
    unlabelled = set(sightings.digests(txn, query.inboxes)) - labelled
    digests = sorted(filter(has_vector, unlabelled))
    # Read only the vectors of the chosen images: those of all images may need more than the memory.
    step = -(-len(digests) // MAX_CANDIDATES) or 1
    rows = sorted(head_inputs.get_many(txn, context.spec, digests[::step]))
    values = b"".join(vector for _, vector in rows)
    matrix = np.frombuffer(values, np.float16).reshape(-1, context.spec.dim)
    return [digest for digest, _ in rows], matrix


def explain(context: Context, query: ExplainQuery) -> QueryRows:
    """Explain the score of the image `query.digest`.

    Raises ImgscoreError if the image has no embedding.
    """
    with context.store.read() as txn:
        labelled = examples_of(
            txn, context.spec, query.taste, check=False, cache=context.library_cache
        )
        if not len(labelled.examples):
            labelled.examples.check()
        vector = head_inputs.get(txn, context.spec, query.digest)
        if vector is None:
            raise ImgscoreError("the image has no embedding", "see: imgscore status")
        head = _load_head(context, txn, query.taste)
        names = context.spec.measures_names or head.uses_names
        numbers = extras(txn, [query.digest], names=names)[0]
    embedding: NDArray[np.float16] = np.frombuffer(vector, np.float16)
    examples = labelled.examples
    explained = explanation.explain(
        head,
        labelled.features,
        examples,
        embedding,
        extras=numbers,
        names=TRAIT_NAMES,
        limit=query.count,
    )

    digests = labelled.all_digests

    def similar(witnesses: list[explanation.SimilarExample]) -> list[SimilarImage]:
        return [
            SimilarImage(
                digests[witness.row],
                witness.similarity,
                float(examples.grades[witness.row]) if witness.row < len(examples) else None,
            )
            for witness in witnesses
        ]

    row = ScoreExplained(
        score=explained.score,
        low=explained.low,
        high=explained.high,
        keeps=similar(explained.keeps),
        trashes=similar(explained.trashes),
        traits=explained.traits,
        kind=explained.kind,
        undecided=similar(explained.undecided),
        better=similar(explained.better),
        worse=similar(explained.worse),
    )
    return QueryRows([row], last=True)


def import_head(context: Context, query: ImportHeadQuery) -> QueryRows:
    """Copy a head that was trained elsewhere into the folder of the heads.

    Raises UsageError if the file does not contain a valid head.
    """
    path, spec = Path(os.fsdecode(query.file)), context.spec
    if path.suffix in (".pt", ".pth"):
        from imgscore.heads.mlp import read_checkpoint

        head: Head = read_checkpoint(path, spec.id, spec.dim)
    else:
        try:
            head = files.load(path, embedder=spec.id, dimensions=spec.dim)
        # The remedy in a StoreError is only correct for a head that imgscore trained itself. Raise
        # an error with another remedy.
        except StoreError as error:
            raise UsageError(error.message, "give a head file that imgscore wrote") from None
    with context.store.read() as txn:
        version = str(len(heads.of_taste(txn, query.taste)) + 1)
    files.save(head, head_file(context.heads_folder, query.taste, version))
    return QueryRows([HeadImported(version, head.kind)], last=True)


def read_parquet(context: Context, query: ReadParquetQuery) -> Iterator[QueryRows]:
    """Read a Parquet file, and yield its rows in parts.

    Raises UsageError if the file is not valid.
    """
    path, spec = Path(os.fsdecode(query.file)), context.spec
    for part in parquet.read(path, embedder=spec.image_embedder, dim=spec.image_dim):
        yield QueryRows([ParquetRow(*row) for row in part], last=False)
    yield QueryRows([], last=True)


def report(context: Context, query: ReportQuery) -> Iterator[QueryRows]:
    """Write the data of a report. Yield, in several parts, the images that have no thumbnail.

    The last part contains the ReportCounts. Raises ImgscoreError if the file cannot be written.
    """
    with context.store.read() as txn:
        gatherer = gather.Gatherer(txn, context.spec, query.taste, set(query.inboxes), query.folder)
        data = gatherer.gather(
            gather.read_previous(query.file),
            max_suspects=query.suspects,
            figures=query.figures,
            with_groups=query.groups,
            stop=after(CURVE_SECONDS),
        )
        found = gatherer.missing_thumbnails(query.thumbnails) if query.thumbnails else []
        missing = [MissingThumbnail(*row) for row in found]
    gather.write(data, query.file)
    for start in range(0, len(missing), THUMBNAIL_BATCH):
        yield QueryRows([*missing[start : start + THUMBNAIL_BATCH]], last=False)
    counts = ReportCounts(
        images=len(data.images),
        unscored=data.images.scores.count(NO_SCORE),
        suspects=len(data.suspects),
        groups=data.group_count,
        failures=len(data.failures),
    )
    yield QueryRows([counts], last=True)


def _load_head(context: Context, txn: Txn, taste: str) -> Head:
    record = heads.current(txn, taste)
    if record is None or record.embedder != context.spec.id:
        raise ImgscoreError(f"taste {taste!r} has no head yet", "train a head: imgscore train")
    path = head_file(context.heads_folder, taste, record.version)
    return files.load(path, embedder=context.spec.id)
