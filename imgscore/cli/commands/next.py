"""The command `next`: list the images to label next."""

from imgscore.cli import terminal_images
from imgscore.cli.app import Count, Json, Section, Tastes, Thumbnails, app, prints
from imgscore.cli.formatting import scored
from imgscore.cli.taste_names import headed
from imgscore.cli.terminal_images import images_of
from imgscore.verbs.next import Request, Response


@app.command("next", rich_help_panel=Section.TEACH)
@prints(Response)
def next_(
    count: Count = 20, taste: Tastes = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """List the unlabelled images that are most useful to label.

    No two of the listed images are similar to each other.
    """
    terminal_images.run(
        Request(taste, count),
        headed(scored, taste),
        lambda row: [images_of((row.path, row.sha256))],
        as_json=as_json,
        wanted=thumbnails,
        nothing="every image in the inboxes has a label",
    )
