"""service: run the daemon as a systemd user service."""

import typer

from imgscore.cli import lifecycle
from imgscore.cli.app import Json, Section, group
from imgscore.cli.output import printable, to_json
from imgscore.system import systemd

commands = group("service", Section.DAEMON, "Run the daemon as a systemd user service.")


@commands.command()
def install(as_json: Json = False) -> None:
    """Start the daemon now and at every login.

    The service replaces a daemon that already runs.
    """
    status = lifecycle.running()
    if status is not None and systemd.has_manager() and systemd.state().pid != status["pid"]:
        lifecycle.end(status["pid"])
    systemd.install()
    _say(systemd.state(), as_json)


@commands.command()
def uninstall(as_json: Json = False) -> None:
    """Stop the daemon, and remove the service."""
    systemd.uninstall()
    _say(systemd.state(), as_json)


@commands.command()
def status(as_json: Json = False) -> None:
    """Show whether the service is installed, and its state in systemd."""
    _say(systemd.state(), as_json)


def _say(state: systemd.State, as_json: bool) -> None:
    active = state.active or "unknown"
    if as_json:
        row = {
            "unit": str(state.unit),
            "installed": state.installed,
            "enabled": state.enabled,
            "active": active,
            "pid": state.pid or None,
            "executable": str(state.executable) if state.installed else None,
            "error": None,
        }
        typer.echo(to_json(row))
        return
    installed = f"installed in {printable(str(state.unit))}" if state.installed else "not installed"
    typer.echo(f"{installed}; {'enabled' if state.enabled else 'not enabled'}; {active}")
