"""The command `label`: teach without moving files."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from imgscore.cli.app import Files, FileTaste, Json, Recursive, Section, app, prints, run, texts_of
from imgscore.cli.formatting import label_text, named
from imgscore.cli.taste_names import marked
from imgscore.grades import LabelText
from imgscore.verbs.label import Request, Response

WITH_VALUE = ("--taste",)
"""The options of the command that are followed by a value."""


class LabelCommand(TyperCommand):
    """A command that reads `-1` as a label, and not as an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. If the first one that is no option is `-1`, it means `reject`."""
        return super().parse_args(ctx, with_reject(args))


def with_reject(args: list[str]) -> list[str]:
    """Return the arguments of `label` in which the label `-1` is replaced by `reject`.

    A `-1` after the label stays, because it may be the name of a file.
    """
    at = 0
    while at < len(args) and args[at].startswith("-") and args[at] not in ("-1", "--"):
        at += 2 if args[at] in WITH_VALUE else 1
    if args[at : at + 1] == ["-1"]:
        return [*args[:at], "reject", *args[at + 1 :]]
    return args


@app.command(rich_help_panel=Section.TEACH, cls=LabelCommand)
@prints(Response)
def label(
    label: Annotated[
        LabelText,
        typer.Argument(
            metavar="LABEL",
            help="keep or trash; or stars: 1 to 5, and -1 or reject for a rejected image. 3 stars "
            "are undecided. To remove the label: clear or 0.",
        ),
    ],
    files: Files,
    recursive: Recursive = False,
    taste: FileTaste = None,
    as_json: Json = False,
) -> None:
    """Label files without moving them.

    If you give a folder, its images get the label.
    """
    request = Request(label, texts_of(files), taste, recursive)
    run(
        request,
        marked(lambda row: named(row, label_text(row.label, row.grade)), taste),
        as_json=as_json,
    )
