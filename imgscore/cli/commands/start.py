"""The command `start`: start the daemon in the background."""

from imgscore.cli import lifecycle
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.first_order_view import show_start


@app.command(rich_help_panel=Section.DAEMON)
@prints(lifecycle.DaemonState)
def start(as_json: Json = False) -> None:
    """Start the daemon in the background.

    If the systemd service is installed, this command starts the service. Otherwise it starts a
    process. On a terminal, the command then shows the next step, until the first order is complete.
    Ctrl-C ends only this view.
    """
    status = lifecycle.ensure_started()
    lifecycle.print_state(status.state, status.pid, as_json=as_json)
    if not as_json:
        show_start(status)
