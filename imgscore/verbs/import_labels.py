"""The verb `import-labels`: label the files in folders that the user has already sorted.

No file is moved or changed.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import msgspec

from imgscore.config import Stars, TasteName
from imgscore.grades import KEEP, OF_STARS, TRASH, LabelName, name_of
from imgscore.messages import MAX_ITEMS, BaseRequest, PathText, PathTexts, Progress, Result
from imgscore.verbs.argument_checks import check_folder
from imgscore.verbs.base import Steps, Waiting, absolute_path, display_path, until_idle
from imgscore.verbs.label import record
from imgscore.verbs.ratings import RatedImage, read_ratings
from imgscore.verbs.score import problem
from imgscore.verbs.tastes import one_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import IndexTicket

PREFETCH = 256
"""The largest number of files that wait for the answer of a worker at the same time."""
BATCH = 64
"""The number of labels that are logged in one commit. Few commits are faster than many."""


class FailedFile(msgspec.Struct):
    """A file that was not labelled, or that cannot be embedded."""

    path: str
    """the path of the file"""
    error: str
    """the problem and a remedy"""
    label: None = None
    """always null"""


class Imported(msgspec.Struct):
    """The last row of the answer. It contains the result of the import."""

    keep: int
    """the number of images that were labelled keep, or got 4 or 5 stars"""
    trash: int
    """the number of images that were labelled trash, or got -1, 1 or 2 stars"""
    failed: int
    """the number of files that failed; each of these files has its own row"""
    taste: str
    """the taste that learns from the labels"""
    error: str | None = None
    """always null"""
    undecided: int = 0
    """the number of images that got 3 stars"""
    unrated: int = 0
    """the number of images in the folders `ratings` that have no rating"""


Response = FailedFile | Imported


class Request(BaseRequest[Response]):
    """`keep`: the folders whose images get the label keep.

    `trash`: the folders whose images get the label trash.

    `stars`: the folders whose images get a rating, by the stars.

    `ratings`: the folders whose images have ratings of other programs: in sidecars, in the images
    or in extended attributes.

    `taste`: the taste that learns from the labels. If there are several tastes, it must be given.
    """

    keep: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=MAX_ITEMS)] = ()
    trash: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=MAX_ITEMS)] = ()
    taste: TasteName | None = None
    stars: dict[Stars, PathTexts] = msgspec.field(default_factory=dict)
    ratings: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=MAX_ITEMS)] = ()


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a FailedFile for each file that failed, and at the end one Imported.

    If the import was interrupted, the client can send the same request again. A file that already
    has an embedding is read again, but not embedded again.
    """
    folders: dict[float, Sequence[str]] = {KEEP: request.keep, TRASH: request.trash}
    for stars, given in request.stars.items():
        grade = OF_STARS[int(stars)]
        folders[grade] = [*folders.get(grade, ()), *given]
    for folder in (*chain.from_iterable(folders.values()), *request.ratings):
        check_folder(engine.ctx.watches, folder, watched=False)
    taste = one_of(engine.ctx.watches, request.taste)
    waiting = deque(chain.from_iterable(_files(given, grade) for grade, given in folders.items()))
    done, failed, unrated = 0, 0, 0
    for rated in read_ratings(engine, [path for path, _ in _files(request.ratings, KEEP)]):
        if not isinstance(rated, RatedImage):
            yield rated
        elif rated.problem:
            failed += 1
            yield Result(FailedFile(display_path(rated.path), rated.problem))
        elif rated.grade is None:
            unrated += 1
        else:
            waiting.append((rated.path, rated.grade))
    total = len(waiting)
    counts: Counter[LabelName] = Counter()
    tickets: deque[tuple[IndexTicket, float]] = deque()
    indexing = Waiting(engine, engine.indexer)
    while waiting or tickets:
        while waiting and len(tickets) < PREFETCH:
            path, grade = waiting.popleft()
            tickets.append((engine.indexer.ask(path, taste), grade))
        ready = [(ticket, grade) for ticket, grade in tickets if ticket.answer is not None]
        if len(ready) < min(BATCH, len(tickets)):
            yield from indexing.step()
            continue
        tickets = deque((ticket, grade) for ticket, grade in tickets if ticket.answer is None)
        record(engine, [*ready], "import")
        for ticket, grade in ready:
            error = problem(ticket)
            counts[name_of(grade)] += error is None
            if error is not None:
                failed += 1
                yield Result(FailedFile(display_path(ticket.path), error))
        done += len(ready)
        yield Progress("importing", done, total)
    engine.trainer.relearn(taste, at_once=True)
    yield from until_idle(engine, "learning")
    yield Result(
        Imported(
            counts["keep"],
            counts["trash"],
            failed,
            taste,
            undecided=counts["undecided"],
            unrated=unrated,
        )
    )


def _files(folders: Iterable[str], grade: float) -> Iterator[tuple[bytes, float]]:
    from imgscore.reconcile.walk import ImageFile, walk

    for folder in folders:
        root = os.path.realpath(absolute_path(folder))
        for entry in walk(root):
            if isinstance(entry, ImageFile):
                yield entry.path, grade
