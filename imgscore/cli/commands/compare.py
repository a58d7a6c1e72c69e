"""The command `compare`: say which of two images is better, in the browser or in the terminal."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from imgscore.cli import completions, review_page, terminal_images
from imgscore.cli.app import (
    Json,
    Section,
    Thumbnails,
    app,
    optional_text_of,
    prints,
    run,
    text_of,
)
from imgscore.cli.formatting import answers_text
from imgscore.cli.path_text import short, shortened
from imgscore.cli.review_page import Open, Port
from imgscore.cli.taste_names import headed
from imgscore.cli.terminal_images import images_of
from imgscore.errors import UsageError
from imgscore.verbs import report
from imgscore.verbs.compare import MAX_PAIRS, Answered, PairAnswer, Proposal, Request, Response


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def compare(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR | FILE FILE]",
            help="Only this folder; without it: all watched folders. With --answer: two files.",
            autocompletion=completions.inboxes,
        ),
    ] = None,
    answer: Annotated[
        Literal["first", "second", "same", "skip", "clear"] | None,
        typer.Option(
            help="Record which of two files is better, and ask nothing. To remove the answer of "
            "the two files: clear."
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the images to compare, and record nothing.")
    ] = False,
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=MAX_PAIRS, help="List at most N pairs.")
    ] = 10,
    four: Annotated[bool, typer.Option("--four", help="List four images at a time.")] = False,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Compare in the terminal instead of the browser.")
    ] = False,
    port: Port = 0,
    show: Open = True,
    taste: Annotated[
        str | None,
        typer.Option(
            "--taste",
            help="Use this taste. Without it: the taste of the folder or of the files; without a "
            "folder, the page shows the first taste of the config, and the terminal all tastes.",
            autocompletion=completions.tastes,
        ),
    ] = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """Say which of two images you like more.

    The command opens the tab Compare of the review in the browser. Keys: left and right arrow = the
    better image, s = the same, space = skip, u = undo. With --json, it only lists the images to
    compare. To undo the last answer: imgscore undo compare.
    """
    files = paths or []
    if answer is not None:
        if len(files) != 2:
            raise UsageError("--answer needs two files", "see: imgscore compare -h")
        first, second = map(text_of, files)
        recorded = Request(taste=taste, answers=[PairAnswer(first, second, answer)])
        run(recorded, _describe, as_json=as_json)
    if len(files) > 1:
        raise UsageError(
            "two files need an answer",
            "add --answer first, second, same or skip; to compare images of a folder, give one "
            "folder",
        )
    folder = optional_text_of(files[0] if files else None)
    if terminal:
        from imgscore.cli import compare_terminal

        compare_terminal.run(folder, taste, thumbnails=thumbnails)
    elif listed or as_json:
        terminal_images.run(
            Request(folder, taste, count, size=4 if four else 2),
            headed(_describe, taste),
            lambda row: (
                [images_of(*((image.path, image.sha256) for image in row.images))]
                if isinstance(row, Proposal)
                else []
            ),
            as_json=as_json,
            wanted=thumbnails,
            nothing="there is nothing left to compare",
        )
    else:
        request = report.Request(
            folder, taste, suspects=0, figures=False, at_once=True, groups=False
        )
        review_page.serve(request, tab="compare", port=port, show=show, as_json=False)


def _describe(row: Response) -> str:
    if isinstance(row, Answered):
        return answer_text(row)
    # A line for each image, because the paths of four images are too long for one line.
    images = enumerate(row.images, 1)
    return row.why + "".join(
        f"\n  {number}  {short(image.path or image.sha256)}" for number, image in images
    )


def answer_text(row: Answered) -> str:
    """Return a line about the answer of a pair."""
    if row.error is not None:
        return f"failed  {shortened(row.error)}"
    first, second = (
        short(path or digest or "")
        for path, digest in ((row.first, row.first_sha256), (row.second, row.second_sha256))
    )
    match row.answer:
        case "first":
            text = f"{first} is better than {second}"
        case "second":
            text = f"{second} is better than {first}"
        case "same":
            text = f"{first} and {second} are the same"
        case "skip":
            text = f"{first} and {second} are skipped"
        case _:
            text = f"{first} and {second} have no answer"
    return f"{text}  ({answers_text(row.answers)})"
