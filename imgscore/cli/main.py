"""The console script: imports the called command's file, runs it, and reports errors."""

import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

from imgscore.cli import commands, output
from imgscore.cli.app import app
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    from typer import Typer


def modules() -> dict[str, str]:
    """The commands and their modules: each file in commands/ is a command."""
    names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    return {name.rstrip("_").replace("_", "-"): name for name in names}


def load(command: str = "") -> "Typer":
    """The application with one command, or with all. Importing all takes 0.1 s longer."""
    if command == "--version":
        return app
    by_name = modules()
    for name in [by_name[command]] if command in by_name else by_name.values():
        importlib.import_module(f"{commands.__name__}.{name}")
    return app


def main() -> None:
    """The console script."""
    as_json = "--json" in sys.argv
    # A shell that completes needs all commands, whatever its command line contains.
    completing = any(name.startswith("_IMGSCORE_") for name in os.environ)
    try:
        load("" if completing or len(sys.argv) == 1 else sys.argv[1])()
    except ImgscoreError as error:
        output.print_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `imgscore … | head`: the reader has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
