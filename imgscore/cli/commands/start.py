"""The command `start`: start the daemon in the background."""

import sys

from imgscore import config
from imgscore.cli import lifecycle
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.first_order_view import follow_first_order
from imgscore.cli.progress_bar import ProgressBar
from imgscore.errors import ConfigError
from imgscore.system import systemd


@app.command(rich_help_panel=Section.DAEMON)
@prints(lifecycle.DaemonState)
def start(as_json: Json = False) -> None:
    """Start the daemon in the background.

    If the systemd service is installed, this command starts the service. Otherwise it starts a
    process. On a terminal, the command then shows the next step, until the first order is complete.
    """
    status = lifecycle.running()
    if status is None:
        if not config.load().watch:
            raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
        with ProgressBar("starting"):
            status = lifecycle.start_service() if systemd.is_usable() else lifecycle.start_process()
    lifecycle.print_state(status.state, status.pid, as_json=as_json)
    if sys.stdout.isatty() and not as_json:
        follow_first_order(status)
