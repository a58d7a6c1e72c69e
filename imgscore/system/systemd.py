"""The daemon as a systemd user service: its unit, and what systemd says of it.

Only `install` and `uninstall` write; every other call just looks. Raises ImgscoreError.
"""

import os
import pwd
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from imgscore.errors import ImgscoreError
from imgscore.system import installation

NAME = "imgscored.service"
# The unit as it is shipped can be used as it is where imgscored is on the manager's path.
START = "ExecStart=/usr/bin/env imgscored\n"
PLACES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")


class State(NamedTuple):
    """What there is, and what runs. `pid` is 0 where nothing does."""

    unit: Path
    executable: Path | None
    """what the unit starts; None where it is not installed"""
    enabled: bool
    active: str
    """as systemd says it: active, activating, inactive, failed …; "" where there is no manager"""
    pid: int

    @property
    def installed(self) -> bool:
        """Whether there is a unit."""
        return self.executable is not None


def path() -> Path:
    """Where the unit is installed to."""
    return installation.user_config_folder() / "systemd" / "user" / NAME


def is_usable() -> bool:
    """Whether the unit is installed, and a user manager is there to start it."""
    return path().exists() and has_manager()


def has_manager() -> bool:
    """Whether a systemd user manager answers."""
    return _ask("is-system-running") not in ("", "offline", "unknown")


def state() -> State:
    """What there is now."""
    file = path()
    executable = _executable(file.read_text(encoding="utf-8")) if file.exists() else None
    if not has_manager():
        return State(file, executable, enabled=False, active="", pid=0)
    shown = _ask("show", "--property=ActiveState,MainPID", NAME)
    facts = dict(line.split("=", 1) for line in shown.splitlines())
    enabled = _ask("is-enabled", NAME) == "enabled"
    return State(file, executable, enabled, facts["ActiveState"], int(facts["MainPID"]))


def lingers() -> bool:
    """Whether the user's services run from boot to shutdown, and not only while logged in."""
    return Path("/var/lib/systemd/linger", pwd.getpwuid(os.getuid()).pw_name).exists()


def install() -> None:
    """Write the unit for this very program, and let it run now and at every login."""
    _need_manager()
    file, text = path(), wanted()
    changed = not file.exists() or file.read_text(encoding="utf-8") != text
    if changed:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ImgscoreError(
                f"{file}: cannot be written: {error.strerror}", "check the folder's permissions"
            ) from None
        _systemctl("daemon-reload")
    _systemctl("enable", NAME)
    _systemctl("restart" if changed else "start", NAME)


def uninstall() -> None:
    """End the service and remove its unit."""
    if path().exists():
        _need_manager()
        _systemctl("disable", "--now", NAME)
        path().unlink()
        _systemctl("daemon-reload")


def start() -> None:
    """Start the service; returns when it is ready."""
    _systemctl("start", NAME)


def stop() -> None:
    """End the service; returns when it has ended."""
    _systemctl("stop", NAME)


def wanted() -> str:
    """The unit that belongs to this very program: with its own path, and the places it uses."""
    places = ((name, os.environ.get(name, "")) for name in PLACES)
    lines = [
        f"Environment={installation.quoted(f'{name}={value}')}\n"
        for name, value in places
        if value.startswith("/")
    ]
    lines.append(f"ExecStart={installation.exec_quoted(installation.program('imgscored'))}\n")
    return installation.template(NAME).read_text(encoding="utf-8").replace(START, "".join(lines))


def _executable(text: str) -> Path:
    """What a unit starts: the inverse of `wanted`."""
    for line in text.splitlines():
        if line.startswith("ExecStart="):
            words = shlex.split(line.removeprefix("ExecStart="))
            if words:
                return Path(words[0].replace("%%", "%"))
    return Path()


def _need_manager() -> None:
    if shutil.which("systemctl") is None:
        raise ImgscoreError("there is no systemd here", "use: imgscore start")
    if not has_manager():
        raise ImgscoreError("no systemd user manager is running", "use: imgscore start")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip() or f"exit status {done.returncode}"
        raise ImgscoreError(
            f"systemctl --user {' '.join(arguments)}: {said}", "see: imgscore doctor"
        )


def _ask(*arguments: str) -> str:
    if shutil.which("systemctl") is None:
        return ""
    done = subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
