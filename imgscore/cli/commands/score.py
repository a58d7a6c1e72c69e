"""The command `score`: print the scores of files."""

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
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.verbs.score import Request, Response


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def score(
    files: Files,
    recursive: Recursive = False,
    taste: FileTaste = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """Print the score of each file.

    The score is the probability, from 0 to 1, that you keep the file. The files may be anywhere,
    also outside the watched folders. If you give a folder, its images are scored.
    """
    terminal_images.run(
        Request(texts_of(files), taste, recursive),
        lambda row: named(row, f"{row.score or 0:.3f}"),
        _images,
        as_json=as_json,
        wanted=thumbnails,
    )


def _images(row: Response) -> list[list[ImageRef]]:
    return [images_of((row.path, row.sha256))] if row.error is None else []
