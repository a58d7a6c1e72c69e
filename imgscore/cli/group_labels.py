"""Prints the labels that `groups --label best` gives to the images of groups."""

import sys

from imgscore import dispatch
from imgscore.cli import output
from imgscore.cli.group_notes import GroupNotes
from imgscore.cli.output import print_note, wrapped
from imgscore.cli.path_text import short
from imgscore.cli.taste_names import marked
from imgscore.verbs.group_labels import LabelledGroup
from imgscore.verbs.groups import Request, Response


def run(request: Request, *, as_json: bool) -> int:
    """Label the groups of a request, print a row for each group, and return the exit code."""
    counts, notes = _Counts(), GroupNotes()
    text = marked(_labelled, None)

    def human(row: Response) -> str | None:
        if not isinstance(row, LabelledGroup):
            return None
        counts.add(row)
        return text(row)

    code = output.print_messages(
        notes.counted(dispatch.call(request)),
        human,
        as_json=as_json,
        nothing="no group has an image to label",
    )
    if not as_json:
        counts.print_notes(dry_run=request.dry_run)
    notes.print(as_json=as_json)
    return code


class _Counts:
    """Counts groups and images for the notes after the rows."""

    def __init__(self) -> None:
        self.groups = self.keep = self.trash = self.skipped = 0

    def add(self, row: LabelledGroup) -> None:
        """Count a row."""
        self.groups += row.skipped is None
        self.keep += row.keep is not None
        self.trash += len(row.trash)
        self.skipped += row.skipped is not None

    def print_notes(self, *, dry_run: bool) -> None:
        """Print the notes to stderr."""
        if self.groups:
            groups = "1 group" if self.groups == 1 else f"{self.groups:,} groups"
            would = "would get" if dry_run else "got"
            print_note(f"{groups}: {self.keep:,} {would} keep, {self.trash:,} {would} trash")
        if self.skipped:
            was = "1 group was" if self.skipped == 1 else f"{self.skipped:,} groups were"
            print_note(f"{was} skipped: label the image to keep, then run the command again")
        if self.groups and not dry_run:
            print_note("to undo this: imgscore undo label; to move the files: imgscore apply")


def heading(row: Response) -> str:
    """Return a line with the number of files, the kind of the group, and what the images share."""
    return wrapped(f"{counted_images(len(row.files), row.kind)}: {row.why}", sys.stdout)


def counted_images(count: int, kind: str) -> str:
    """Return a text such as "3 images in a burst" or "3 near-duplicates"."""
    return f"{count} images in a burst" if kind == "bursts" else f"{count} {kind}"


def _labelled(row: LabelledGroup) -> str:
    would = "would " if row.dry_run else ""
    lines = [heading(row)]
    if row.skipped is not None:
        lines.append(f"  skipped: {row.skipped}")
    else:
        lines += [f"  has keep  {short(path)}" for path in row.kept]
        lines += [f"  {would}keep  {short(path)}" for path in (row.keep,) if path is not None]
        lines += [f"  {would}trash  {short(path)}" for path in row.trash]
    return "\n".join(lines)
