"""The queries about a taste, and the types of their answers.

Each query has its own message type. This module imports no large libraries and has no side effects.
run_queries.py answers the queries.
"""

from typing import ClassVar, Generic, TypeVar

import msgspec

from imgscore.heads.results import Evaluation, TraitWeight
from imgscore.store.schema import LabelName
from imgscore.watches import Watch

Row = TypeVar("Row")


class DoubtfulLabel(msgspec.Struct, frozen=True):
    """A label that is far from the held-out score of its image."""

    digest: bytes
    label: LabelName
    score: float
    grade: float


class Evaluated(msgspec.Struct, tag=True, frozen=True):
    """The answer to EvaluateQuery: the measured quality of a recipe.

    `doubtful`: the labels that are farthest from the scores, if the query asks for them.
    """

    evaluation: Evaluation
    doubtful: list[DoubtfulLabel] = []


class SuspectLabel(msgspec.Struct, tag=True, frozen=True):
    """A label that is probably wrong, because it does not fit the other labels.

    `twin`: a near-duplicate image with the opposite label; None if there is none. `score`: the
    score of the image from heads that were trained without this image. `evidence`: -ln of the
    probability that these heads assign to the label.
    """

    digest: bytes
    label: LabelName
    score: float
    evidence: float
    twin: bytes | None
    grade: float


class SuspectAnswer(msgspec.Struct, tag=True, frozen=True):
    """A comparison of two images that is probably wrong, because the other answers contradict it.

    `better`, `worse`: the digests of the two images, as the user answered. `evidence`: -ln of the
    probability that heads assign to the answer. They were trained without these images.
    """

    better: bytes
    worse: bytes
    evidence: float


class NextImage(msgspec.Struct, tag=True, frozen=True):
    """An image that the user should label next, with the score of the image."""

    digest: bytes
    score: float


class ProposedPair(msgspec.Struct, tag=True, frozen=True):
    """Images that the user should compare next: two, or four.

    `scores`: the score of each image; None if there is no head. `why`: the reason for the choice.
    """

    digests: list[bytes]
    scores: list[float | None]
    why: str


class SimilarImage(msgspec.Struct, frozen=True):
    """A labelled or compared image, and its similarity to another image.

    `similarity`: the cosine between the features of the two images, from -1 to 1. `grade`: the
    grade of the label, from 0 to 1; None if the image has no label.
    """

    digest: bytes
    similarity: float
    grade: float | None


class ImageFound(msgspec.Struct, tag=True, frozen=True):
    """An image that fits the words of a search.

    `path`: the path of the image. `similarity`: the cosine between the vectors of the words and of
    the image, from -1 to 1. `score`: the score of the image; None if it has no score.
    """

    digest: bytes
    path: bytes
    similarity: float
    score: float | None


class ScoreExplained(msgspec.Struct, tag=True, frozen=True):
    """A score with its 95 % interval, and the reasons for the score.

    `keeps`, `trashes`, `undecided`: the most similar labelled images, most similar first. `traits`:
    the traits that change the score most. `kind`: the kind of the head. `better`, `worse`: the most
    similar images that the user called better or worse than another image.
    """

    score: float
    low: float
    high: float
    keeps: list[SimilarImage]
    trashes: list[SimilarImage]
    traits: list[TraitWeight]
    kind: str
    undecided: list[SimilarImage]
    better: list[SimilarImage]
    worse: list[SimilarImage]


class HeadImported(msgspec.Struct, tag=True, frozen=True):
    """The version and the kind of a head that was just imported."""

    version: str
    kind: str


class ParquetRow(msgspec.Struct, tag=True, frozen=True):
    """A row of a Parquet file.

    `vector` is None if another embedder made the vectors of the file.
    """

    digest: bytes
    vector: bytes | None
    grade: float | None


class MissingThumbnail(msgspec.Struct, tag=True, frozen=True):
    """An image without a thumbnail.

    `path`: the file of the image. `digest`: the digest of the image. `file`: the path to which the
    thumbnail must be written.
    """

    path: bytes
    digest: bytes
    file: bytes


class ReportCounts(msgspec.Struct, tag=True, frozen=True):
    """The counts of a report.

    `unscored`: the number of images without a score. `suspects`: the number of suspect labels.
    `groups`: the number of groups of near-duplicates. `failures`: the number of files that could
    not be embedded.
    """

    images: int
    unscored: int
    suspects: int
    groups: int
    failures: int


class BestImage(msgspec.Struct, tag=True, frozen=True):
    """An image for a folder of links, as links/choice.py chooses it.

    `score`, `grade`: None if the image has no score or no label.
    """

    digest: bytes
    path: bytes
    score: float | None
    grade: float | None


class CheckedRecords(msgspec.Struct, tag=True, frozen=True):
    """The result of one check of the store. The fields are those of `store.checks.Finding`."""

    what: str
    entries: int
    problems: list[str]


