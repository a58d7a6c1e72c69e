"""`imgscore doctor --bundle`: facts for a bug report, without names and pictures."""

import getpass
import json
import os
import platform
import stat
from pathlib import Path
from typing import Any

import pytest

from imgscore import paths
from imgscore.escape import printable
from imgscore.testing import Sandbox
from tests.conftest import draw
from tests.support.commands import FAST_TOML, imgscore

FOLDERS = (
    "Hochzeit 2024-05-17",
    'it\'s "quoted" & $HOME',
    "日本 ☃ \u202e",
    "line\nbreak",
    "photos",
)
NAMES = (
    "Anna Müller 0171-2345678.png",
    "IMG_20240517_183000.png",
    "2024.05.17 image cannot be read.png",
    "geheim: label: keep.png",
    "not-utf8-\udcff.png",
    "ab\tcd.png",
)
TASTE, OLD_TASTE = "katzenbilder", "schlechte-laune"
WORDS = ("nachthimmel über salzburg", "kassenzettel")


def strings(value: Any) -> list[str]:
    """All texts in decoded JSON, keys too."""
    match value:
        case dict():
            return [*value, *(text for inner in value.values() for text in strings(inner))]
        case list():
            return [text for inner in value for text in strings(inner)]
        case str():
            return [value]
    return []


@pytest.fixture
def library(tmp_path: Path, sandbox: Sandbox) -> Path:
    """An inbox with odd names, broken files, labels, and a log with an error about a file."""
    inbox = tmp_path.joinpath(*FOLDERS)
    inbox.mkdir(parents=True)
    done = imgscore("init", inbox, "--taste", TASTE, "--yes")
    assert done.code == 0, done.err
    for word, name in zip(WORDS, ("like", "dislike"), strict=True):
        text = paths.config_file().read_text()
        text = text.replace("[[watch]]", f"[[watch]]\n{name} = {json.dumps([word])}", 1)
        paths.config_file().write_text(text)
    with paths.config_file().open("a") as file:
        file.write(f'{FAST_TOML}on_battery = "work"\n')
    for number, name in enumerate(NAMES):
        path = os.path.join(os.fspath(inbox), name)
        if number % 2:
            draw("sun", number).save(path)
        else:
            with open(path, "wb") as broken:
                broken.write(b"\x89PNG\r\n\x1a\n no image")
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for number in range(3):
            draw(kind, number).save(inbox / folder / f"kennzeichen-{number}.png")
    assert imgscore("start").code == 0
    try:
        assert imgscore("wait").code == 0
        assert imgscore("score", inbox).code == 1
        yield inbox
    finally:
        imgscore("stop")


def secrets(inbox: Path) -> set[str]:
    """Every name that must not be in the report, and the telling words of it."""
    names = {*FOLDERS, *NAMES, TASTE, *WORDS, str(inbox), getpass.getuser(), platform.node()}
    names |= {"Hochzeit", "Anna", "Müller", "0171", "2345678", "20240517", "geheim", "quoted"}
    names |= {"日本", "☃", "kennzeichen", "nachthimmel", "salzburg", "not-utf8", os.environ["HOME"]}
    return {name.casefold() for name in names if name}


def test_bundle_contains_no_name_and_no_digest(library: Path, tmp_path: Path) -> None:
    log, place = paths.cache_folder() / "imgscored.log", printable(str(library))
    with log.open("a") as file:
        file.write(
            f"2026-11-27 12:00:00,123 {place}/{NAMES[0]}: the file cannot be read\n"
            "Traceback (most recent call last):\n"
            f'  File "{place}/geheim.py", line 3, in geheim\n'
            f'  File "{Path(paths.__file__)}", line 12, in data_folder\n'
            f"ValueError: {NAMES[3]} of {OLD_TASTE}\n"
        )
    target = tmp_path / "report.json"
    done = imgscore("doctor", "--bundle", target, "--json")
    assert done.code == 0, done.err
    assert done.row["file"] == str(target) and stat.S_IMODE(target.stat().st_mode) == 0o600
    report = json.loads(target.read_text())
    texts = [text.casefold() for text in strings(report)]
    found = {name for name in secrets(library) for text in texts if name in text}
    assert not found
    digests = [row["sha256"] for row in imgscore("score", library, "--json").rows]
    assert not [text for text in texts for digest in digests if digest and digest in text]
    assert not [text for text in texts if OLD_TASTE in text]

    # It is still of use.
    lines = report["logs"]["file"]
    (line,) = [line for line in lines if line.startswith("2026-11-27 12:00:00,123 ")]
    assert line.endswith("file cannot be read")
    assert "  File imgscore/paths.py, line 12, in data_folder" in lines
    assert any(line.startswith("ValueError:") for line in lines)
    assert report["status"]["watches"][0]["files"] == 6
    assert sum(report["status"]["failed"].values()) == 3
    assert {"imgscore", "python", "numpy", "lmdb"} <= set(report["versions"])
    assert report["store"]["entries"]["vectors"] > 0
    (counted,) = report["store"]["tastes"].values()
    assert counted["keep"] == 3 and counted["heads"] >= 1
    checks = {finding["check"] for finding in report["findings"]}
    assert {"Python", "store", "inbox", "daemon"} <= checks
    watch = report["config"]["watch"][0]
    assert (watch["like"], watch["dislike"], watch["keep"]) == (1, 1, "keep")
    assert watch["taste"] == report["status"]["watches"][0]["taste"]  # the same hash
    assert watch["inbox"] == report["status"]["watches"][0]["inbox"]


def test_bundle_of_another_time_has_other_hashes(library: Path, tmp_path: Path) -> None:
    reports = []
    for name in ("one.json", "two.json"):
        assert imgscore("doctor", "--bundle", tmp_path / name).code == 0
        reports.append(json.loads((tmp_path / name).read_text()))
    first, second = (report["config"]["watch"][0]["inbox"] for report in reports)
    assert first != second and first.count("/") == second.count("/")


def test_bundle_never_replaces_a_file(inbox: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text("mine")
    done = imgscore("doctor", "--bundle", file)
    assert done.code == 2 and "exists" in done.err and file.read_text() == "mine"
    (tmp_path / "link.json").symlink_to(tmp_path / "new.json")
    assert imgscore("doctor", "--bundle", tmp_path / "link.json").code == 2
    assert not (tmp_path / "new.json").exists()
    assert imgscore("doctor", file).code == 2


@pytest.mark.parametrize("state", ["no config", "wrong config", "no store"])
def test_bundle_of_a_broken_installation_is_written(
    sandbox: Sandbox, tmp_path: Path, state: str
) -> None:
    if state != "no config":
        paths.config_file().parent.mkdir(parents=True)
        text = '[[watch]]\ninbox = "/geheim/ordner"\nkatze = 7\n' if state == "wrong config" else ""
        paths.config_file().write_text(text)
    paths.cache_folder().mkdir(parents=True)
    os.mkfifo(paths.cache_folder() / "imgscored.log")  # nothing waits for a writer
    done = imgscore("doctor", "--bundle", tmp_path / "report.json")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert not [text for text in strings(report) if "geheim" in text or "katze" in text]
    assert (report["config"] is None) == (state == "wrong config")
    assert report["store"] is None and report["status"] is None and report["findings"]
