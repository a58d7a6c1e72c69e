"""report: create a web page that shows everything."""

import os
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import convert

from imgscore import config, paths
from imgscore.cli import dispatch, output
from imgscore.cli.app import Folder, Json, Section, Taste, app, text_of
from imgscore.cli.output import printable, say
from imgscore.errors import UsageError
from imgscore.messages import Message, Result
from imgscore.verbs.base import Row
from imgscore.watches import Watches


@app.command(rich_help_panel=Section.ORDER)
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
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Create a web page of all images in score order.

    The page also shows suspects, near-duplicates, failures and plots.
    """
    if file is not None:
        file = Path(os.path.realpath(file))
        _refuse_watched(file)
    arguments = {"folder": text_of(folder), "taste": taste, "figures": not quick}
    raise typer.Exit(output.show(_pages(arguments, file, show), _describe, as_json=as_json))


def _refuse_watched(file: Path) -> None:
    """Refuse a file in a watched folder: imgscore would index and order the page's thumbnails."""
    if not paths.config_file().exists():
        return
    folder = Watches.of(config.load()).folder(os.fsencode(file))
    if folder is not None:
        raise UsageError(
            f"{file} is in the watched folder {os.fsdecode(folder)}", "use another folder"
        )


def _pages(arguments: dict[str, Any], file: Path | None, show: bool) -> Iterator[Message[Any]]:
    from imgscore.report import files
    from imgscore.report.data import WatchFolders

    for message in dispatch.call("report", arguments):
        if not isinstance(message, Result):
            yield message
            continue
        report = message.row
        target = file or paths.report_folder() / f"{report['taste']}.html"
        data = files.read(Path(report["data"]), report["folder"])
        watches = convert(report["watches"], list[WatchFolders])
        thumbnails = files.write(data, watches, Path(report["thumbnails"]), target)
        kept = {name: report[name] for name in report if name not in ("data", "watches")}
        yield Result({"page": str(target), **kept, "thumbnails": str(thumbnails)})
        if show and not webbrowser.open(target.as_uri()):
            say("no browser could be started; open the page yourself")


def _describe(row: Row) -> str:
    return (
        f"{printable(row['page'])}\n  {row['images']} images, {row['suspects']} suspects, "
        f"{row['groups']} groups of near-duplicates, {row['failures']} failures; "
        f"{row['drawn']} new thumbnails in {printable(row['thumbnails'])}"
    )
