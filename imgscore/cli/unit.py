"""service install, uninstall and status: the daemon as a systemd user service."""

import shutil
import subprocess
from pathlib import Path

import typer

from imgscore.cli import shipped
from imgscore.cli.app import Json, app
from imgscore.cli.output import printable, to_json
from imgscore.errors import ImgscoreError

NAME = "imgscored.service"
group = typer.Typer(
    help="The daemon as a systemd user service.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(group, name="service")


@group.command()
def install(as_json: Json = False) -> None:
    """Start the daemon now, and at every login."""
    _need_manager()
    text = shipped.template(NAME).read_text(encoding="utf-8")
    text = text.replace("@IMGSCORED@", shipped.exec_quoted(shipped.program("imgscored")))
    path = _unit()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", NAME)
    _say(_state(), as_json)


@group.command()
def uninstall(as_json: Json = False) -> None:
    """End the daemon, and do not start it again."""
    if _unit().exists():
        _need_manager()
        _systemctl("disable", "--now", NAME)
        _unit().unlink()
        _systemctl("daemon-reload")
    _say(_state(), as_json)


@group.command()
def status(as_json: Json = False) -> None:
    """Whether the service is installed, and what systemd says of it."""
    _say(_state(), as_json)


def _unit() -> Path:
    return shipped.user_config_folder() / "systemd" / "user" / NAME


def _need_manager() -> None:
    if shutil.which("systemctl") is None:
        raise ImgscoreError("there is no systemd here", "use: imgscore start")
    if _ask("is-system-running") in ("", "offline", "unknown"):
        raise ImgscoreError("no systemd user manager is running", "use: imgscore start")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip() or f"exit status {done.returncode}"
        raise ImgscoreError(
            f"systemctl --user {' '.join(arguments)}: {said}", f"see: journalctl --user -u {NAME}"
        )


def _ask(*arguments: str) -> str:
    if shutil.which("systemctl") is None:
        return ""
    done = subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _state() -> dict[str, object]:
    return {
        "unit": str(_unit()),
        "installed": _unit().exists(),
        "enabled": _ask("is-enabled", NAME) == "enabled",
        "active": _ask("is-active", NAME) or "unknown",
        "error": None,
    }


def _say(row: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(row))
        return
    installed = (
        f"installed in {printable(str(row['unit']))}" if row["installed"] else "not installed"
    )
    typer.echo(f"{installed}; {'enabled' if row['enabled'] else 'not enabled'}; {row['active']}")
