"""The command `init`: watch a folder."""

import os
import random
import shlex
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from imgscore import config, config_edit, dispatch, paths
from imgscore.cli import completions, lifecycle, sorted_folders, star_folders
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.first_order_view import command, print_next_steps, show_start
from imgscore.cli.formatting import left_alone_text
from imgscore.cli.output import print_note, printable, to_json, wrapped
from imgscore.cli.path_text import short, shortened
from imgscore.cli.progress_bar import ProgressBar
from imgscore.config_edit import Value
from imgscore.embedders import registry
from imgscore.engine.log_text import counted
from imgscore.errors import ImgscoreError, UsageError
from imgscore.grades import parse, text_of
from imgscore.images.exif_dates import count_without_date
from imgscore.reconcile.inbox_survey import Survey, survey
from imgscore.system import private
from imgscore.system.sync_markers import find_markers
from imgscore.verbs.argument_checks import nearest
from imgscore.watches import Watch, Watches

QUESTION = "Give images that you move to the desktop's trash the label trash"


class Response(msgspec.Struct):
    """A watch that the config contains now."""

    inbox: str
    """the path of the inbox"""
    keep: list[str]
    """the keep folders"""
    trash: list[str]
    """the trash folders"""
    xdg_trash: bool
    """true if an image that you move to the desktop's trash gets the label trash"""
    config: str
    """the config file"""
    warnings: list[str]
    """warnings, for example that a program synchronizes the folder"""
    taste: str = "default"
    """the taste of the watch"""
    left_alone: dict[str, int] = {}
    """the number of files in the inbox that imgscore leaves alone, by reason, as in `status`"""
    error: str | None = None
    """always null"""
    grades: dict[str, list[str]] = {}
    """the folders of images with stars, by the stars; the folders for -1 are among those in
    `trash`"""
    images: int = 0
    """the number of images in the inbox, without those in the label folders"""
    without_date: int = 0
    """the number of these images that have no date in their EXIF data. Their file date, which
    imgscore changes, is their only date. If `dates_read` is smaller than `images`, this is an
    estimate. Always 0 if the folder was watched already"""
    dates_read: int = 0
    """the number of images of which the command has read the EXIF data, in at most two seconds"""


