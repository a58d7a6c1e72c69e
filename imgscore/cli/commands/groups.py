"""The command `groups`: list images of one moment or one motif."""

import sys
from typing import Annotated

import typer

from imgscore.cli import completions, terminal_images
from imgscore.cli.app import Folder, Json, Section, Thumbnails, app, optional_text_of, prints
from imgscore.cli.formatting import label_text
from imgscore.cli.output import wrapped
from imgscore.cli.path_text import short
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.errors import UsageError
from imgscore.verbs.groups import KINDS, Kind, Member, Request, Response

NAMES: dict[Kind, str] = {
    "bursts": "burst",
    "near-duplicates": "near-duplicates",
    "copies": "copies",
}
MAX_DRAWN = 8
"""The largest number of images that are drawn for a group: as many as fit into one line."""


def _checked_kind(context: typer.Context, name: str | None) -> str | None:
    if name is not None and name not in KINDS and not context.resilient_parsing:
        raise UsageError(
            f"--kind {name}: there is no such kind", f"use one of these: {', '.join(KINDS)}"
        )
    return name


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def groups(
    folder: Folder = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="List only bursts, near-duplicates or copies.",
            metavar="KIND",
            autocompletion=completions.group_kinds,
            callback=_checked_kind,
        ),
    ] = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """List images of one moment or one motif, best image first.

    A group is a burst of photographs, a set of near-duplicates, or a set of copies.
    """

    def images(row: Response) -> list[list[ImageRef]]:
        return [images_of(*((member.path, member.sha256) for member in row.members[:MAX_DRAWN]))]

    found = next((known for known in KINDS if known == kind), None)
    terminal_images.run(
        Request(optional_text_of(folder), found),
        _describe,
        images,
        as_json=as_json,
        wanted=thumbnails,
        nothing=f"no {found or 'groups'} found",
    )


def _describe(row: Response) -> str:
    heading = wrapped(f"{NAMES[row.kind]} of {len(row.files)}: {row.why}", sys.stdout)
    return "\n".join([heading, *(f"  {_line(member)}" for member in row.members)])


def _line(member: Member) -> str:
    score = "     " if member.score is None else f"{member.score:.3f}"
    size = f"{member.width} × {member.height}" if member.width and member.height else ""
    label = "" if member.label is None else label_text(member.label, member.grade)
    return f"{score}  {size:<13} {label:<7} {short(member.path)}"
