"""Files and programs that came with this very imgscore, wherever it was installed."""

import os
import shutil
import sys
import sysconfig
from importlib.metadata import files
from pathlib import Path

from imgscore.errors import ImgscoreError


def program(name: str) -> Path:
    """`imgscore` or `imgscored` of this installation: in a venv, from pipx, or --user."""
    for folder in (Path(sys.argv[0]).absolute().parent, Path(sysconfig.get_path("scripts"))):
        if os.access(folder / name, os.X_OK):
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise ImgscoreError(f"{name} is not where imgscore is", "reinstall imgscore")
    return Path(found)


def quoted(text: str) -> str:
    """A word as a unit takes it."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def exec_quoted(path: Path) -> str:
    """A program as ExecStart takes it. systemd expands no $ in it, and starts none with a quote."""
    text = os.fspath(path)
    if any(letter in text for letter in "\"'\\"):
        raise ImgscoreError(
            f"systemd starts no program with a quote or backslash in its path: {text}",
            "install imgscore elsewhere",
        )
    return quoted(text)


def template(name: str) -> Path:
    """A file of systemd/: of a checkout, or as it was installed with the package."""
    checkout = Path(__file__).parents[1] / "systemd" / name
    if checkout.exists():
        return checkout
    for file in files("imgscore") or ():
        found = Path(str(file.locate())).resolve()
        if file.name == name and found.exists():
            return found
    raise ImgscoreError(f"{name} is missing", "reinstall imgscore")


def user_config_folder() -> Path:
    """`$XDG_CONFIG_HOME`: where units and autostart entries go."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(base) if base.startswith("/") else Path.home() / ".config"
