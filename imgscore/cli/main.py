"""The console script `imgscore`. It imports one command, runs the command, and prints errors."""

import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

from imgscore import paths
from imgscore.cli import commands, output
from imgscore.cli.app import app
from imgscore.errors import ImgscoreError
from imgscore.system import private

if TYPE_CHECKING:
    from typer import Typer


def modules() -> dict[str, str]:
    """Return a dict from the name of each command to the name of its module in commands/."""
    names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    return {name.rstrip("_").replace("_", "-"): name for name in names}


def load(command: str = "") -> "Typer":
    """Import one command, and return the application, which then contains this command.

    If `command` is not the name of a command, import all commands, which takes 0.1 s longer.
    """
    if command == "--version":
        return app
    by_name = modules()
    for name in [by_name[command]] if command in by_name else by_name.values():
        importlib.import_module(f"{commands.__name__}.{name}")
    return app


def main() -> None:
    """Run the command in sys.argv. If it fails, print the error and exit with its exit code."""
    as_json = "--json" in sys.argv
    # If a shell asks for completions, import all commands, even if sys.argv names one of them.
    completing = any(name.startswith("_IMGSCORE_") for name in os.environ)
    try:
        private.protect(paths.private_folders())
        load("" if completing or len(sys.argv) == 1 else sys.argv[1])()
    except ImgscoreError as error:
        output.print_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of the pipe, such as `head` in `imgscore … | head`, has closed the pipe. Write
        # the rest of the output to /dev/null. Otherwise Python prints an error when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