class QueryRows(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to a Query. `last`: whether this part is the last one."""

    rows: list[
        Evaluated
        | SuspectLabel
        | SuspectAnswer
        | NextImage
        | ProposedPair
        | ImageFound
        | ScoreExplained
        | HeadImported
        | ParquetRow
        | MissingThumbnail
        | ReportCounts
        | BestImage
        | CheckedRecords
    ]
    last: bool


class Query(msgspec.Struct, Generic[Row], tag=True, frozen=True):
    """The base class of the queries about a taste.

    A worker answers these queries, because the answers need vectors. An answer consists of values
    of the type `Row`.
    """

    handler: ClassVar[str]
    seconds: ClassVar[int] = 3600
    """the time limit of the query, in seconds; see messages.py"""
    taste: str


class EvaluateQuery(Query[Evaluated], frozen=True):
    """The query that measures a recipe on held-out labels. The answer is one Evaluated.

    `doubtful`: whether the answer lists the doubtful labels.
    """

    handler: ClassVar[str] = "run_queries:evaluate"
    seconds: ClassVar[int] = 24 * 3600
    recipe: str
    doubtful: bool = False


class SuspectsQuery(Query[SuspectLabel | SuspectAnswer], frozen=True):
    """The query for labels and comparisons that are probably wrong: the other answers differ.

    The answer has at most `count` rows: labels, and then comparisons. The strongest evidence is
    first. The file of each image exists.
    `inboxes`: the inboxes of the taste.
    """

    handler: ClassVar[str] = "run_queries:suspects"
    inboxes: list[bytes]
    count: int


class NextQuery(Query[NextImage], frozen=True):
    """The query for the unlabelled images that the user should label next.

    The answer has at most `count` images, and all of them are in `inboxes`. The labels of these
    images would improve the head most.
    """

    handler: ClassVar[str] = "run_queries:next_images"
    inboxes: list[bytes]
    count: int


class PairsQuery(Query[ProposedPair], frozen=True):
    """The query for the images that the user should compare next.

    The answer has at most `count` proposals of `size` images. All images are in `inboxes`.
    `folder`: the folder to which the choice is limited. None means all watched folders. `exclude`:
    pairs that are not proposed, beside the pairs that have an answer.
    """

    handler: ClassVar[str] = "choose_pairs:choose_pairs"
    inboxes: list[bytes]
    folder: bytes | None
    count: int
    size: int
    exclude: list[tuple[bytes, bytes]]


class SearchQuery(Query[ImageFound], frozen=True):
    """The query for the images that fit a text best. The answer has at most `count` images.

    `folder`: the folder to which the search is limited. None means all watched folders.
    `taste_weight`: the weight of the score, from 0 (only the text counts) to 1. `tastes`: the taste
    of each inbox, which scores its images. Images elsewhere are scored by the taste of the query.
    """

    handler: ClassVar[str] = "search:search"
    text: str
    count: int
    folder: bytes | None
    taste_weight: float
    tastes: dict[bytes, str] = {}


class ExplainQuery(Query[ScoreExplained], frozen=True):
    """The query that explains the score of an image. The answer is one ScoreExplained.

    `count`: the largest number of similar images per label, and also the largest number of traits.
    """

    handler: ClassVar[str] = "run_queries:explain"
    digest: bytes
    count: int


class ImportHeadQuery(Query[HeadImported], frozen=True):
    """The query that checks the head in `file` and copies it into the folder of the heads.

    The head was not trained on this store. The answer is one HeadImported.
    """

    handler: ClassVar[str] = "run_queries:import_head"
    seconds: ClassVar[int] = 300
    file: bytes


class ReadParquetQuery(Query[ParquetRow], frozen=True):
    """The query that reads the rows of a Parquet file.

    The answer is one ParquetRow for each row of the file.
    """

    handler: ClassVar[str] = "run_queries:read_parquet"
    file: bytes


class ReportQuery(Query[MissingThumbnail | ReportCounts], frozen=True):
    """The query that writes the data of a report into `file`.

    The answer is one MissingThumbnail for each thumbnail that the folder `thumbnails` lacks, and
    then one ReportCounts.
    """

    handler: ClassVar[str] = "run_queries:report"
    inboxes: list[bytes]
    folder: bytes | None
    """the folder to which the report is limited; None means all folders"""
    suspects: int
    """the largest number of suspect labels in the report"""
    figures: bool
    """whether to measure the learning curve"""
    file: bytes
    thumbnails: bytes | None
    """the folder of the thumbnails; None means that no MissingThumbnail is wanted"""
    groups: bool = True
    """whether to list the groups; false only counts them"""


class BestQuery(Query[BestImage], frozen=True):
    """The query for the best images of a taste, best image first. See links/choice.py.

    `watches`: the watches of the taste. `top`: the largest number of images. `per_group`: the
    largest number of images of one group; 0 means all. `min_score`: the smallest grade or score.
    """

    handler: ClassVar[str] = "links:best_images"
    watches: list[Watch]
    top: int
    per_group: int
    min_score: float


class CheckStoreQuery(Query[CheckedRecords], frozen=True):
    """The query that checks the store. A damaged page can crash the worker, not the daemon.

    The answer is one CheckedRecords for each check.
    """

    handler: ClassVar[str] = "check_store:check_store"


AnyQuery = (
    EvaluateQuery
    | SuspectsQuery
    | NextQuery
    | PairsQuery
    | SearchQuery
    | ExplainQuery
    | ImportHeadQuery
    | ReadParquetQuery
    | ReportQuery
    | BestQuery
    | CheckStoreQuery
)
