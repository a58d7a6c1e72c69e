"""The command `score`: print the scores of files."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import typer

from imgscore.cli import terminal_images
from imgscore.cli.app import (
    Files,
    FileTaste,
    Json,
    Recursive,
    Section,
    Thumbnails,
    app,
    prints,
    texts_of,
)
from imgscore.cli.formatting import named
from imgscore.cli.taste_names import marked
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.messages import MAX_ROWS, Message, Result
from imgscore.verbs.score import Request, Response


class Sort(StrEnum):
    """The orders in which scored files can be listed."""

    BEST = "best"
    WORST = "worst"
    NAME = "name"


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def score(
    files: Files,
    recursive: Recursive = False,
    sort: Annotated[
        Sort | None,
        typer.Option(help="List the best or the worst files first, or sort by name."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "-n", "--count", min=1, max=MAX_ROWS, help="List at most N files that have a score."
        ),
    ] = None,
    taste: FileTaste = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """Print the score of each file.

    The score is the probability, from 0 to 1, that you keep the file. The files may be anywhere,
    also outside the watched folders. If you give a folder, its images are scored. Files without a
    score are listed last. To find the worst images of a folder:

    imgscore score DIR --recursive --sort worst -n 10
    """
    terminal_images.run(
        Request(texts_of(files), taste, recursive),
        marked(lambda row: named(row, _score_text(row)), taste),
        _images,
        as_json=as_json,
        wanted=thumbnails,
        arrange=lambda messages: _arranged(messages, sort, count),
    )


def _score_text(row: Response) -> str:
    return f"no head yet ({row.missing})" if row.score is None else f"{row.score:.3f}"


def _arranged(
    messages: Iterable[Message[Response]], sort: Sort | None, count: int | None
) -> Iterator[Message[Response]]:
    """Yield the messages with their rows sorted, and with at most `count` rows that have a score.

    Without `sort` and `count`, each row is yielded as soon as it arrives. Rows without a score are
    never left out, so that no error is hidden.
    """
    scored: list[Result[Response]] = []
    failed: list[Result[Response]] = []
    for message in messages:
        if isinstance(message, Result) and (sort or count):
            (failed if message.row.score is None else scored).append(message)
        else:
            yield message
    if sort is Sort.NAME:
        scored.sort(key=lambda result: result.row.path)
    elif sort is not None:
        sign = -1 if sort is Sort.BEST else 1
        scored.sort(key=lambda result: (sign * (result.row.score or 0), result.row.path))
    yield from scored[:count]
    yield from failed


def _images(row: Response) -> list[list[ImageRef]]:
    return [images_of((row.path, row.sha256))] if row.error is None else []
