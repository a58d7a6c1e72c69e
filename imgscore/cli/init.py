"""init: watch a folder."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from imgscore import config, config_text, places
from imgscore.cli import session
from imgscore.cli.app import Json, app
from imgscore.cli.output import printable, say, to_json
from imgscore.errors import UsageError
from imgscore.order.markers import find_markers
from imgscore.watches import Watches


@app.command()
def init(
    inbox: Annotated[Path, typer.Argument(help="The folder to keep in order; made if missing.")],
    taste: Annotated[
        str, typer.Option(help="Folders with one taste teach each other.")
    ] = "default",
    as_json: Json = False,
) -> None:
    """Watch a folder: make it with keep/ and trash/ in it, and write it into the config."""
    path = places.config_file()
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    settings = config.parse(before, str(path))
    folder = config.expand(str(inbox), os.getcwd())
    known = [watch for watch in Watches.of(settings).all if watch.inbox == folder]
    if not known:
        text = before + _entry(folder, taste, first=not before)
        known = [
            one for one in Watches.of(config.parse(text, str(path))).all if one.inbox == folder
        ]
        _make(known[0].inbox, *known[0].keep, *known[0].trash)
        config_text.write(path, text)
        session.tell_daemon()
    else:
        _make(known[0].inbox, *known[0].keep, *known[0].trash)
    watch = known[0]
    warnings = [marker.sentence for marker in find_markers(Path(os.fsdecode(watch.inbox)))]
    row = {
        "inbox": os.fsdecode(watch.inbox),
        "keep": [os.fsdecode(one) for one in watch.keep],
        "trash": [os.fsdecode(one) for one in watch.trash],
        "config": str(path),
        "warnings": warnings,
        "error": None,
    }
    for warning in warnings:
        say(f"note: {printable(warning)}")
    if as_json:
        typer.echo(to_json(row))
        return
    typer.echo(f"watching {printable(os.fsdecode(watch.inbox))} (config: {printable(str(path))})")
    for name, folders in (("keep", watch.keep), ("trash", watch.trash)):
        for one in folders:
            typer.echo(f"  what you move to {printable(os.fsdecode(one))} teaches: {name}")


def _entry(folder: bytes, taste: str, *, first: bool) -> str:
    try:
        text = folder.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"{printable(os.fsdecode(folder))}: the folder's name is not UTF-8, as TOML must be",
            "watch the folder above it, or rename it",
        ) from None
    # JSON's string escapes are TOML's.
    entry = f"[[watch]]\ninbox = {json.dumps(text, ensure_ascii=False)}\n"
    if taste != "default":
        entry += f"taste = {json.dumps(taste)}\n"
    return entry if first else f"\n{entry}"


def _make(*folders: bytes) -> None:
    for folder in folders:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{os.fsdecode(folder)} cannot be made: {error.strerror}",
                "choose a folder that you may write to",
            ) from None
