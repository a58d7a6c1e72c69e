"""The command `report`: create a web page of all images."""

import os
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from imgscore import config, dispatch, paths
from imgscore.cli import output
from imgscore.cli.app import Folder, Json, Section, Tastes, app, optional_text_of, prints
from imgscore.cli.output import print_note
from imgscore.cli.path_text import short
from imgscore.cli.taste_names import headed
from imgscore.errors import UsageError
from imgscore.messages import Message, Result
from imgscore.system import private
from imgscore.verbs import report as verb
from imgscore.verbs.tastes import one_of
from imgscore.watches import Watches


class Response(msgspec.Struct):
    """The page that was written."""

    page: str
    """the file of the page"""
    taste: str
    """the name of the taste"""
    folder: str | None
    """the folder to which the page is limited; null if the page shows all folders"""
    thumbnails: str
    """the folder of the thumbnails"""
    images: int
    """the number of images on the page"""
    unscored: int
    """the number of images without a score"""
    suspects: int
    """the number of labels that may be mistakes"""
    groups: int
    """the number of groups of near-duplicates"""
    failures: int
    """the number of files that failed"""
    drawn: int
    """the number of thumbnails that were made now"""
    undrawn: int
    """the number of thumbnails that could not be made"""
    error: str | None = None
    """always null"""


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def report(
    folder: Folder = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the page to this file, and its images to FILE-files/.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out the learning curve, which takes the most time."),
    ] = False,
    taste: Tastes = None,
    as_json: Json = False,
) -> None:
    """Create a web page of all images in score order.

    Each taste gets its own page. The page also shows suspects, near-duplicates, failures and plots.
    """
    if file is not None:
        file = Path(os.path.realpath(file))
        _refuse_watched(file)
    request = verb.Request(optional_text_of(folder), taste, figures=not quick)
    if file is not None and folder is None:
        one_of(Watches.of(dispatch.settings_in_force()), taste)
    messages = _write(request, file, show)
    raise typer.Exit(output.print_messages(messages, headed(_describe, taste), as_json=as_json))


def _refuse_watched(file: Path) -> None:
    """Raise UsageError if `file` is in a watched folder.

    In such a folder, imgscore would index and order the thumbnails of the page.
    """
    if not paths.config_file().exists():
        return
    folder = Watches.of(config.load()).folder(os.fsencode(file))
    if folder is not None:
        raise UsageError(
            f"{file} is in the watched folder {os.fsdecode(folder)}",
            "write the report into another folder",
        )


def _write(request: verb.Request, file: Path | None, show: bool) -> Iterator[Message[Response]]:
    from imgscore.report import files

    for message in dispatch.call(request):
        if not isinstance(message, Result):
            yield message
            continue
        report = message.row
        target = file or paths.report_folder() / f"{report.taste}.html"
        data = files.read(Path(report.data), report.folder)
        thumbnails = files.write(data, report.watches, Path(report.thumbnails), target)
        yield Result(
            Response(
                page=str(target),
                taste=report.taste,
                folder=report.folder,
                thumbnails=str(thumbnails),
                images=report.images,
                unscored=report.unscored,
                suspects=report.suspects,
                groups=report.groups,
                failures=report.failures,
                drawn=report.drawn,
                undrawn=report.undrawn,
            )
        )
        if not show:
            continue
        with private.users_umask():
            opened = webbrowser.open(target.as_uri())
        if not opened:
            print_note("no browser could be started; open the page yourself")


def _describe(row: Response) -> str:
    return (
        f"{short(row.page)}\n  images: {row.images}; suspects: {row.suspects}; "
        f"groups of near-duplicates: {row.groups}; failures: {row.failures}\n  "
        f"{row.drawn} new thumbnails in {short(row.thumbnails)}"
    )
