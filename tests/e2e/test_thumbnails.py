"""Thumbnails in a terminal: xterm as a VT340, on a private display."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore

needs_a_display = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xterm") and shutil.which("import")),
    reason="apt install xvfb xterm imagemagick",
)


@pytest.fixture
def display() -> Iterator[str]:
    """A private X server."""
    read, write = os.pipe()
    command = ["Xvfb", "-noreset", "-displayfd", str(write), "-screen", "0", "800x900x24"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as number:
                yield f":{number.readline().strip()}"
        finally:
            server.terminate()


def taught(inbox: Path) -> None:
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 5)[:3]:
            path.rename(inbox / folder / path.name)


def yellow(file: Path) -> int:
    """The number of pixels of a screenshot that have a sun's colour."""
    with Image.open(file) as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")), 2, 0)
    return int(((red > 200) & (green > 150) & (blue < 130)).sum())


@needs_a_display
def test_score_in_xterm_draws_the_image(
    inbox: Path, start: Start, display: str, tmp_path: Path
) -> None:
    taught(inbox)
    start().settle()
    files = [inbox / "sun-003.jpg", inbox / "sun-004.png"]
    script = f'"{BIN}/imgscore" score "$@"; read line'
    with subprocess.Popen(
        ["xterm", "-ti", "vt340", "-e", "sh", "-c", script, "sh", *files],
        env={**os.environ, "DISPLAY": display},
        stderr=subprocess.DEVNULL,
    ) as terminal:
        try:
            shot = tmp_path / "shot.png"
            eventually(lambda: _taken(display, shot) and yellow(shot) >= 500, pause=0.1)
        finally:
            terminal.terminate()


def _taken(display: str, file: Path) -> bool:
    command = ["import", "-display", display, "-window", "root", file]
    return subprocess.run(command, check=False).returncode == 0


def test_verbs_into_a_pipe_print_text_only(inbox: Path) -> None:
    taught(inbox)
    assert imgscore("scan").code == 0
    for verb in (["next"], ["suspects"], ["score", inbox / "sun-003.jpg"]):
        answer = imgscore(*verb)
        assert answer.code == 0 and "\x1b" not in answer.out + answer.err


def test_report_deleted_cache_is_made_again_or_names_the_remedy(inbox: Path, start: Start) -> None:
    """A confined daemon cannot create the cache folder, so its error names a remedy that works."""
    taught(inbox)
    daemon = start()
    daemon.settle()
    shutil.rmtree(paths.cache_folder())
    answer = imgscore("report", "--quick", "--json")
    assert answer.code == 0 or "imgscore stop" in json.loads(answer.err)["remedy"], answer.err
    daemon.stop()
    start()
    assert imgscore("report", "--quick").code == 0
