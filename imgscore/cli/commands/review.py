"""The command `review`: serve a page to the browser, where the user labels images with keys."""

from imgscore.cli import review_page
from imgscore.cli.app import Folder, Json, Section, Taste, app, optional_text_of, prints
from imgscore.cli.review_page import Open, Port, Response
from imgscore.verbs import report


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def review(
    folder: Folder = None,
    port: Port = 0,
    show: Open = True,
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Label images in the browser.

    Keys: k = keep, t = trash, 1 to 5 = stars, x = reject, u = undo. Press Ctrl-C in the terminal to
    end the review.
    """
    request = report.Request(
        optional_text_of(folder), taste, suspects=0, figures=False, at_once=True, groups=False
    )
    review_page.serve(request, tab="order", port=port, show=show, as_json=as_json)
