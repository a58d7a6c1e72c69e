"""The unit starts the program of this installation, and systemd accepts it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imgscore.errors import ImgscoreError
from imgscore.system import installation, systemd
from tests.support.commands import imgscore

NAMES = ["bin", "two  words", "100% of $HOME, ${x}; é"]


@pytest.mark.parametrize("name", NAMES)
def test_wanted_unit_starts_the_program_of_this_installation(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / name / "imgscored"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [os.fspath(program.with_name("imgscore"))])
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(tmp_path / name / "data"))
    text = systemd.wanted()
    assert text.count("ExecStart=") == 1 and "Environment=" in text
    systemd.path().parent.mkdir(parents=True)
    systemd.path().write_text(text)
    assert systemd.state().executable == program
    verify(systemd.path())


def test_exec_quoted_with_quote_or_backslash_raises(tmp_path: Path) -> None:
    for letter in "\"'\\":
        with pytest.raises(ImgscoreError, match="cannot start a program"):
            installation.exec_quoted(tmp_path / letter / "imgscored")


def test_template_shipped_unit_is_valid(tmp_path: Path) -> None:
    template = installation.template(systemd.NAME)
    assert template.read_text().count(systemd.START) == 1
    verify(template)


def verify(file: Path) -> None:
    """Assert that systemd-analyze --user verify reports nothing about the file.

    It also reports the faults of other units of the machine.
    """
    if shutil.which("systemd-analyze") is None:
        pytest.skip("apt install systemd")
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", file], capture_output=True, text=True, check=False
    )
    reports = (done.stdout + done.stderr).splitlines()
    about = [line for line in reports if file.name in line or os.fspath(file) in line]
    assert done.returncode == 0 and not about, done.stderr


def test_install_without_a_manager_writes_nothing(environment: Path) -> None:
    answer = imgscore("service", "install")
    assert answer.code == 1 and "imgscore start" in answer.err
    row = imgscore("service", "status", "--json").row
    assert (row["installed"], row["enabled"], row["active"]) == (False, False, "unknown")
    assert not systemd.path().parent.exists()
    with pytest.raises(ImgscoreError):
        systemd.install()
