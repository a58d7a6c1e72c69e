"""The command `import-labels`: learn from folders that are already sorted."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli import star_folders
from imgscore.cli.app import Json, OneTaste, Section, app, prints, run, texts_of
from imgscore.cli.formatting import named
from imgscore.verbs.import_labels import FailedFile, Request, Response


@app.command("import-labels", rich_help_panel=Section.TEACH)
@prints(Response)
def import_labels(
    keep: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Give all images in this folder the label keep."),
    ] = None,
    trash: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Give all images in this folder the label trash."),
    ] = None,
    stars: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N=DIR",
            help="Give all images in this folder N stars (1 to 5, or -1); may be repeated.",
        ),
    ] = None,
    ratings: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Learn from the stars that other programs have stored for images in this folder.",
        ),
    ] = None,
    taste: OneTaste = None,
    as_json: Json = False,
) -> None:
    """Learn from folders that are already sorted.

    The files in these folders are not changed.
    """
    # The shell replaces no ~ after the =.
    rated = {
        number: texts_of(Path(folder).expanduser() for folder in folders)
        for number, folders in star_folders.by_stars(stars or ()).items()
    }
    kept, trashed, foreign = (tuple(texts_of(folders)) for folders in (keep, trash, ratings))
    request = Request(kept, trashed, taste, rated, foreign)
    run(request, _describe, as_json=as_json)


def _describe(row: Response) -> str:
    if isinstance(row, FailedFile):
        return named(row, "")
    undecided = f"{row.undecided} undecided, " if row.undecided else ""
    unrated = f", {row.unrated} without a rating" if row.unrated else ""
    return f"{row.keep} keep, {undecided}{row.trash} trash, {row.failed} failed{unrated}"
