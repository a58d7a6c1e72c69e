"""The icon at login: `tray --install` writes valid files, and `--uninstall` removes them."""

import os
import subprocess
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.system import installation, tray_autostart
from tests.support import needs
from tests.support.commands import BIN, imgscore


def test_tray_at_login_option_writes_and_removes_files(environment: Path) -> None:
    folder = environment / "config"
    answer = imgscore("tray", "--install", "--json")
    assert answer.code == 0 and answer.row["installed"]
    entry, unit, link = (Path(file) for file in answer.row["files"])
    program = str(BIN / "imgscore")
    assert f'Exec="{program}" tray --wait 60\n' in entry.read_text()
    assert f'ExecStart="{program}" tray --wait 60\n' in unit.read_text()
    assert link.resolve() == unit
    assert imgscore("tray", "--install").code == 0  # again is fine
    answer = imgscore("tray", "--uninstall", "--json")
    assert answer.code == 0 and not answer.row["installed"]
    assert not list(folder.rglob("*tray*"))
    assert imgscore("tray", "--install", "--uninstall").code == 2
    assert not paths.config_file().exists() and not paths.data_folder().exists()


def test_tray_at_login_unwritable_folder_is_an_error(environment: Path) -> None:
    (environment / "config" / "autostart").write_text("a file")
    answer = imgscore("tray", "--install")
    assert answer.code == 1 and "autostart" in answer.err and "Traceback" not in answer.err


@pytest.mark.parametrize("name", ["bin", "two  words", "of $HOME `x` é"])
def test_tray_at_login_files_are_valid_and_start_the_tray(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / name / "imgscore"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho $* > '{tmp_path}/started'\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [os.fspath(program)])
    files = tray_autostart.files()
    tray_autostart.install()
    _valid("systemd-analyze", "--user", "verify", os.fspath(files.unit))
    _valid("desktop-file-validate", os.fspath(files.entry))
    # Start the entry as a desktop does. The program inherits our pipe, so this waits for its end.
    needs.program("gio", "libglib2.0-bin")
    _valid("gio", "launch", os.fspath(files.entry))
    assert (tmp_path / "started").read_text() == "tray --wait 60\n"


def test_tray_at_login_shipped_files_are_valid() -> None:
    _valid(
        "systemd-analyze", "--user", "verify", os.fspath(installation.template(tray_autostart.UNIT))
    )
    _valid("desktop-file-validate", os.fspath(installation.template(tray_autostart.ENTRY)))


def _valid(*command: str) -> None:
    needs.program(command[0], "systemd desktop-file-utils")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # systemd-analyze also reports the faults of other units of the machine.
    name = os.path.basename(command[-1])
    reports = (done.stdout + done.stderr).splitlines()
    about = [line for line in reports if name in line or command[0] != "systemd-analyze"]
    assert done.returncode == 0 and not about, done.stderr
