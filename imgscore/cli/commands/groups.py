"""The command `groups`: list groups of similar images, or label the best image of each."""

from typing import Annotated, Literal

import typer

from imgscore.cli import completions, group_labels, terminal_images
from imgscore.cli.app import (
    DryRun,
    Folder,
    Json,
    Section,
    Thumbnails,
    app,
    optional_text_of,
    prints,
)
from imgscore.cli.formatting import label_text
from imgscore.cli.group_notes import GroupNotes
from imgscore.cli.path_text import short
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.errors import UsageError
from imgscore.verbs.groups import KINDS, GroupRow, Member, Request, Response

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
    label: Annotated[
        Literal["best"] | None,
        typer.Option(
            help="best: label the best image of each group keep, and the others trash. An image "
            "that has a label keeps it. No file is moved."
        ),
    ] = None,
    dry_run: DryRun = False,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """List groups of similar images, the best image of each group first.

    A group is a burst (photographs of one moment), near-duplicates (almost equal images), or copies
    (files with equal bytes).
    """
    found = next((known for known in KINDS if known == kind), None)
    request = Request(optional_text_of(folder), found, label, dry_run)
    if label is None and dry_run:
        raise UsageError(
            "--dry-run has no effect without --label best",
            "leave out --dry-run: without --label, the command changes nothing",
        )
    if label is not None:
        raise typer.Exit(group_labels.run(request, as_json=as_json))

    def images(row: Response) -> list[list[ImageRef]]:
        members = row.members[:MAX_DRAWN] if isinstance(row, GroupRow) else []
        return [images_of(*((member.path, member.sha256) for member in members))]

    notes = GroupNotes()
    try:
        terminal_images.run(
            request,
            _describe,
            images,
            as_json=as_json,
            wanted=thumbnails,
            nothing=f"no {found or 'groups'} found",
            arrange=notes.counted,
        )
    finally:
        notes.print(as_json=as_json)


def _describe(row: Response) -> str:
    heading = group_labels.heading(row)
    if not isinstance(row, GroupRow):
        return heading
    return "\n".join([heading, *(f"  {_line(member)}" for member in row.members)])


def _line(member: Member) -> str:
    score = "     " if member.score is None else f"{member.score:.3f}"
    size = f"{member.width} × {member.height}" if member.width and member.height else ""
    label = "" if member.label is None else label_text(member.label, member.grade)
    return f"{score}  {size:<13} {label:<7} {short(member.path)}"
