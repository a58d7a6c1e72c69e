"""The command `suspects`: list labels that may be mistakes."""

from imgscore.cli import terminal_images
from imgscore.cli.app import Count, Json, Section, Tastes, Thumbnails, app, prints
from imgscore.cli.formatting import scored
from imgscore.cli.path_text import short
from imgscore.cli.taste_names import headed
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.verbs.suspects import Request, Response


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def suspects(
    count: Count = 20, taste: Tastes = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """List labels that may be mistakes.

    For example, an image with the label trash is listed if it is similar to images with the label
    keep.
    """

    def images(row: Response) -> list[list[ImageRef]]:
        return [images_of((row.path, row.sha256), (row.twin_path, row.twin))]

    terminal_images.run(
        Request(taste, count),
        headed(_describe, taste),
        images,
        as_json=as_json,
        wanted=thumbnails,
        nothing="no label looks like a mistake",
    )


def _describe(row: Response) -> str:
    twin = f"  (like {short(row.twin_path or row.twin)})" if row.twin else ""
    return f"{row.label:<5} but {scored(row)}{twin}"
