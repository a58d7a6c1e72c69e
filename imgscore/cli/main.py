"""`imgscore`: imports the file of the verb called; errors become messages and exit codes."""

import importlib
import os
import sys
from typing import TYPE_CHECKING

from imgscore.cli import output
from imgscore.cli.app import app
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    from typer import Typer

# Each of these files registers its verbs when it is imported, in the order that --help shows.
FILES = (
    "init",
    "status",
    "watch_log",
    "scan",
    "score",
    "label",
    "train",
    "study",
    "report",
    "review",
    "heads",
    "table",
    "order",
    "history",
    "service",
    "unit",
    "tray",
    "model",
    "embed",
    "db",
    "config",
    "doctor",
    "demo",
)
# Verbs that are not in the file of their own name.
ELSEWHERE = {
    "wait": "status",
    "import-labels": "label",
    "evaluate": "study",
    "suspects": "study",
    "next": "study",
    "explain": "study",
    "export": "table",
    "import": "table",
    "restore-times": "order",
    "undo": "history",
    "service": "unit",
    "start": "service",
    "stop": "service",
    "pause": "service",
    "resume": "service",
}


def file_of(verb: str) -> str | None:
    """The file that holds a verb; None where there is no such verb."""
    name = ELSEWHERE.get(verb, verb.replace("-", "_"))
    return name if name in FILES else None


def load(verb: str = "") -> "Typer":
    """The application with one verb, or with all: each file takes its time to import."""
    if verb == "--version":
        return app
    wanted = file_of(verb)
    for name in FILES if wanted is None else (wanted,):
        importlib.import_module(f"imgscore.cli.{name}")
    return app


def main() -> None:
    """The console script."""
    as_json = "--json" in sys.argv
    # A shell that completes asks for all verbs, whatever stands on its command line.
    completing = any(name.startswith("_IMGSCORE_") for name in os.environ)
    try:
        load("" if completing or len(sys.argv) == 1 else sys.argv[1])()
    except ImgscoreError as error:
        output.complain(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `imgscore … | head`: whoever read has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
