"""The console script `imgscore`. It imports one command, runs the command, and prints errors."""

import contextlib
import errno
import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING, NoReturn

from imgscore import paths
from imgscore.cli import commands, output, streams
from imgscore.cli.app import app
from imgscore.errors import ImgscoreError, UsageError
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
    streams.prepare()
    try:
        try:
            private.protect(paths.private_folders())
            load("" if completing or len(sys.argv) == 1 else sys.argv[1])()
        finally:
            streams.flush()
    except ImgscoreError as error:
        _fail(error, as_json=as_json)
    except BrokenPipeError:
        # The reader of the pipe, such as `head` in `imgscore … | head`, has closed the pipe.
        streams.discard()
        sys.exit(1)
    except OSError as error:
        _fail(_of_system(error), as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(error: ImgscoreError, *, as_json: bool) -> NoReturn:
    """Print an error and exit with its exit code."""
    streams.discard()
    with contextlib.suppress(OSError):  # stderr cannot be written, either
        output.print_error(error, as_json=as_json)
    sys.exit(error.exit_code)


def _of_system(error: OSError) -> ImgscoreError:
    """Return the error that describes an error of the operating system to the user."""
    try:
        os.getcwd()
    except OSError:
        return UsageError("the current folder was deleted", "change to another folder: cd")
    if error.filename is None and error.errno in streams.WRITE_ERRORS:
        return streams.unwritable(error)
    if error.filename is None:
        return ImgscoreError(error.strerror or str(error), "see: imgscore doctor")
    name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ImgscoreError(os.strerror(error.errno), "raise the limit of open files: ulimit -n")
    return ImgscoreError(f"{name}: {error.strerror}", "check the name and the permissions")


if __name__ == "__main__":
    main()
