"""score: print the scores of files."""

from imgscore.cli import terminal_images
from imgscore.cli.app import Files, FileTaste, Json, Section, Thumbnails, app, texts_of
from imgscore.cli.formatting import named
from imgscore.cli.terminal_images import ImageRef
from imgscore.verbs.base import Row


@app.command(rich_help_panel=Section.ORDER)
def score(
    files: Files, taste: FileTaste = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """Print how likely you would keep each file, from 0 to 1.

    The files need not be in a watched folder.
    """
    arguments = {"files": texts_of(files), "taste": taste}
    terminal_images.run(
        "score",
        arguments,
        lambda row: named(row, f"{row['score'] or 0:.3f}"),
        _images,
        as_json=as_json,
        wanted=thumbnails,
    )


def _images(row: Row) -> list[list[ImageRef]]:
    return [[ImageRef(row["path"], row["sha256"])]] if row["error"] is None else []
