"""This module manages the daemon as a systemd user service.

It installs, starts and stops the unit of the service, and reads the state of the unit. Only
`install` and `uninstall` write files. The functions raise ImgscoreError.
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
# The function `wanted` replaces this line of the shipped unit. In the line, `env` searches PATH
# for imgscored.
START = "ExecStart=/usr/bin/env imgscored\n"
FOLDER_VARIABLES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "IMGSCORE_MODEL_DIR")


class State(NamedTuple):
    """The state of the unit and of the process that the unit started.

    A `pid` of 0 means that no process is running.
    """

    unit: Path
    executable: Path | None
    """The path of the program that the unit starts; None if the unit is not installed."""
    enabled: bool
    active: str
    """The ActiveState that systemd reports: active, activating, inactive, failed …

    It is "" if no user manager is running.
    """
    pid: int

    @property
    def installed(self) -> bool:
        """Whether the unit is installed."""
        return self.executable is not None


def path() -> Path:
    """Return the path of the installed unit, whether or not the file exists."""
    return installation.user_config_folder() / "systemd" / "user" / NAME


def is_usable() -> bool:
    """Return whether the unit is installed and a user manager is running."""
    return path().exists() and has_manager()


def has_manager() -> bool:
    """Return whether a systemd user manager is running."""
    return _ask("is-system-running") not in ("", "offline", "unknown")


def state() -> State:
    """Return the present state of the unit and of its process."""
    file = path()
    executable = _executable(file.read_text(encoding="utf-8")) if file.exists() else None
    if not has_manager():
        return State(file, executable, enabled=False, active="", pid=0)
    output = _ask("show", "--property=ActiveState,MainPID", NAME)
    properties = dict(line.split("=", 1) for line in output.splitlines())
    enabled = _ask("is-enabled", NAME) == "enabled"
    return State(file, executable, enabled, properties["ActiveState"], int(properties["MainPID"]))


def lingers() -> bool:
    """Return whether the user's services run from boot to shutdown.

    Return False if the services run only while the user is logged in.
    """
    return Path("/var/lib/systemd/linger", pwd.getpwuid(os.getuid()).pw_name).exists()


def install() -> None:
    """Write the unit, start the service, and enable the service for every login."""
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
    """Stop the service and delete its unit."""
    if path().exists():
        _need_manager()
        _systemctl("disable", "--now", NAME)
        path().unlink()
        _systemctl("daemon-reload")


def start() -> None:
    """Start the service. Return when the service is ready."""
    _systemctl("start", NAME)


def stop() -> None:
    """Stop the service. Return when the service has ended."""
    _systemctl("stop", NAME)


def wanted() -> str:
    """Return the text that the unit must have.

    The text contains the program path and the XDG folders of this installation.
    """
    variables = ((name, os.environ.get(name, "")) for name in FOLDER_VARIABLES)
    lines = [
        f"Environment={installation.quoted(f'{name}={value}')}\n"
        for name, value in variables
        if value.startswith("/")
    ]
    lines.append(f"ExecStart={installation.exec_quoted(installation.program('imgscored'))}\n")
    return installation.template(NAME).read_text(encoding="utf-8").replace(START, "".join(lines))


def _executable(text: str) -> Path:
    """Return the path of the program that a unit starts.

    `text`: the text of the unit, as `wanted` returns it.
    """
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
        reason = done.stderr.strip() or f"exit status {done.returncode}"
        raise ImgscoreError(
            f"systemctl --user {' '.join(arguments)}: {reason}", "see: imgscore doctor"
        )


def _ask(*arguments: str) -> str:
    if shutil.which("systemctl") is None:
        return ""
    done = subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
