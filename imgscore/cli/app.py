"""The Typer application, and the options and helpers that command files share."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from imgscore import __version__, dispatch
from imgscore.cli import completions, output
from imgscore.config import TASTE_PATTERN
from imgscore.errors import UsageError
from imgscore.messages import MAX_ROWS, BaseRequest, R

Command = TypeVar("Command", bound=Callable[..., None])


class Section(StrEnum):
    """The headings of `imgscore --help`, in the order of the help text."""

    BEGIN = "Set up"
    TEACH = "Teach"
    ORDER = "Score and order"
    DAEMON = "Daemon"
    STORE = "Store and exchange"


class Commands(TyperGroup):
    """All commands of imgscore, sorted by the section of the help text, and then by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of the help text."""
        return [name for section in Section for name in self._names(section)]

    def _names(self, section: Section) -> list[str]:
        panels = {
            name: getattr(self.commands[name], "rich_help_panel", None) for name in self.commands
        }
        return sorted(name for name, panel in panels.items() if panel == section)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands into the help text, as one list for each section."""
        name_width = max(map(len, self.commands))
        for section in Section:
            rows = [
                (
                    name.ljust(name_width),
                    self.commands[name].get_short_help_str(formatter.width - name_width - 6),
                )
                for name in self._names(section)
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


app = typer.Typer(
    name="imgscore",
    help=(
        "Learns which images you like. Sets the dates of your files so that the best images come "
        "first."
    ),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imgscore {__version__}")
        raise typer.Exit


@app.callback()
def imgscore(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Declare the option `--version`, which Typer handles. The function itself does nothing.

    Typer needs a callback such as this function. If the application has only one command and no
    callback, Typer does not accept the name of this command in the command line.
    """


def group(name: str, section: Section, text: str) -> typer.Typer:
    """Add a command with subcommands to the application, and return its Typer object.

    `text`: what the help text says about the command.
    """
    commands = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(commands, name=name, rich_help_panel=section)
    return commands


def _checked_taste(context: typer.Context, name: str | None) -> str | None:
    """Return the name of a taste. Raises UsageError if no taste can have this name.

    A completion of the shell checks nothing.
    """
    if (
        name is not None
        and not context.resilient_parsing
        and re.fullmatch(TASTE_PATTERN, name) is None
    ):
        raise UsageError(
            f"--taste {name}: a taste cannot have this name",
            "use letters, digits, '_', '-' and '.', for example: --taste memes",
        )
    return name


def _taste_option(text: str) -> Any:
    """Return the option `--taste` of a command. `text`: its help text."""
    return typer.Option(
        "--taste", help=text, autocompletion=completions.tastes, callback=_checked_taste
    )


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
]
Taste = Annotated[
    str | None,
    _taste_option(
        "Use this taste. Without it: the taste of the folder, or of the first folder in the config."
    ),
]
OneTaste = Annotated[
    str | None,
    _taste_option("Use this taste. Needed if there are several tastes."),
]
Tastes = Annotated[
    str | None,
    _taste_option("Use only this taste. Without it: all tastes, one after the other."),
]
FileTaste = Annotated[
    str | None,
    _taste_option(
        "Use this taste. Without it: the taste of the watched folder that contains the file."
    ),
]
Thumbnails = Annotated[
    bool,
    typer.Option(
        "--thumbnails/--no-thumbnails", help="Draw thumbnails, if the terminal can show images."
    ),
]
Files = Annotated[list[Path], typer.Argument(help="Image files, and folders of image files.")]
Recursive = Annotated[
    bool,
    typer.Option("-r", "--recursive", help="Include the subfolders of the given folders."),
]
Count = Annotated[
    int, typer.Option("-n", "--count", min=1, max=MAX_ROWS, help="List at most N images.")
]
Folder = Annotated[
    Path | None,
    typer.Argument(
        help="Only this folder. Without it: all watched folders.",
        autocompletion=completions.inboxes,
    ),
]


def prints(response: Any) -> Callable[[Command], Command]:
    """Return a decorator for the function of a command. `response`: the type of the printed rows.

    The decorator stores this type. tools/cli_docs.py makes the tables of docs/cli.md from it.
    """

    def mark(command: Command) -> Command:
        vars(command)["response"] = response
        return command

    return mark


def run(
    request: BaseRequest[R],
    human: Callable[[R], str | None],
    *,
    as_json: bool,
    daemon_only: bool = False,
    nothing: str = "",
) -> None:
    """Call a verb, print its rows, and exit. The exit code is 1 if a row has an error, otherwise 0.

    `human`: a function that returns the text of a row, or None to print nothing.
    `nothing`: the text to print if there are no rows.
    """
    messages = dispatch.call(request, daemon_only=daemon_only)
    raise typer.Exit(output.print_messages(messages, human, as_json=as_json, nothing=nothing))


def text_of(path: Path) -> str:
    """Return the absolute path as text, because the daemon can have another working folder."""
    return str(path.absolute())


def optional_text_of(path: Path | None) -> str | None:
    """Return the absolute path as text, or None if `path` is None."""
    return None if path is None else text_of(path)


def texts_of(paths: Iterable[Path] | None) -> list[str]:
    """Return the absolute paths as texts. If `paths` is None, the list is empty."""
    return [text_of(path) for path in paths or ()]
