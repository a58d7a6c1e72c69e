"""next: list the images to label next."""

from imgscore.cli import terminal_images
from imgscore.cli.app import Count, Json, Section, Taste, Thumbnails, app
from imgscore.cli.formatting import scored
from imgscore.cli.terminal_images import images_of


@app.command("next", rich_help_panel=Section.TEACH)
def next_(
    count: Count = 20, taste: Taste = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """List the images whose labels would teach the most.

    No two of them are alike.
    """
    terminal_images.run(
        "next",
        {"taste": taste, "count": count},
        scored,
        lambda row: [images_of([row])],
        as_json=as_json,
        wanted=thumbnails,
        nothing="every image in the inboxes has a label",
    )
