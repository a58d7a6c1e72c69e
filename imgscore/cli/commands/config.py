"""The command `config`: show and check the config."""

import msgspec
import typer

from imgscore import config as configuration
from imgscore import paths
from imgscore.cli.app import Json, Section, group, prints
from imgscore.cli.output import printable, to_json
from imgscore.cli.path_text import short
from imgscore.config import Config
from imgscore.links.settings import folders_of
from imgscore.watches import Watches


class CheckedConfig(msgspec.Struct):
    """A config file that was checked and has no errors."""

    file: str
    """the config file"""
    watches: int
    """the number of watches in the config"""
    error: str | None = None
    """always null"""


commands = group("config", Section.BEGIN, "Show or check the config.")


@commands.command()
def show(as_json: Json = False) -> None:
    """Print all settings in use, including the default values."""
    path = paths.config_file()
    settings = configuration.load(path) if path.exists() else Config()
    tree = msgspec.to_builtins(settings)
    if as_json:
        typer.echo(to_json({"file": str(path), **tree}))
        return
    typer.echo(f"# {printable(str(path))}{'' if path.exists() else ' (does not exist yet)'}")
    for name, value in tree.items():
        if not isinstance(value, dict | list):
            typer.echo(f"{name} = {_toml(value)}")
    for key in ("watch", "links"):
        for table in tree[key]:
            typer.echo(f"\n[[{key}]]")
            for name, value in table.items():
                typer.echo(f"{name} = {_toml(value)}")
    typer.echo("\n[daemon]")
    for name, value in tree["daemon"].items():
        typer.echo(f"{name} = {_toml(value)}")


@commands.command()
@prints(CheckedConfig)
def check(as_json: Json = False) -> None:
    """Check the config. The exit code is 3 if it is wrong."""
    from imgscore.embedders import devices, registry

    path = paths.config_file()
    settings = configuration.load(path)
    folders_of(settings, Watches.of(settings))
    devices.check(settings.device)
    registry.spec(settings.model)
    row = CheckedConfig(str(path), len(settings.watch))
    typer.echo(to_json(row) if as_json else f"{short(str(path))} is valid")


def _toml(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
