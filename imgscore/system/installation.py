"""This module finds the files and programs of the installation of imgscore that is running now."""

import os
import shutil
import sys
import sysconfig
from importlib.metadata import files
from pathlib import Path

from imgscore.errors import ImgscoreError


def program(name: str) -> Path:
    """Return the path of the program `imgscore` or `imgscored` of this installation.

    The installation may be a virtual environment, pipx or `pip install --user`. Raises
    ImgscoreError if the program is missing.
    """
    for folder in (Path(sys.argv[0]).absolute().parent, Path(sysconfig.get_path("scripts"))):
        if os.access(folder / name, os.X_OK):
            return folder / name
    path = shutil.which(name)
    if path is None:
        raise ImgscoreError(f"the program {name} is missing", "reinstall imgscore")
    return Path(path)


def quoted(text: str) -> str:
    """Return `text`, quoted so that it is one word in a systemd unit."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def exec_quoted(path: Path) -> str:
    """Return the path of a program, quoted for ExecStart.

    systemd does not expand $ in the path of the program, so $ is not escaped. Raises ImgscoreError
    if the path contains a quote or a backslash, because systemd cannot start such a program.
    """
    text = os.fspath(path)
    if any(letter in text for letter in "\"'\\"):
        raise ImgscoreError(
            f"systemd cannot start a program with a quote or backslash in its path: {text}",
            "install imgscore elsewhere",
        )
    return quoted(text)


def template(name: str) -> Path:
    """Return the path of a file that the project ships in its folder systemd/.

    The file is in the checkout, or it was installed with the package. Raises ImgscoreError if the
    file is missing.
    """
    checkout = Path(__file__).parents[2] / "systemd" / name
    if checkout.exists():
        return checkout
    for file in files("imgscore") or ():
        installed = Path(str(file.locate())).resolve()
        if file.name == name and installed.exists():
            return installed
    raise ImgscoreError(f"{name} is missing", "reinstall imgscore")


def user_config_folder() -> Path:
    """Return `$XDG_CONFIG_HOME`, or `~/.config` if that variable is not set.

    This folder contains the systemd units and the autostart entries of the user.
    """
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(base) if base.startswith("/") else Path.home() / ".config"
