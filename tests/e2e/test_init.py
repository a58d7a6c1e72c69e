"""`imgscore init`: folders that exist already, and options for a watch that exists already."""

import os
import pty
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from imgscore import config, paths
from imgscore.images.traits import EXIF_IFD, TAKEN
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore

pytestmark = pytest.mark.core

COLUMNS = 80


def _answered(answers: bytes, *arguments: str | Path) -> str:
    """Run `imgscore` in a terminal that sends these answers. Return what it asks and prints."""
    ours, theirs = pty.openpty()
    with open(ours, "r+b", buffering=0) as person, open(theirs, "r+b", buffering=0) as terminal:
        person.write(answers)
        done = subprocess.run(
            [BIN / "imgscore", *arguments], stdin=terminal, stderr=terminal, stdout=terminal,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0
        return os.read(ours, 1 << 16).decode()


def test_init_existing_label_folders_are_offered(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    for name in ("Selected", "REJECTED", "holidays"):
        (inbox / name).mkdir(parents=True)
    noted = imgscore("init", inbox, "--json")
    assert noted.code == 0
    assert noted.row["keep"] == [f"{inbox}/keep"] and noted.row["trash"] == [f"{inbox}/trash"]
    commands = [warning.rpartition("to use it: imgscore ")[2] for warning in noted.row["warnings"]]
    assert commands == [f"init {inbox} --keep Selected", f"init {inbox} --trash REJECTED"]
    for command in commands:
        assert imgscore(*command.split(" ")).code == 0
    (watch,) = config.load().watch
    assert (watch.keep, watch.trash) == (["keep", "Selected"], ["trash", "REJECTED"])


@pytest.mark.parametrize(("answers", "keep"), [(b"y\ny\nn\n", "Selected"), (b"n\nn\nn\n", "keep")])
def test_init_on_a_terminal_asks_about_existing_folders(
    tmp_path: Path, answers: bytes, keep: str
) -> None:
    inbox = tmp_path / "inbox"
    for name in ("Selected", "Papierkorb"):
        (inbox / name).mkdir(parents=True)
    put(inbox / "Selected", "sun", 2)
    text = _answered(answers, "init", inbox)
    assert "Give the 2 images in Selected/ the label keep" in text
    assert "Give images in Papierkorb/ the label trash" in text
    questions = text.split("[y/N]: ")[:-1]
    assert len(questions) == 3
    assert all(len(question.splitlines()[-1]) <= COLUMNS - len("[y/N]:") for question in questions)
    assert config.load().watch[0].keep == keep
    assert (inbox / "keep").exists() == (keep == "keep")


def test_init_yes_uses_existing_folders_and_they_teach(tmp_path: Path, start: Start) -> None:
    inbox = tmp_path / "inbox"
    for name, kind in (("Keep", "sun"), ("Rejects", "text")):
        (inbox / name).mkdir(parents=True)
        put(inbox / name, kind, 3)
    row = imgscore("init", inbox, "--yes", "--json").row
    assert row["keep"] == [f"{inbox}/Keep"] and row["trash"] == [f"{inbox}/Rejects"]
    assert row["warnings"] == []
    assert imgscore("scan").code == 0
    watch = imgscore("status", "--json").row["watches"][0]
    assert watch["labels"] == {"keep": 3, "trash": 3}
    assert (watch["keep_folder"], watch["trash_folder"]) == ("Keep", "Rejects")


def test_init_yes_of_a_watched_folder_keeps_its_settings_and_says_so(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    for name, kind in (("Keep", "sun"), ("Rejects", "text")):
        (inbox / name).mkdir(parents=True)
        put(inbox / name, kind, 1)
    first = imgscore("init", inbox, "--json").row
    before = config.load()
    second = imgscore("init", inbox, "--yes", "--json").row
    assert config.load() == before
    assert (second["keep"], second["trash"]) == (first["keep"], first["trash"])
    keep, trash = second["warnings"]
    assert "its settings stay" in keep and keep.endswith(f"imgscore init {inbox} --keep Keep")
    assert trash.endswith("--trash Rejects")
    assert imgscore("init", inbox, "--keep", "Keep", "--trash", "Rejects").code == 0
    assert imgscore("init", inbox, "--yes", "--json").row["warnings"] == []


def test_init_mistyped_folder_names_the_similar_one(tmp_path: Path) -> None:
    (tmp_path / "holidays").mkdir()
    (note,) = imgscore("init", tmp_path / "holydays", "--json").row["warnings"]
    assert f"did you mean {tmp_path}/holidays?" in note
    assert note.endswith(f"imgscore unwatch {tmp_path}/holydays")
    assert (tmp_path / "holydays" / "keep").is_dir()
    assert imgscore("init", tmp_path / "sea", "--json").row["warnings"] == []


def test_init_warns_of_images_whose_only_date_is_their_file_date(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    (inbox / "Rejected").mkdir(parents=True)
    put(inbox, "sun", 3)
    put(inbox / "Rejected", "text", 2)
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[TAKEN] = "2024:05:06 12:34:56"
    Image.new("RGB", (16, 12)).save(inbox / "dated.jpg", exif=exif)
    (inbox / "clip.mp4").touch()
    made = imgscore("init", inbox, "--trash", "Rejected", "--json")
    assert (made.row["images"], made.row["without_date"], made.row["dates_read"]) == (4, 3, 4)
    assert made.row["left_alone"] == {"videos": 1}
    (warning,) = made.row["warnings"]
    assert warning.startswith("3 of 4 images have no date in EXIF: ")
    assert "imgscore restore-times" in warning and warning in made.err
    again = imgscore("init", inbox, "--json")  # a watched folder: the warning is not repeated
    assert again.row["warnings"] == [] and again.row["left_alone"] == {"videos": 1}


def test_init_of_a_watched_inbox_changes_what_differs(inbox: Path, tmp_path: Path) -> None:
    before, away = paths.config_file().read_text(), str(tmp_path / "away")
    assert imgscore("init", inbox).code == 0
    assert paths.config_file().read_text() == before
    changed = imgscore("init", inbox, "--taste", "other")
    assert changed.code == 0 and "its taste is other now; it was default" in changed.out
    assert imgscore("init", inbox, "--trash", away).code == 0
    assert imgscore("init", inbox, "--trash", away).code == 0
    (watch,) = config.load().watch
    assert (watch.taste, watch.keep, watch.trash) == ("other", "keep", ["trash", away])
    refused = imgscore("init", inbox, "--taste", "no/taste")
    assert refused.code == 3 and "no/taste" in refused.err
    assert config.load().watch[0].taste == "other"


def test_init_stars_adds_folders_to_those_of_the_config(inbox: Path, tmp_path: Path) -> None:
    away = tmp_path / "good photos"
    done = imgscore("init", inbox, "--stars", f"4={away}", "--stars", "-1=bin", "--json")
    assert done.code == 0 and away.is_dir() and (inbox / "bin").is_dir()
    assert done.row["grades"] == {"4": [str(away)]}
    assert done.row["trash"] == [f"{inbox}/trash", f"{inbox}/bin"]
    told = imgscore("init", inbox, "--stars", "4=good", "--stars", "3=maybe", "--stars", "-1=bin")
    assert told.code == 0 and "get 4 stars" in told.out and "get 3 stars" in told.out
    (watch,) = config.load().watch
    assert watch.grades == {"4": [str(away), "good"], "-1": ["bin"], "3": ["maybe"]}
    other = imgscore("init", tmp_path / "other", "--stars", "5=a=b", "--json")
    assert other.row["grades"] == {"5": [f"{tmp_path}/other/a=b"]}


@pytest.mark.parametrize("stars", ["0=a", "6=a", "4.5=a", "4", "4=", "=a", "four=a"])
def test_init_wrong_stars_is_a_usage_error(inbox: Path, stars: str) -> None:
    before = paths.config_file().read_text()
    refused = imgscore("init", inbox, "--stars", stars)
    assert refused.code == 2 and "--stars 4=good" in refused.err
    assert paths.config_file().read_text() == before


def test_init_stars_for_the_keep_folder_is_refused(inbox: Path) -> None:
    before = paths.config_file().read_text()
    refused = imgscore("init", inbox, "--stars", "4=keep")
    assert refused.code == 3 and "both the keep folder" in refused.err
    assert paths.config_file().read_text() == before
