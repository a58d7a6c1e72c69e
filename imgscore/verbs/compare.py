"""The verb `compare`: propose images to compare side by side, and record the answers.

The answers teach the taste which of two images is better. No file is moved.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from imgscore.config import TasteName
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import (
    MAX_PATH,
    PATH_PATTERN,
    BaseRequest,
    Message,
    Number,
    PathText,
    Result,
)
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, absolute_path, in_turn
from imgscore.verbs.queries import answer, inboxes_of, paths_of
from imgscore.verbs.score import digest_of, index_for_one_taste, problem
from imgscore.verbs.tastes import each, one_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.comparisons import ComparisonEvent
    from imgscore.store.transaction import Txn

MAX_ANSWERS = 1000
"""The largest number of answers, or of excluded pairs, in one request. The page sends fewer than
100."""
_ANSWER_COUNT = msgspec.Meta(max_length=MAX_ANSWERS)
MAX_PAIRS = 10_000
"""The largest number of proposals in one answer. Nobody answers more of them in one day."""

ImageText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PATH, pattern=PATH_PATTERN)]
"""An image of a request: the absolute path of its file, or its sha256."""
AnswerName = Literal["first", "second", "same", "skip", "clear"]
SWAPPED: dict[str, str] = {"first": "second", "second": "first"}
"""The answers that change if the two images of a pair are swapped."""


class PairAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """An answer about two images: which one is better.

    `clear` withdraws the answer of the pair.
    """

    first: ImageText
    second: ImageText
    answer: AnswerName


class ProposedImage(msgspec.Struct):
    """An image of a proposal."""

    path: str | None
    """the path of the image; null if the path is not known"""
    sha256: str
    """the digest of the image"""
    score: float | None
    """the score of the image; null if there is no head"""


class Proposal(msgspec.Struct):
    """Images to compare."""

    images: list[ProposedImage]
    """the images: two, or four if the request asks for four"""
    why: str
    """the reason why the answer would teach the taste much"""
    taste: str
    """the taste that learns from the answer"""
    error: str | None = None
    """always null"""


class Answered(msgspec.Struct):
    """A pair, and the answer that it has after the command."""

    first: str | None
    """the path of the first image; null if the path is not known"""
    first_sha256: str | None
    """the digest of the first image; null if the file cannot be read"""
    second: str | None
    """the path of the second image; null if the path is not known"""
    second_sha256: str | None
    """the digest of the second image; null if the file cannot be read"""
    answer: str | None
    """`first` or `second` for the better image, `same`, or `skip`; null if the pair has no
    answer"""
    number: int | None
    """the number of the answer in the log; null if nothing was logged"""
    answers: int
    """the number of pairs of the taste that have an answer; skipped pairs do not count"""
    taste: str
    """the taste that learns from the answer"""
    error: str | None
    """the reason why nothing was recorded, and a remedy; null if there is no error"""


Response = Proposal | Answered


class Request(BaseRequest[Response]):
    """With `answers` or `undo`, the request records answers. Otherwise it asks for proposals.

    `folder`: propose only images in this folder or below it. `count`: the largest number of
    proposals. `size`: the number of images of a proposal. `exclude`: pairs of sha256 that must not
    be proposed, for example because the user sees them now. `undo`: the numbers of the answers to
    undo; an answer is not undone if the pair has a later answer.
    """

    folder: PathText | None = None
    taste: TasteName | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAIRS)] = 10
    size: Literal[2, 4] = 2
    exclude: Annotated[list[tuple[ImageText, ImageText]], _ANSWER_COUNT] = msgspec.field(
        default_factory=list
    )
    answers: Annotated[list[PairAnswer], _ANSWER_COUNT] = msgspec.field(default_factory=list)
    undo: Annotated[list[Number], _ANSWER_COUNT] = msgspec.field(default_factory=list)


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield the proposals, or one Answered for each answer of the request."""
    if request.answers and request.undo:
        raise UsageError(
            "compare: give the argument answers or the argument undo, not both",
            "see: imgscore compare -h",
        )
    if request.answers:
        yield from _record(engine, request.answers, request.taste)
    elif request.undo:
        for number, event in undo_answers(engine, request.undo):
            yield Result(_answered(engine, event, number))
    else:
        folder, taste = folder_of(request.folder), request.taste
        if folder is not None and (place := engine.ctx.watches.locate(folder)) is not None:
            taste = taste or place.watch.taste
        yield from each(engine, taste, lambda name: _propose(engine, name, folder, request))


def _propose(engine: Engine, taste: str, folder: bytes | None, request: Request) -> Steps[Response]:
    from imgscore.workers.queries import PairsQuery

    query = PairsQuery(
        taste,
        inboxes=inboxes_of(engine, taste),
        folder=folder,
        count=request.count,
        size=request.size,
        exclude=[(_digest(first), _digest(second)) for first, second in request.exclude],
    )
    found = yield from answer(engine, query)
    paths = paths_of(engine, taste, {digest for row in found for digest in row.digests})
    for row in found:
        images = [
            ProposedImage(paths[digest], digest.hex(), score)
            for digest, score in zip(row.digests, row.scores, strict=True)
        ]
        yield Result(Proposal(images, row.why, taste))


