"""The Typer application and what every verb file shares."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from imgscore import __version__
from imgscore.cli import completions, dispatch, output
from imgscore.cli.output import printable
from imgscore.verbs.base import Row

app = typer.Typer(
    name="imgscore",
    help="Learns your taste in images and sorts your folders by it, through the file date.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"imgscore {__version__}")
        raise typer.Exit


@app.callback()
def imgscore(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Which this is.")
    ] = False,
) -> None:
    """A callback keeps the verb's name on the command line where only one is loaded."""


Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]
Taste = Annotated[
    str | None,
    typer.Option(
        "--taste", help="Which taste; each watch has one.", autocompletion=completions.tastes
    ),
]
Thumbnails = Annotated[
    bool, typer.Option("--thumbnails/--no-thumbnails", help="Pictures, where the terminal can.")
]
Files = Annotated[list[Path], typer.Argument(help="Image files.")]
Folder = Annotated[
    Path | None, typer.Argument(help="Only this folder.", autocompletion=completions.inboxes)
]


def run(
    verb: str,
    arguments: dict[str, Any],
    human: Any,
    *,
    as_json: bool,
    daemon_only: bool = False,
    nothing: str = "",
) -> None:
    """Carry out a verb, print its rows, and exit with its code."""
    messages = dispatch.call(verb, arguments, daemon_only=daemon_only)
    raise typer.Exit(output.show(messages, human, as_json=as_json, nothing=nothing))


def named(row: Row, text: str) -> str:
    """A line for a row about a file: the text, or its error, and the name."""
    if row.get("error") is not None:
        return f"failed  {printable(row['path'])}: {printable(row['error'])}"
    return f"{text}  {printable(row['path'])}"


def text_of(path: Path | None) -> str | None:
    """A path as the verbs take it: whole, since a daemon has a working folder of its own."""
    return None if path is None else str(path.absolute())


def texts_of(paths: Iterable[Path] | None) -> list[str]:
    """Paths as the verbs take them."""
    return [str(path.absolute()) for path in paths or ()]
