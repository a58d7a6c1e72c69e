"""The process that `imgscore tray` starts. Each session has at most one icon.

The process exits with code 4 if it cannot show an icon.
"""

import argparse
import sys
import time

from imgscore import paths
from imgscore.cli.output import print_error
from imgscore.errors import ImgscoreError, NoDesktopError
from imgscore.store.lock import BusyError, StoreLock
from imgscore.system import tray_backend
from imgscore.system.tray_backend import Backend

POLL_SECONDS = 1.0


def main() -> None:
    """Show the icon until the user quits it in the menu, or until a signal arrives."""
    parser = argparse.ArgumentParser(prog="imgscore tray")
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        backend = _find_backend(arguments.wait)
        with StoreLock(paths.runtime_folder() / "tray"):
            from imgscored.tray.tray import Tray

            Tray(backend).run()
    except BusyError:
        sys.stderr.write("imgscore: the tray icon is shown already\n")
    except ImgscoreError as error:
        print_error(error, as_json=arguments.json)
        sys.exit(error.exit_code)


def _find_backend(seconds: float) -> Backend:
    """Return a backend that can show the icon. Wait at most `seconds` for a backend.

    At login, the desktop's tray may start after this process. Raises NoDesktopError if no backend
    was found in this time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return tray_backend.find_backend()
        except NoDesktopError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
