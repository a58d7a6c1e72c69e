"""The command `links`: make a folder of links to the best images, or remove it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from imgscore import config, dispatch
from imgscore.cli import link_folder, output, watched_links
from imgscore.cli.app import DryRun, Json, OneTaste, Section, app, prints
from imgscore.cli.output import print_note
from imgscore.cli.path_text import short, shortened
from imgscore.config import Config, LinksConfig
from imgscore.errors import ImgscoreError, UsageError
from imgscore.links import folder as links_folder
from imgscore.links.folder import Change, Image, Options
from imgscore.links.manifest import Kind
from imgscore.messages import Message, Progress, Result
from imgscore.system.system_folders import is_links_folder
from imgscore.verbs import links as verb
from imgscore.verbs.tastes import one_of
from imgscore.watches import Watches


class Response(msgspec.Struct):
    """A file in the folder of links, or a file that was removed from it."""

    path: str
    """the path of the link, the hard link or the copy"""
    image: str
    """the path of the image"""
    change: str
    """`made`, `renamed`, `kept` or `removed`; `left` for the last hard link of an image, which
    imgscore leaves to you"""
    rank: int | None
    """the place of the image among the best, from 1; null for a file that was removed"""
    sha256: str
    """the digest of the image"""
    score: float | None = None
    """the probability that you would keep the image, from 0 to 1; null if there is no score"""
    label: str | None = None
    """the label of the image: `keep` or `undecided`; null if it has no label"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep); null if the image has no label"""
    dry_run: bool = False
    """true if nothing was changed, because this is a dry run"""
    error: str | None = None
    """the reason why the file was not made, and a remedy; null if there is no error"""


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def links(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="The folder of links. It is made if needed. Without it: all folders of links in "
            "the config.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=1, max=config.MAX_LINKS, help="Choose at most N images. Default: 500."),
    ] = None,
    per_group: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=config.MAX_LINKS,
            help="Choose at most N images of each group of similar images, the best ones. 0: all."
            " See: imgscore groups.",
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Choose only images with at least this score."),
    ] = None,
    rank_prefix: Annotated[
        bool | None,
        typer.Option(
            "--rank-prefix/--no-rank-prefix",
            help="Begin each name with its rank, for viewers that sort by name.",
        ),
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Make hard links instead of symbolic links.")
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Make copies, for example on a memory card.")
    ] = False,
    taste: OneTaste = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Enter DIR into the config. The daemon then keeps it up to date."
        ),
    ] = False,
    remove: Annotated[
        bool,
        typer.Option(
            "--remove",
            help="Remove all links that imgscore has made in DIR, and take DIR out of the config.",
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a folder of links to your best images, for slideshows, photo frames and media servers.

    Kept images come first, then the images with the highest scores. Images that you have trashed
    are never chosen. If there are several copies of an image, one of them is chosen.

    Run the command again to bring the folder up to date, or let the daemon do it: --watch. Only
    files that imgscore has made there are removed or renamed; your own files stay. A folder of
    links in an inbox is never indexed.
    """
    _check_options(folder, hard=hard, copy=copy, watch=watch, remove=remove)
    settings = dispatch.settings_in_force()
    if remove and folder is not None:
        path = _real(folder)
        rows = _removed(path, dry_run=dry_run)
        raise typer.Exit(_print(path, rows, dry_run=dry_run, removes=True, as_json=as_json))
    changes = {
        "top": top,
        "per_group": per_group,
        "min_score": min_score,
        "rank_prefix": rank_prefix,
        "kind": "copy" if copy else None,
        "taste": taste,
    }
    code = 0
    for path in [_real(folder)] if folder else [config.expand(t.folder) for t in settings.links]:
        try:
            code |= _make(
                path, settings, changes, hard=hard, watch=watch, dry_run=dry_run, as_json=as_json
            )
        except ImgscoreError as error:
            if folder is not None:
                raise
            output.print_error(error, as_json=as_json)
            code = 1
    raise typer.Exit(code)


def _make(
    path: bytes,
    settings: Config,
    changes: dict[str, Any],
    *,
    hard: bool,
    watch: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Bring one folder up to date, and return the exit code. `changes`: the given options."""
    found = watched_links.find(settings, path)
    if hard and found is not None:
        raise _no_hard_links()
    known = found[1] if found is not None else None
    table = _table(path, known, settings, changes)
    was_made = not os.path.lexists(path)
    rows = _refreshed(path, table, "hard" if hard else table.kind, dry_run=dry_run)
    code = _print(path, rows, dry_run=dry_run, removes=False, as_json=as_json, taste=table.taste)
    is_changed = known is not None and (was_made or table != known)
    if not dry_run and (watch or is_changed):
        watched_links.enter(table, was_made=was_made)
    return code


def _real(folder: Path) -> bytes:
    return os.path.realpath(os.fsencode(folder))


def _print(
    path: bytes,
    rows: Iterator[Message[Response]],
    *,
    dry_run: bool,
    removes: bool,
    as_json: bool,
    taste: str | None = None,
) -> int:
    counts = _Counts()
    code = output.print_messages(counts.counted(rows), _describe, as_json=as_json)
    if as_json:
        return code
    missing = _missing_folders(taste)
    for folder in missing:
        print_note(f"{short(folder)} is missing, so the images in it are left out")
    if counts.has_rows or not missing:
        print_note(counts.summary(os.fsdecode(path), dry_run=dry_run, removes=removes))
    return code


def _missing_folders(taste: str | None) -> list[str]:
    """Return the inboxes of a taste that do not exist, such as those on a disk not mounted."""
    watches = Watches.of(dispatch.settings_in_force()).all
    inboxes = [watch.inbox for watch in watches if watch.taste == taste]
    return [os.fsdecode(inbox) for inbox in inboxes if not os.path.isdir(inbox)]


def _check_options(
    folder: Path | None, *, hard: bool, copy: bool, watch: bool, remove: bool
) -> None:
    """Raise UsageError if options exclude each other, or if the folder is missing."""
    if hard and copy:
        raise UsageError("--hard and --copy exclude each other", "give one of them")
    if watch and remove:
        raise UsageError("--watch and --remove exclude each other", "give one of them")
    if watch and hard:
        raise _no_hard_links()
    try:
        os.fsdecode(_real(folder or Path())).encode()
    except UnicodeEncodeError:
        if watch:
            raise UsageError(
                "the name of DIR is not valid UTF-8, so the config cannot contain it",
                "rename the folder, or leave out --watch",
            ) from None
    if folder is None and (watch or remove or not dispatch.settings_in_force().links):
        raise UsageError("no folder is given", "for example: imgscore links ~/Pictures/best")


def _no_hard_links() -> UsageError:
    return UsageError(
        "the daemon keeps this folder up to date, and makes no hard links: it must not be able to "
        "write to your images",
        "leave out --hard, or use --copy",
    )


def _table(
    path: bytes, known: LinksConfig | None, settings: Config, changes: dict[str, Any]
) -> LinksConfig:
    """Return the settings of a folder: the options, else those in the config, else the defaults.

    `known`: the table of the folder in the config, if there is one.
    """
    if known is None:
        chosen = one_of(Watches.of(settings), changes["taste"])
        known = LinksConfig(os.fsdecode(path), taste=chosen)
    given = {key: value for key, value in changes.items() if value is not None}
    return msgspec.structs.replace(known, **given)


def _removed(path: bytes, *, dry_run: bool) -> Iterator[Message[Response]]:
    in_config = not dry_run and watched_links.take_out(path)
    if in_config and not os.path.lexists(path):
        return
    for change in links_folder.clear(path, dry_run=dry_run):
        yield Result(_row(path, change, None, dry_run=dry_run))


def _refreshed(
    path: bytes, table: LinksConfig, kind: Kind, *, dry_run: bool
) -> Iterator[Message[Response]]:
    link_folder.check(path)
    yield Progress("choosing the best images", 0, table.top)
    chosen: dict[str, verb.Response] = {}
    request = verb.Request(table.top, table.per_group, table.min_score, table.taste)
    for message in dispatch.call(request):
        if isinstance(message, Result):
            chosen[message.row.sha256] = message.row
        else:
            yield message
    images = [
        Image(bytes.fromhex(image.sha256), os.fsencode(image.path)) for image in chosen.values()
    ]
    if kind != "copy" and is_links_folder(path):
        _refuse_missing(path, chosen.values())
    options = Options(kind, table.rank_prefix, table.top)
    for change in link_folder.refresh(path, images, options, dry_run=dry_run):
        yield Result(_row(path, change, chosen.get(change.digest), dry_run=dry_run))


def _refuse_missing(path: bytes, images: Iterable[verb.Response]) -> None:
    """Raise ImgscoreError if images are on a disk that is not mounted: their links must stay."""
    missing = {image.missing_folder for image in images if image.missing_folder is not None}
    if missing:
        first = min(missing)
        raise ImgscoreError(
            f"{first} is missing or empty, so the links in {os.fsdecode(path)} stay as they are",
            f"mount its disk; or, if its images are gone for good: imgscore unwatch '{first}'",
        )


def _row(path: bytes, change: Change, image: verb.Response | None, *, dry_run: bool) -> Response:
    return Response(
        path=os.fsdecode(os.path.join(path, change.name)),
        image=change.image,
        change=change.what,
        rank=change.rank,
        sha256=change.digest,
        score=image.score if image is not None else None,
        label=image.label if image is not None else None,
        grade=image.grade if image is not None else None,
        dry_run=dry_run,
        error=change.error,
    )


class _Counts:
    """Counts the files for the summary."""

    def __init__(self) -> None:
        self._of = dict.fromkeys(("made", "renamed", "kept", "removed", "left"), 0)

    def counted(self, rows: Iterator[Message[Response]]) -> Iterator[Message[Response]]:
        """Yield all messages, and count the rows without an error."""
        for message in rows:
            if isinstance(message, Result) and message.row.error is None:
                self._of[message.row.change] += 1
            yield message

    @property
    def has_rows(self) -> bool:
        """Return whether a file was counted."""
        return any(self._of.values())

    def summary(self, path: str, *, dry_run: bool, removes: bool) -> str:
        """Return a line about the whole folder."""
        total = self._of["made"] + self._of["renamed"] + self._of["kept"]
        if not removes and not self.has_rows:
            return "no image has a label or a score yet; what is missing: imgscore status"
        would = " would be" if dry_run else ""
        parts = [f"{count}{would} {what}" for what, count in self._of.items() if count]
        if removes:
            return f"{short(path)}: {', '.join(parts) or 'no link was left'}"
        return f"{short(path)}: {total} images ({', '.join(parts)})"


def _describe(row: Response) -> str | None:
    if row.error is not None:
        return f"failed  {short(row.path)}: {shortened(row.error)}"
    if row.change == "left":
        return f"left    {short(row.path)}: it is the last file of its image, so it is yours now"
    if not row.dry_run or row.change == "kept":
        return None
    return f"would be {row.change}  {short(row.path)} → {short(row.image)}"