class _Image(NamedTuple):
    """An image that a request names. `error`: the reason why it cannot be compared, or None."""

    digest: bytes
    taste: str
    error: str | None = None


def _record(engine: Engine, answers: Sequence[PairAnswer], taste: str | None) -> Steps[Response]:
    """Log the answers in one commit, and yield an Answered for each of them.

    Nothing is logged for a pair that already has the answer, or that has a file with an error.
    """
    from imgscore.store import comparisons
    from imgscore.store.comparisons import ComparisonEvent

    images = yield from _images(engine, answers, taste)
    now_ns = time.time_ns()
    events: list[ComparisonEvent] = []
    errors: list[str | None] = []
    for pair in answers:
        first, second = images[pair.first], images[pair.second]
        error = first.error or second.error
        if error is None and first.taste != second.taste:
            error = (
                f"the images have the tastes {first.taste!r} and {second.taste!r}: "
                "choose one with --taste"
            )
        errors.append(error)
        events.append(
            ComparisonEvent(now_ns, first.taste, first.digest, second.digest, pair.answer, "cli")
        )

    def append(txn: Txn) -> list[int | None]:
        return [
            comparisons.append(txn, event) if error is None and _is_new(txn, event) else None
            for event, error in zip(events, errors, strict=True)
        ]

    numbers = engine.ctx.store.commit(append)
    _learn(engine, (e for e, number in zip(events, numbers, strict=True) if number is not None))
    for pair, event, number, error in zip(answers, events, numbers, errors, strict=True):
        row = _answered(engine, event, number, error)
        for name in ("first", "second"):
            if (text := getattr(pair, name)).startswith("/"):
                setattr(row, name, text)
        yield Result(row)


def _images(
    engine: Engine, answers: Sequence[PairAnswer], taste: str | None
) -> Generator[Message[Any] | None, None, dict[str, _Image]]:
    """Return the images of the pairs. Files are read and embedded, as by `imgscore score`."""
    texts = dict.fromkeys(text for pair in answers for text in (pair.first, pair.second))
    images = {
        text: _Image(_digest(text), one_of(engine.ctx.watches, taste))
        for text in texts
        if not text.startswith("/")
    }
    files = [text for text in texts if text.startswith("/")]
    tickets = in_turn(index_for_one_taste(engine, map(absolute_path, files), taste))
    names, waiting = iter(files), Waiting(engine, engine.indexer)
    for ticket in tickets:
        if ticket is None:
            yield from waiting.step()
            continue
        name, reason = next(names), problem(ticket)
        error = None if reason is None else f"{name}: {reason}"
        images[name] = _Image(digest_of(ticket) or b"", ticket.taste, error)
    return images


def _digest(text: str) -> bytes:
    """Convert a sha256 of a request to bytes. Raises UsageError if `text` is not a sha256."""
    from imgscore.store.schema import DIGEST_SIZE

    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_SIZE:
        raise UsageError(
            f"compare: {text!r} is neither an absolute path nor a sha256",
            "see: imgscore compare -h",
        )
    return digest


def _is_new(txn: Txn, event: ComparisonEvent) -> bool:
    """Return whether the pair of an event has another answer than the event gives."""
    from imgscore.store import comparisons

    current = comparisons.current(txn, event.taste, event.first, event.second)
    if current is None:
        return event.answer != "clear"
    if current.first == event.first:
        return current.answer != event.answer
    return current.answer != SWAPPED.get(event.answer, event.answer)


def undo_answers(engine: Engine, numbers: Sequence[int]) -> list[tuple[int, ComparisonEvent]]:
    """Undo the answers with these numbers in one commit, and return the new (number, event) pairs.

    Raises ImgscoreError if one of them was undone before, or if its pair has a later answer.
    """
    from imgscore.store import comparison_undo, comparisons

    wanted = list(dict.fromkeys(numbers))
    with engine.ctx.store.read() as txn:
        found = comparison_undo.withdrawals(txn, set(wanted), time.time_ns())
    if len(found) < len(wanted):
        raise ImgscoreError(
            "the answer was undone before, or its pair has a later answer",
            "see: imgscore history",
        )
    events = [found[number] for number in wanted]
    logged = engine.ctx.store.commit(
        lambda txn: [comparisons.append(txn, event) for event in events]
    )
    _learn(engine, events)
    return list(zip(logged, events, strict=True))


def _learn(engine: Engine, events: Iterable[ComparisonEvent]) -> None:
    """Schedule a training of each taste that can learn from the events."""
    for taste in sorted({event.taste for event in events if event.answer != "skip"}):
        engine.trainer.relearn(taste)


def _answered(
    engine: Engine, event: ComparisonEvent, number: int | None, error: str | None = None
) -> Answered:
    from imgscore.store import comparisons

    paths = paths_of(engine, event.taste, filter(None, (event.first, event.second)))
    with engine.ctx.store.read() as txn:
        answers = comparisons.count(txn, event.taste)
    return Answered(
        first=paths.get(event.first),
        first_sha256=event.first.hex() or None,
        second=paths.get(event.second),
        second_sha256=event.second.hex() or None,
        answer=None if event.answer == "clear" or error is not None else event.answer,
        number=number,
        answers=answers,
        taste=event.taste,
        error=error,
    )
