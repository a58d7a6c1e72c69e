"""`imgscore tray` is this process: one icon a session, exit code 4 where none can be shown."""

import argparse
import sys
import time

from imgscore import paths
from imgscore.cli.output import complain
from imgscore.errors import ImgscoreError, NoDesktopError
from imgscore.store.lock import BusyError, StoreLock
from imgscore.system import tray_backend
from imgscore.system.tray_backend import Backend

LOOK_SECONDS = 1.0


def main() -> None:
    """Show the icon until it is told to end."""
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
        complain(error, as_json=arguments.json)
        sys.exit(error.exit_code)


def _find_backend(seconds: float) -> Backend:
    """How the icon can be shown; at login the tray may come up later than we do."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return tray_backend.find_backend()
        except NoDesktopError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
