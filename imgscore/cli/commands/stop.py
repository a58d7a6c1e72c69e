"""The command `stop`: stop the daemon."""

from imgscore.cli import lifecycle
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.progress_bar import ProgressBar
from imgscore.errors import NoDaemonError
from imgscore.system import systemd


@app.command(rich_help_panel=Section.DAEMON)
@prints(lifecycle.DaemonState)
def stop(as_json: Json = False) -> None:
    """Stop the daemon.

    The daemon first finishes writing to the store.
    """
    pid = lifecycle.daemon_pid()
    if pid is not None:
        with ProgressBar("stopping"):
            lifecycle.end(pid)
    elif systemd.is_usable() and systemd.state().active == "activating":
        # The daemon fails at each start. Without this call, systemd would start it again and again.
        systemd.stop()
    else:
        raise NoDaemonError("no daemon is running, so there is nothing to stop")
    lifecycle.print_state("stopped", pid, as_json=as_json)
