"""Deleting as a label: a daemon, the desktop's trash, and the option of `init`."""

import pty
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imgscore import config, paths
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore


def counts(keep: int, trash: int) -> Callable[[dict[str, object]], bool]:
    """A condition: the status has these counts."""
    wanted = {"keep": keep, "trash": trash}
    return lambda status: status["watches"][0]["labels"] == wanted  # type: ignore[index]


@pytest.mark.skipif(shutil.which("gio") is None, reason="apt install libglib2.0-bin")
@pytest.mark.skipif(shutil.which("trash-restore") is None, reason="apt install trash-cli")
def test_xdg_trash_deleted_image_is_labelled_trash(inbox: Path, start: Start) -> None:
    assert imgscore("init", inbox, "--xdg-trash").code == 0
    suns, texts = put(inbox, "sun", 6), put(inbox, "text", 6)
    for path in suns[:3]:
        path.rename(inbox / "keep" / path.name)
    daemon = start()
    assert daemon.settle()["watches"][0]["labels"] == {"keep": 3, "trash": 0}
    for path in texts[:3]:  # the daemon finds it without a request
        subprocess.run(["gio", "trash", path], check=True)
    daemon.until(counts(3, 3))
    status = daemon.settle()
    assert status["head"] == "1" and status["watches"][0]["files"] == 6
    subprocess.run(["trash-restore", texts[0]], input=b"0\n", check=True)
    daemon.until(counts(3, 2))
    assert "label trash (xdg_trash)" in imgscore("history").out
    assert daemon.stop() == 0
    (never_seen,) = put(inbox, "text", 1, first=30)
    subprocess.run(["gio", "trash", texts[0], never_seen], check=True)  # no daemon runs
    start().until(counts(3, 4))


def test_init_xdg_trash_option_changes_the_right_watch(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert imgscore("init", first).code == imgscore("init", second, "--taste", "other").code == 0
    assert [watch.xdg_trash for watch in config.load().watch] == [False, False]
    assert imgscore("init", first, "--xdg-trash", "--json").row["xdg_trash"] is True
    assert [watch.xdg_trash for watch in config.load().watch] == [True, False]
    assert "get the label trash" in imgscore("init", first).out  # the setting stays
    assert imgscore("init", first, "--no-xdg-trash").code == 0
    assert [watch.xdg_trash for watch in config.load().watch] == [False, False]
    assert imgscore("init", tmp_path / "three", "--xdg-trash").code == 0
    assert [watch.xdg_trash for watch in config.load().watch] == [False, False, True]


@pytest.mark.parametrize(("answer", "on"), [(b"y\n", True), (b"\n", False)])
def test_init_in_a_terminal_asks_about_the_trash(tmp_path: Path, answer: bytes, on: bool) -> None:
    ours, theirs = pty.openpty()
    with open(ours, "r+b", buffering=0) as person, open(theirs, "r+b", buffering=0) as terminal:
        command = [BIN / "imgscore", "init", tmp_path / "inbox"]
        with subprocess.Popen(
            command, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE
        ) as process:
            person.write(answer)
            assert process.wait(timeout=60) == 0
    assert config.load().watch[0].xdg_trash is on
    assert paths.config_file().read_text().count("xdg_trash") == on
