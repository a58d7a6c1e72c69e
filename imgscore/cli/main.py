"""`imgscore`: collects the verb files, and turns errors into messages and exit codes."""

import importlib
import os
import sys

from imgscore.cli import output
from imgscore.cli.app import app
from imgscore.errors import ImgscoreError

# Each of these files registers its verbs when it is imported, in the order that --help shows.
for _name in (
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
    "completion",
    "demo",
):
    importlib.import_module(f"imgscore.cli.{_name}")


def main() -> None:
    """The console script."""
    as_json = "--json" in sys.argv
    try:
        app()
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
