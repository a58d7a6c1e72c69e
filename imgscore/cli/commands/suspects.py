"""The command `suspects`: list labels and comparisons that may be mistakes."""

from imgscore.cli import terminal_images
from imgscore.cli.app import Count, Json, Section, Tastes, Thumbnails, app, prints
from imgscore.cli.formatting import label_text
from imgscore.cli.path_text import short
from imgscore.cli.taste_names import headed
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.verbs.suspects import Request, Response


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def suspects(
    count: Count = 20, taste: Tastes = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """List labels and comparisons that may be mistakes.

    For example, an image with the label trash is listed if it is similar to images with the label
    keep. An answer to a comparison is listed if your other answers say the opposite.
    """

    def images(row: Response) -> list[list[ImageRef]]:
        other = (row.twin_path, row.twin) if row.worse is None else (row.worse_path, row.worse)
        return [images_of((row.path, row.sha256), other)]

    terminal_images.run(
        Request(taste, count),
        headed(_describe, taste),
        images,
        as_json=as_json,
        wanted=thumbnails,
        nothing="no label and no comparison looks like a mistake",
    )


def _describe(row: Response) -> str:
    if row.worse is not None:
        better, worse = short(row.path or row.sha256), short(row.worse_path or row.worse)
        return f"{better} was better than {worse}, but your other answers say the opposite"
    twin = f"  (like {short(row.twin_path or row.twin)})" if row.twin else ""
    label = label_text(row.label, row.grade)
    return f"{label:<5} but {row.score:.3f}  {short(row.path or row.sha256)}{twin}"
