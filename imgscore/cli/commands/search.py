"""The command `search`: find images by words."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore import dispatch
from imgscore.cli import completions, link_folder, terminal_images
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
    if links is not None:
        link_folder.check(links)
    messages: list[Message[Response]] = gathered(dispatch.call(request))
    if links is not None:
        paths = [message.row.path for message in messages if isinstance(message, Result)]
        link_folder.write(links, paths)
        print_note(f"{len(paths)} links made in {short(str(links))}")
    terminal_images.show(
        messages,
        marked(_describe, taste),
        lambda row: [images_of((row.path, row.sha256))],
        as_json=as_json,
        wanted=thumbnails,
        nothing="no image is embedded yet",
    )


def _describe(row: Response) -> str:
    score = "     " if row.score is None else f"{row.score:.3f}"
    return f"{row.similarity:.3f}  {score}  {short(row.path)}"