@app.command(rich_help_panel=Section.BEGIN)
@prints(Response)
def init(
    inbox: Annotated[
        Path,
        typer.Argument(
            help="The folder to put in order. If it does not exist, the command creates it."
        ),
    ],
    taste: Annotated[
        str | None,
        typer.Option(
            help=(
                "The folder's taste. Folders with the same taste share their labels. Without it: "
                '"default".'
            ),
            autocompletion=completions.tastes,
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR",
            help="A folder of images that you keep, relative to INBOX; may be repeated.",
        ),
    ] = None,
    trash: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR",
            help="A folder of images that you delete, relative to INBOX; may be repeated.",
        ),
    ] = None,
    stars: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N=DIR",
            help="A folder of images with N stars (1 to 5, or -1), relative to INBOX; may be "
            "repeated.",
        ),
    ] = None,
    xdg_trash: Annotated[
        bool | None,
        typer.Option(
            "--xdg-trash/--no-xdg-trash",
            help="Give an image the label trash if you move it to the desktop's trash.",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS",
            help="Images that you like, in words, for an order before the first label; may be "
            "repeated. The model needs a text encoder.",
        ),
    ] = None,
    dislike: Annotated[
        list[str] | None,
        typer.Option(metavar="WORDS", help="Images that you dislike, in words; may be repeated."),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "-y", "--yes", help="Ask nothing: use folders such as Keep and Rejected that exist."
        ),
    ] = False,
    start: Annotated[
        bool, typer.Option("--start", help="Then start the daemon, as `imgscore start` does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Watch a folder.

    The command creates the folder with its keep and trash folders, and adds the folder to the
    config. Without other choices, these are keep/ and trash/ in the folder. If the folder is
    watched already, the options that you give change its settings, and the folders of --keep,
    --trash and --stars are added.
    """
    path = paths.config_file()
    before = config.read(path) or ""
    settings = config.parse(before, str(path))
    folder = config.expand(str(inbox), os.getcwd())
    inboxes = [watch.inbox for watch in Watches.of(settings).all]
    existing = settings.watch[inboxes.index(folder)] if folder in inboxes else None
    notes: list[str] = []
    with ProgressBar("counting files"):
        contents = survey(folder)
    if existing is None:
        notes += _creation_note(folder)
        asks = not (as_json or yes) and sys.stdin.isatty() and sys.stderr.isatty()
        keep, trash, folder_notes = sorted_folders.choose(
            folder, contents, keep, trash, yes=yes, asks=asks
        )
        notes += folder_notes
        if xdg_trash is None and asks:
            xdg_trash = typer.confirm(QUESTION, err=True)
    given = _settings(taste=taste, keep=keep, trash=trash, stars=stars, xdg_trash=xdg_trash)
    words = {"like": like, "dislike": dislike}
    given |= {key: texts for key, texts in words.items() if texts}
    if like or dislike:
        notes += _words_notes(settings.model)
    if existing is None:
        text = config_edit.with_watch(before, _entry(folder, given))
    else:
        text = before
        for key, value in _changes(existing, given).items():
            text = config_edit.with_watch_setting(text, inboxes.index(folder), key, value)
    watches = Watches.of(config.parse(text, str(path))).all
    (watch,) = (watch for watch in watches if watch.inbox == folder)
    used = [place for place, _ in watch.label_folders()]
    notes += [] if existing is None else sorted_folders.unused(folder, contents, used)
    row = _response(watch, path, contents, notes)
    if existing is None:
        _count_dates(row, contents.outside(*(place for place, _ in watch.label_folders())))
    for warning in row.warnings:
        print_note(wrapped(f"note: {shortened(warning)}", sys.stderr))
    _make(*(folder for folder, _ in watch.folders()))
    if text != before:
        config_edit.write(path, text)
    # Reload even if this command has not changed the config: the user may have edited it.
    with ProgressBar("starting"):
        dispatch.reload_daemon()
    if as_json:
        if start:
            lifecycle.ensure_started()
        typer.echo(to_json(row))
        return
    _describe(row)
    if existing is not None and existing.taste != watch.taste:
        typer.echo(f"  its taste is {watch.taste} now; it was {existing.taste}")
    _show_next(start=start)


def _show_next(*, start: bool) -> None:
    """Start the daemon if this is wanted, and show the next step."""
    status = lifecycle.ensure_started() if start else lifecycle.running()
    if status is None:
        print_note(f"next: {command()} start")
    elif start:
        lifecycle.print_state(status.state, status.pid, as_json=False)
        show_start(status)
    else:
        print_next_steps(status)


def _describe(row: Response) -> None:
    """Print the folders of a watch, and what they mean."""
    typer.echo(f"watching {short(row.inbox)} (config: {short(row.config)})")
    by_stars = {text_of(parse(number)): folders for number, folders in row.grades.items()}
    for name, folders in {"keep": row.keep, "trash": row.trash, **by_stars}.items():
        for labelling in folders:
            label = name if name in by_stars else f"the label {name}"
            typer.echo(f"  files that you move to {short(labelling)} get {label}")
    if row.xdg_trash:
        typer.echo("  files that you move to the desktop's trash get the label trash")
    if row.left_alone:
        typer.echo(f"  files that imgscore leaves alone: {left_alone_text(row.left_alone)}")


def _response(watch: Watch, config_path: Path, contents: Survey, notes: list[str]) -> Response:
    """Return the row that `init` prints. `notes`: further warnings."""
    markers = find_markers(Path(os.fsdecode(watch.inbox)))
    return Response(
        inbox=os.fsdecode(watch.inbox),
        keep=[os.fsdecode(path) for path in watch.keep],
        trash=[os.fsdecode(path) for path in watch.trash],
        xdg_trash=watch.xdg_trash,
        config=str(config_path),
        warnings=[*(marker.sentence for marker in markers), *notes],
        taste=watch.taste,
        left_alone=dict(sorted(contents.left_alone.items())),
        grades=_graded(watch),
    )


def _count_dates(row: Response, images: list[bytes]) -> None:
    """Count the images of an inbox that have no date in their EXIF data, and warn of them."""
    random.Random(0).shuffle(images)  # a sample must come from all folders
    with ProgressBar("reading dates"):
        read, without = count_without_date(images)
    row.images, row.dates_read = len(images), read
    row.without_date = round(without / read * len(images)) if read else 0
    if without:
        row.warnings.append(_dates_warning(row))


def _dates_warning(row: Response) -> str:
    sampled = row.dates_read < row.images
    count = f"{row.without_date:,}"
    if sampled:  # two digits are as exact as the sample
        count = f"about {float(f'{row.without_date:.1e}'):,.0f}"
    have = "has" if count == "1" else "have"
    source = f" (estimated from {row.dates_read:,} images)" if sampled else ""
    return (
        f"{count} of {counted(row.images, 'image')} {have} no date in EXIF{source}: the file date, "
        "which imgscore changes, is their only date. imgscore stores it first; to get it back: "
        "imgscore restore-times"
    )


def _graded(watch: Watch) -> dict[str, list[str]]:
    """Return the folders of images with stars, by the stars."""
    folders: dict[str, list[str]] = {}
    for path, role in watch.graded:
        folders.setdefault(role.partition(" ")[0], []).append(os.fsdecode(path))
    return folders


def _words_notes(model: str) -> list[str]:
    """Return a note if the model cannot compare images with words."""
    try:
        registry.check_searches(model)
    except ImgscoreError as error:
        return [f"--like and --dislike have no effect yet: {error.message}; {error.remedy}"]
    return []


def _settings(
    *,
    taste: str | None,
    keep: list[str] | None,
    trash: list[str] | None,
    stars: list[str] | None,
    xdg_trash: bool | None,
) -> dict[str, Value]:
    """Return the settings that the user has given, by their names in the config.

    Raises UsageError if a name cannot be written into the config, or if `stars` are wrong.
    """
    given: dict[str, Value] = {}
    for key, value in (("taste", taste), ("keep", keep), ("trash", trash)):
        if value:
            given[key] = value[0] if isinstance(value, list) and len(value) == 1 else value
            _check_utf8(*(value if isinstance(value, list) else [value]))
    if stars:
        folders = star_folders.by_stars(stars)
        _check_utf8(*(name for names in folders.values() for name in names))
        given["grades"] = dict(folders.items())
    if xdg_trash is not None:
        given["xdg_trash"] = xdg_trash
    return given


def _check_utf8(*names: str) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{printable(name)}: the name is not valid UTF-8, "
                "so it cannot be written into the config",
                "rename the folder, or watch the folder above it",
            ) from None


def _changes(watch: config.WatchConfig, given: dict[str, Value]) -> dict[str, Value]:
    """Return the settings of a watch that the given settings change.

    A given label folder is added to the folders that the watch has: if a folder lost its
    label, all images in it would lose their labels too.
    """
    changed: dict[str, Value] = {}
    for key, value in given.items():
        known = getattr(watch, key)
        if isinstance(value, dict):
            lists = {
                stars: longer
                for stars, names in value.items()
                if (longer := _longer(watch, known.get(stars, []), names))
            }
            if lists:
                changed[key] = dict(lists)
        elif key in ("keep", "trash"):
            if longer := _longer(watch, known, _list(value)):
                changed[key] = longer
        elif value != known:
            changed[key] = value
    return changed


def _longer(watch: config.WatchConfig, known: Value, given: str | list[str]) -> list[str] | None:
    """Return the folders of a setting with the given ones added. None: all of them are there."""
    inbox = os.fsdecode(config.expand(watch.inbox))
    folders = {config.expand(folder, inbox): folder for folder in _list(known)}
    new = [name for name in _list(given) if config.expand(name, inbox) not in folders]
    return [*folders.values(), *new] if new else None


def _list(value: Value) -> list[str]:
    return value if isinstance(value, list) else [str(value)]


def _entry(folder: bytes, given: dict[str, Value]) -> dict[str, Value]:
    """Return the settings of a new watch. A setting that has its default value is left out."""
    text = os.fsdecode(folder)
    _check_utf8(text)
    defaults = config.WatchConfig(text)
    changed = {key: value for key, value in given.items() if value != getattr(defaults, key)}
    return {"inbox": text, **changed}


def _creation_note(folder: bytes) -> list[str]:
    """Return a note if a folder is missing, but one with a similar name exists."""
    near = None if os.path.exists(folder) else nearest(folder, folders=True)
    if near is None:
        return []
    path = os.fsdecode(folder)
    return [
        f"{path} does not exist, so imgscore creates it; did you mean {os.fsdecode(near)}? To undo "
        f"this: imgscore unwatch {shlex.quote(path)}"
    ]


def _make(*folders: bytes) -> None:
    for folder in folders:
        try:
            with private.users_umask():  # the folders are the user's, who may share them
                os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{os.fsdecode(folder)} cannot be created: {error.strerror}",
                "give a folder in which you have write permission",
            ) from None
