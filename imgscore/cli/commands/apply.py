"""The command `apply`: move labelled files into the folders of their labels, and move them back."""

import contextlib
import os
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from imgscore import dispatch, paths
from imgscore.apply.folders import Folders
from imgscore.apply.mover import Moved, Mover
from imgscore.apply.resume import resume
from imgscore.apply.run_log import LoggedMove, RunLogs
from imgscore.apply.undo import Returned, undo
from imgscore.cli import output
from imgscore.cli.app import DryRun, Folder, Json, Section, app, optional_text_of, prints
from imgscore.cli.formatting import named
from imgscore.cli.output import print_note
from imgscore.cli.path_text import short
from imgscore.messages import Message, Progress, Result
from imgscore.verbs import apply as verb


class Response(msgspec.Struct):
    """A file that was moved, would be moved, or cannot be moved."""

    path: str
    """the path of the file before the move"""
    target: str
    """the path of the file after the move"""
    sha256: str | None
    """the digest of the image; null for a file that moves with it, such as a sidecar"""
    taste: str | None
    """the taste of the label; null for a sidecar"""
    label: str | None
    """the label, `keep`, `trash` or `undecided`; null for a file without a label"""
    grade: float | None
    """the grade of the label, from 0 (trash) to 1 (keep); null if there is no label"""
    dry_run: bool = False
    """true if the file was not moved, because this is a dry run"""
    error: str | None = None
    """the reason why the file was not moved, and a remedy; null if there is no error"""


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def apply(
    folder: Folder = None,
    dry_run: DryRun = False,
    undo_: Annotated[
        bool,
        typer.Option("--undo", help="Move the files of the last run back to where they were."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Move labelled files from the inbox into keep/ and trash/.

    A file with stars moves to the folder for these stars. If there is no such folder, it stays.

    A file keeps its subfolder, and takes its RAW or JPEG and its sidecars with it. If a file with
    its name is there, it gets another name, such as `a (2).jpg`. No file is replaced, and no file
    is moved to another file system.

    With --undo, the files of the last run move back, and keep their labels. Repeat the command to
    undo the run before. With a folder, only files of this folder are moved.
    """
    request = verb.Request(folder=optional_text_of(folder))
    counts = _Counts()
    rows = _undo(request, dry_run=dry_run) if undo_ else _apply(request, counts, dry_run=dry_run)
    code = output.print_messages(rows, _describe, as_json=as_json, nothing=_nothing(undo_))
    if not as_json:
        counts.print_notes(dry_run=dry_run)
    raise typer.Exit(code)


def _nothing(undo_: bool) -> str:
    return "no move to undo" if undo_ else "there is no labelled file to move"


class _Counts:
    """Counts files for the notes after the rows."""

    def __init__(self) -> None:
        self.moved = self.staying = 0

    def print_notes(self, *, dry_run: bool) -> None:
        """Print the notes to stderr."""
        if self.staying:
            files = "file stays" if self.staying == 1 else "files stay"
            print_note(
                f"{self.staying} labelled {files}, because no folder has exactly "
                f"{'its' if self.staying == 1 else 'their'} grade"
            )
        if self.moved and not dry_run:
            print_note("to move these files back: imgscore apply --undo")


def _apply(request: verb.Request, counts: _Counts, *, dry_run: bool) -> Iterator[Message[Response]]:
    with contextlib.ExitStack() as stack:
        folders = stack.enter_context(Folders())
        logs = None
        if not dry_run:
            logs = stack.enter_context(contextlib.closing(RunLogs(paths.moves_folder())))
            for run in logs.newest_first():
                resume(run, folders)
                break
            logs.prune()
        due: list[verb.DueMove] = []
        for page in _pages(request):
            due += page.moves
            counts.staying += page.staying
            yield Progress("reading labels", len(due), len(due))
        mover = stack.enter_context(contextlib.closing(Mover(folders, logs)))
        done, total = 0, len(due)
        for moved in mover.apply(due):
            done += moved.is_labelled
            counts.moved += moved.error is None
            yield Result(_moved_row(moved, dry_run=dry_run))
            yield Progress("moving", done, total)


def _pages(request: verb.Request) -> Iterator[verb.Page]:
    """Yield the parts of the list of labelled files."""
    with dispatch.Session() as session:
        yield from session.pages(request, verb.Page)


def _moved_row(moved: Moved, *, dry_run: bool) -> Response:
    due, labelled = moved.due, moved.is_labelled
    return Response(
        path=os.fsdecode(moved.path),
        target=os.fsdecode(moved.target),
        sha256=due.sha256 if labelled else None,
        taste=due.taste,
        label=due.label if labelled else None,
        grade=due.grade if labelled else None,
        dry_run=dry_run,
        error=moved.error,
    )


def _undo(request: verb.Request, *, dry_run: bool) -> Iterator[Message[Response]]:
    with contextlib.ExitStack() as stack:
        folders = stack.enter_context(Folders())
        logs = stack.enter_context(contextlib.closing(RunLogs(paths.moves_folder())))
        session = stack.enter_context(dispatch.Session())
        folder = None if request.folder is None else os.path.realpath(os.fsencode(request.folder))

        def prepare(moves: list[LoggedMove]) -> list[str | None]:
            files = [
                verb.MovedFile(
                    os.fsdecode(logged.target),
                    logged.move.taste or "default",
                    logged.move.sha256,
                    logged.move.grade,
                )
                for logged in moves
            ]
            answer = session.ask(verb.Request("return", files=tuple(files)))
            assert isinstance(answer, verb.Prepared)
            return answer.problems

        for returned in undo(logs, folders, folder, prepare, dry_run=dry_run):
            yield Result(_returned_row(returned, dry_run=dry_run))


def _returned_row(returned: Returned, *, dry_run: bool) -> Response:
    move = returned.logged.move
    return Response(
        path=os.fsdecode(returned.path),
        target=os.fsdecode(returned.target),
        sha256=move.sha256,
        taste=move.taste,
        label=move.label,
        grade=move.grade,
        dry_run=dry_run,
        error=returned.error,
    )


def _describe(row: Response) -> str:
    if row.error is not None:
        return named(row, "")
    would = "would move" if row.dry_run else "moved"
    return f"{would}  {short(row.path)} → {short(row.target)}"
