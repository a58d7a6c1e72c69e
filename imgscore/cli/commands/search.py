"""The command `search`: find images by words."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from imgscore import dispatch
from imgscore.cli import completions, link_folder, terminal_images, watched_links
from imgscore.cli.app import (
    FileTaste,
    Json,
    Section,
    Thumbnails,
    app,
    optional_text_of,
    prints,
)
from imgscore.cli.output import gathered, print_note
from imgscore.cli.path_text import short
from imgscore.cli.taste_names import marked
from imgscore.cli.terminal_images import images_of
from imgscore.errors import UsageError
from imgscore.links.folder import Image, Options
from imgscore.messages import Message, Result
from imgscore.verbs.search import MAX_COUNT, Request, Response


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def search(
    words: Annotated[
        list[str], typer.Argument(help='What the images show, such as "red car at night".')
    ],
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=MAX_COUNT, help="List at most N images.")
    ] = 20,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help="Search only in this folder. Without it: in all watched folders.",
            autocompletion=completions.inboxes,
        ),
    ] = None,
    taste_weight: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Put images with a high score first. 0: only the words count; 1: only the score "
            "counts, among the images that fit the words.",
        ),
    ] = 0.0,
    links: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Make a folder of links to the images, for an image viewer."
        ),
    ] = None,
    taste: FileTaste = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """Find images by words, best image first.

    The words may be English, or any language of the model. The model needs a text encoder: see
    `imgscore model list`.
    """
    request = Request(" ".join(words), count, optional_text_of(folder), taste, taste_weight)
    path = None if links is None else os.path.realpath(os.fsencode(links))
    if path is not None:
        _check_links(path)
    messages: list[Message[Response]] = gathered(dispatch.call(request))
    code = 0
    if path is not None:
        rows = [message.row for message in messages if isinstance(message, Result)]
        code = _make_links(path, rows, count)
    try:
        terminal_images.show(
            messages,
            marked(_describe, taste),
            lambda row: [images_of((row.path, row.sha256))],
            as_json=as_json,
            wanted=thumbnails,
            nothing="no image is embedded yet",
        )
    except typer.Exit as end:
        raise typer.Exit(end.exit_code or code) from None


def _check_links(path: bytes) -> None:
    """Raise UsageError if the folder cannot contain the links of a search."""
    link_folder.check(path)
    if watched_links.find(dispatch.settings_in_force(), path) is not None:
        raise UsageError(
            f"the daemon keeps the links in {os.fsdecode(path)} up to date",
            "give the name of a new folder",
        )


def _make_links(path: bytes, rows: Sequence[Response], count: int) -> int:
    """Make numbered links to the images, and return the exit code."""
    first = {row.sha256: row for row in reversed(rows)}  # an image can be in several tastes
    chosen = [first[digest] for digest in dict.fromkeys(row.sha256 for row in rows)]
    images = [Image(bytes.fromhex(row.sha256), os.fsencode(row.path)) for row in chosen]
    options = Options("link", rank_prefix=True, top=count)
    changes = link_folder.refresh(path, images, options, must_be_new=True)
    made = [change for change in changes if change.rank is not None and change.error is None]
    print_note(f"{len(made)} links made in {short(os.fsdecode(path))}")
    failed = [change for change in changes if change.error is not None]
    for change in failed:
        print_note(f"failed  {short(change.image)}: {change.error}")
    return 1 if failed else 0


def _describe(row: Response) -> str:
    score = "     " if row.score is None else f"{row.score:.3f}"
    return f"{row.similarity:.3f}  {score}  {short(row.path)}"
