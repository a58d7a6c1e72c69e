"""The command `service`: run the daemon as a systemd user service."""

import msgspec
import typer

from imgscore.cli import lifecycle
from imgscore.cli.app import Json, Section, group, prints
from imgscore.cli.output import to_json
from imgscore.cli.path_text import short
from imgscore.system import systemd


class ServiceState(msgspec.Struct):
    """The systemd user service of the daemon."""

    unit: str
    """the file of the systemd unit"""
    installed: bool
    """true if the file of the unit exists"""
    enabled: bool
    """true if the daemon starts at login"""
    active: str
    """the state of the unit, such as `active` or `inactive`; `unknown` if systemd does not run"""
    pid: int | None
    """the process id of the daemon; null if no daemon runs"""
    executable: str | None
    """the program that the unit starts; null if the unit is not installed"""
    error: str | None = None
    """always null"""


commands = group("service", Section.DAEMON, "Run the daemon as a systemd user service.")


@commands.command()
@prints(ServiceState)
def install(as_json: Json = False) -> None:
    """Start the daemon now and at every login.

    The service replaces a daemon that already runs.
    """
    pid = lifecycle.daemon_pid()
    if pid is not None and systemd.has_manager() and systemd.state().pid != pid:
        lifecycle.end(pid)
    systemd.install()
    _say(systemd.state(), as_json)


@commands.command()
@prints(ServiceState)
def uninstall(as_json: Json = False) -> None:
    """Stop the daemon, and remove the service."""
    systemd.uninstall()
    _say(systemd.state(), as_json)


@commands.command()
@prints(ServiceState)
def status(as_json: Json = False) -> None:
    """Show the state of the service."""
    _say(systemd.state(), as_json)


def _say(state: systemd.State, as_json: bool) -> None:
    active = state.active or "unknown"
    if as_json:
        row = ServiceState(
            unit=str(state.unit),
            installed=state.installed,
            enabled=state.enabled,
            active=active,
            pid=state.pid or None,
            executable=str(state.executable) if state.installed else None,
        )
        typer.echo(to_json(row))
        return
    installed = f"installed in {short(str(state.unit))}" if state.installed else "not installed"
    typer.echo(f"{installed}; {'enabled' if state.enabled else 'not enabled'}; {active}")
