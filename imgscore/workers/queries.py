"""Queries about a taste, one message type each, and the rows that answer them. Light and pure.

run_queries.py answers them.
"""

from typing import ClassVar, Generic, TypeVar

import msgspec

from imgscore.heads.results import Evaluation, TraitWeight
from imgscore.store.schema import LabelName

Row = TypeVar("Row")


class Evaluated(msgspec.Struct, tag=True, frozen=True):
    """The answer to EvaluateQuery."""

    evaluation: Evaluation


class SuspectLabel(msgspec.Struct, tag=True, frozen=True):
    """A label that others contradict. `twin`: a near-duplicate with the opposite label.

    `score`: from heads that were trained without this image. `evidence`: -ln of the probability
    that these heads give its label.
    """

    digest: bytes
    label: LabelName
    score: float
    evidence: float
    twin: bytes | None


class NextImage(msgspec.Struct, tag=True, frozen=True):
    """An image to label next, with its score."""

    digest: bytes
    score: float


class SimilarImage(msgspec.Struct, frozen=True):
    """A labelled image, with the cosine of its features to those of another, -1 to 1."""

    digest: bytes
    similarity: float


class ScoreExplained(msgspec.Struct, tag=True, frozen=True):
    """A score with its 95 % interval, and its reasons.

    `keeps`, `trashes`: the most similar labelled images, most similar first. `traits`: those that
    change the score most. `kind`: of the head.
    """

    score: float
    low: float
    high: float
    keeps: list[SimilarImage]
    trashes: list[SimilarImage]
    traits: list[TraitWeight]
    kind: str


class HeadImported(msgspec.Struct, tag=True, frozen=True):
    """The version that an imported head got, and its kind."""

    version: str
    kind: str


class ParquetRow(msgspec.Struct, tag=True, frozen=True):
    """A row of a Parquet file. `vector` is None if it is of another embedder."""

    digest: bytes
    vector: bytes | None
    label: LabelName | None


class MissingThumbnail(msgspec.Struct, tag=True, frozen=True):
    """The image `digest`, which lies at `path`, has no thumbnail. It belongs at `file`."""

    path: bytes
    digest: bytes
    file: bytes


class ReportCounts(msgspec.Struct, tag=True, frozen=True):
    """How many items of each kind a report has."""

    images: int
    unscored: int
    suspects: int
    groups: int
    failures: int


class QueryRows(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to a Query."""

    rows: list[
        Evaluated
        | SuspectLabel
        | NextImage
        | ScoreExplained
        | HeadImported
        | ParquetRow
        | MissingThumbnail
        | ReportCounts
    ]
    last: bool


class Query(msgspec.Struct, Generic[Row], tag=True, frozen=True):
    """A query about a taste that needs its vectors. The answer is a list of `Row`."""

    handler: ClassVar[str]
    taste: str


class EvaluateQuery(Query[Evaluated], frozen=True):
    """Measure a recipe on held-out labels. One row."""

    handler: ClassVar[str] = "run_queries:evaluate"
    recipe: str


class SuspectsQuery(Query[SuspectLabel], frozen=True):
    """List at most `count` labels that the other labels contradict, best evidence first."""

    handler: ClassVar[str] = "run_queries:suspects"
    count: int


class NextQuery(Query[NextImage], frozen=True):
    """List at most `count` unlabelled images of the inboxes whose labels would teach most."""

    handler: ClassVar[str] = "run_queries:next_images"
    inboxes: list[bytes]
    count: int


class ExplainQuery(Query[ScoreExplained], frozen=True):
    """Explain the score of an image by at most `count` images of each label. One row."""

    handler: ClassVar[str] = "run_queries:explain"
    digest: bytes
    count: int


class ImportHeadQuery(Query[HeadImported], frozen=True):
    """Check a head that was trained elsewhere and copy it beside our own heads. One row."""

    handler: ClassVar[str] = "run_queries:import_head"
    file: bytes


class ReadParquetQuery(Query[ParquetRow], frozen=True):
    """Read the rows of a Parquet file."""

    handler: ClassVar[str] = "run_queries:read_parquet"
    file: bytes


class ReportQuery(Query[MissingThumbnail | ReportCounts], frozen=True):
    """Write the data of a report into `file`.

    Rows: the thumbnails that the folder `thumbnails` lacks, then one ReportCounts.
    """

    handler: ClassVar[str] = "run_queries:report"
    inboxes: list[bytes]
    folder: bytes | None
    """only images under this folder"""
    suspects: int
    """at most so many"""
    figures: bool
    """whether to measure the learning curve again"""
    file: bytes
    thumbnails: bytes


AnyQuery = (
    EvaluateQuery
    | SuspectsQuery
    | NextQuery
    | ExplainQuery
    | ImportHeadQuery
    | ReadParquetQuery
    | ReportQuery
)
