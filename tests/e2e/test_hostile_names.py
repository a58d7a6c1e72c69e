"""Hostile file names: every verb escapes control characters that a terminal would obey."""

import os
import shutil
from pathlib import Path

from imgscore import paths
from imgscore.testing import Completed
from tests.conftest import put
from tests.support.commands import Start, imgscore

NAME = b"\x1b]0;title\x07\x1b[2J\r\n[red]\xe2\x80\xae\xff"


def is_text(answer: Completed) -> None:
    output = answer.out + answer.err
    assert all(letter.isprintable() or letter == "\n" for letter in output), ascii(output)
    assert "Traceback" not in output, output


def test_verbs_hostile_file_name_is_printed_escaped(inbox: Path, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(inbox) + b"/" + NAME)
    os.mkdir(folder)
    for kind, place in (("sun", "keep"), ("text", "trash")):
        for number, path in enumerate(put(inbox, kind, 6)):
            target = inbox / place if number < 3 else Path(folder)
            path.rename(os.fsdecode(os.fsencode(target) + b"/" + NAME + os.fsencode(path.name)))
    broken = Path(os.fsdecode(os.fsencode(folder) + b"/" + NAME + b".png"))
    broken.write_bytes(b"no image")
    image = next(path for path in Path(folder).iterdir() if path.name.endswith("003.jpg"))
    for verb in (
        ["scan"],
        ["status"],
        ["score", image, broken, Path(folder) / "nothing"],
        ["explain", image],
        ["explain", broken],
        ["next"],
        ["suspects"],
        ["groups"],
        ["label", "keep", image, broken],
        ["undo", "label"],
        ["order", folder],
        ["history"],
        ["report"],
        ["undo", "order"],
        ["restore-times"],
        ["scan", Path(folder) / "nothing"],
        ["export", Path(folder) / "x" / "y.parquet"],
        ["heads", "use", os.fsdecode(NAME)],
        ["model", "use", os.fsdecode(NAME)],
        ["db", "backup", folder],
        ["doctor"],
        [os.fsdecode(NAME)],
    ):
        is_text(imgscore(*verb))
    watched = imgscore("init", folder)
    is_text(watched)
    shutil.rmtree(folder)
    for verb in (["status"], ["doctor"], ["config", "show"], ["config", "check"]):
        is_text(imgscore(*verb))


def test_daemon_hostile_folder_name_is_logged_escaped(inbox: Path, start: Start) -> None:
    paths.config_file().write_text('[[watch]]\ninbox = "/x\\u001b[2J"\n[[watch]]\ninbox="/y"\n')
    daemon = start()
    assert daemon.stop() == 0
    assert "\x1b" not in daemon.log_text and "\\x1b[2J" in daemon.log_text
