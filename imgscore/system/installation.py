"""Finds the files and programs of the imgscore that runs now, wherever it was installed."""

import os
import shutil
import sys
import sysconfig
from importlib.metadata import files
from pathlib import Path

from imgscore.errors import ImgscoreError


def program(name: str) -> Path:
    """Return the path of `imgscore` or `imgscored` of this installation (venv, pipx, --user)."""
    for folder in (Path(sys.argv[0]).absolute().parent, Path(sysconfig.get_path("scripts"))):
        if os.access(folder / name, os.X_OK):
            return folder / name
    path = shutil.which(name)
    if path is None:
        raise ImgscoreError(f"the program {name} is missing", "reinstall imgscore")
    return Path(path)


def quoted(text: str) -> str:
    """Quote a word for a systemd unit."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def exec_quoted(path: Path) -> str:
    """Quote a program for ExecStart, in which systemd expands no $.

    Raises ImgscoreError for a path with a quote or backslash: systemd cannot start it.
    """
    text = os.fspath(path)
    if any(letter in text for letter in "\"'\\"):
        raise ImgscoreError(
            f"systemd cannot start a program with a quote or backslash in its path: {text}",
            "install imgscore elsewhere",
        )
    return quoted(text)


def template(name: str) -> Path:
    """Return the path of a file of systemd/: in the checkout, or installed with the package."""
    checkout = Path(__file__).parents[2] / "systemd" / name
    if checkout.exists():
        return checkout
    for file in files("imgscore") or ():
        installed = Path(str(file.locate())).resolve()
        if file.name == name and installed.exists():
            return installed
    raise ImgscoreError(f"{name} is missing", "reinstall imgscore")


def user_config_folder() -> Path:
    """Return `$XDG_CONFIG_HOME`: the folder of units and autostart entries."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(base) if base.startswith("/") else Path.home() / ".config"
