"""The process behind `imgscore tray`: one icon a session; exits with 4 if it can show none."""

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
    """Show the icon until `quit` or a signal."""
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
    """A backend for the icon. Waits `seconds`: at login the desktop's tray may start after us."""
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
