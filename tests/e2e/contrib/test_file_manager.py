"""The menu entries for file managers: they label the selected files and show the scores."""

import os
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from urllib.parse import quote

import pytest

from imgscore.testing import run
from tests.conftest import draw, put
from tests.support.commands import Start, imgscore

SCRIPT = Path(__file__).parents[3] / "contrib/file-manager/imgscore_files.py"


@pytest.fixture
def files(inbox: Path, start: Start) -> list[Path]:
    """Two files with odd names in an inbox of a daemon that has learned."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 4):
            path.rename(inbox / folder / path.name)
    paths = [inbox / "line\nbreak %20 $HOME.png", inbox / 'it\'s "ü".png']
    for number, path in enumerate(paths):
        draw("sun", 40 + number).save(path)
    start().settle()
    return paths


def labels(files: list[Path]) -> list[str | None]:
    return [row["label"] for row in imgscore("score", "--json", *files).rows]


@pytest.fixture
def data(environment: Path) -> Path:
    """The folder into which the entries are installed."""
    done = run([sys.executable, SCRIPT, "install", "nautilus", "nemo", "dolphin"])
    assert done.code == 0, done.err
    return environment / "data"


@pytest.mark.parametrize("manager", ["nautilus", "nemo"])
def test_script_labels_the_files_that_the_file_manager_names(
    files: list[Path], data: Path, manager: str
) -> None:
    uris = "".join(f"file://{quote(os.fspath(path))}\n" for path in files)
    environment = os.environ | {f"{manager.upper()}_SCRIPT_SELECTED_URIS": uris}
    folder = data / manager / "scripts/imgscore"
    assert sorted(path.name for path in folder.iterdir()) == [
        "Clear the label",
        "Label keep",
        "Label trash",
        "Show the score",
    ]
    relative = [path.name for path in files]  # both give these as arguments, too
    done = run([folder / "Label keep", *relative], environment)
    assert done.code == 0, done.out + done.err
    assert labels(files) == ["keep", "keep"]
    assert run([folder / "Clear the label", *relative], environment).code == 0
    assert labels(files) == [None, None]


def test_service_menu_of_dolphin_runs_with_odd_paths(files: list[Path], data: Path) -> None:
    menu = data / "kio/servicemenus/imgscore.desktop"
    assert os.access(menu, os.X_OK)  # Dolphin ignores other files
    parser = RawConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(menu)
    actions = parser["Desktop Entry"]["Actions"].strip(";").split(";")
    assert actions == ["keep", "trash", "clear", "score"]
    line = parser["Desktop Action trash"]["Exec"].replace("\\\\", "\\")
    assert line.endswith(" %F")
    command = [word.replace("%%", "%") for word in shlex.split(line.removesuffix(" %F"))]
    assert command == [sys.executable, str(SCRIPT), "trash"]
    assert run([*command, *files]).code == 0
    assert labels(files) == ["trash", "trash"]


def test_install_in_an_odd_folder_quotes_the_command(tmp_path: Path, environment: Path) -> None:
    folder = tmp_path / "odd $HOME `x` 100% \"q\" 'a' \\"
    folder.mkdir()
    script = shutil.copy(SCRIPT, folder)
    assert run([sys.executable, script, "install", "nautilus", "dolphin"]).code == 0
    entry = environment / "data/nautilus/scripts/imgscore/Show the score"
    assert script in shlex.split(entry.read_text().splitlines()[1])
    text = (environment / "data/kio/servicemenus/imgscore.desktop").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Exec="))
    exec_line = line.removeprefix("Exec=").replace("\\\\", "\\")  # as a string of a desktop file
    words = run(["sh", "-c", f"printf '%s\\n' {exec_line}"]).out.splitlines()  # the same quotes
    assert words[1].replace("%%", "%") == script


def test_score_is_shown_best_first_with_escaped_names(files: list[Path], inbox: Path) -> None:
    (text,) = put(inbox, "text", 1, first=50)
    done = run([sys.executable, SCRIPT, "score", text, *files, inbox / "missing.png"])
    lines = done.out.splitlines()
    assert done.code == 1 and len(lines) == 4
    assert {lines[0].split(":")[0], lines[1].split(":")[0]} == {
        "line\\nbreak %20 $HOME.png",
        'it\'s "ü".png',
    }
    assert lines[2].startswith("text-050.png: 0.") and "no such file" in lines[3]


def test_notification_gets_the_text_without_markup(
    files: list[Path], tmp_path: Path, inbox: Path
) -> None:
    programs, shown = tmp_path / "bin", tmp_path / "shown"
    programs.mkdir()
    program = programs / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$3" > {shlex.quote(str(shown))}\n')
    program.chmod(0o755)
    odd = inbox / "<b>&.png"
    shutil.copy(files[1], odd)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, SCRIPT, "keep", odd], env=environment, check=True)
    assert shown.read_text() == "&lt;b>&amp;.png: keep"
