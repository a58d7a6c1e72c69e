"""Labels by commands, and two inboxes with two tastes."""

import os
import shutil
from pathlib import Path

import pytest

from imgscore import paths
from tests.conftest import put
from tests.support.commands import imgscore


def test_label_what_is_no_image_stores_nothing(inbox: Path, tmp_path: Path) -> None:
    text, broken, plain = inbox / "n.txt", inbox / "broken.jpg", inbox / "text.jpg"
    text.write_text("hi")
    plain.write_text("hi")
    (image,) = put(tmp_path, "sun", 1)
    broken.write_bytes(image.read_bytes()[:200])
    (tmp_path / "fifo.png").parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "fifo.png")
    for path in (text, broken, plain, inbox / "missing.png", tmp_path / "fifo.png"):
        done = imgscore("label", "keep", path, "--json")
        assert done.code in (1, 2), path
        assert all(row["label"] is None and row["error"] for row in done.rows if "label" in row)
        assert imgscore("label", "keep", path).code == done.code
    assert imgscore("history", "--json").rows == []
    (watch,) = imgscore("status", "--json").row["watches"]
    assert watch["labels"] == {"keep": 0, "trash": 0}


@pytest.fixture
def two_tastes(inbox: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two inboxes with two tastes. Both contain the same images; only the second one is taught."""
    memes = tmp_path / "memes"
    with paths.config_file().open("a") as file:
        file.write(f'\n[[watch]]\ninbox = "{memes}"\ntaste = "memes"\n')
    for name in ("keep", "trash"):
        (memes / name).mkdir(parents=True)
    for folder, kind in ((memes / "keep", "sun"), (memes / "trash", "text")):
        put(folder, kind, 8)
    (memes / "keep" / "sun-000.png").rename(memes / "trash" / "sun-000.png")
    for path in [*put(memes, "sun", 6, first=20), *put(memes, "text", 6, first=20)]:
        shutil.copy2(path, inbox / f"a-{path.name}")  # Its path comes first in the alphabet.
    for path in (memes / "keep").iterdir():
        shutil.copy2(path, inbox)
    shutil.copy2(memes / "trash" / "sun-000.png", inbox)
    assert imgscore("scan").code == 0
    return inbox, memes


def test_verbs_of_a_taste_name_only_files_of_its_watches(two_tastes: tuple[Path, Path]) -> None:
    _, memes = two_tastes
    rows = imgscore("next", "--taste", "memes", "-n", "12", "--json").rows
    assert len(rows) == 12
    suspects = imgscore("suspects", "--taste", "memes", "--json").rows
    assert suspects[0]["path"].endswith("trash/sun-000.png")
    explained = imgscore("explain", memes / "sun-020.png", "--json").row
    named = [*rows, *suspects, *explained["keeps"], *explained["trashes"]]
    assert all(row["path"].startswith(f"{memes}/") for row in named)
    assert imgscore("evaluate", "--taste", "memes", "--json").row["taste"] == "memes"
    watches = imgscore("status", "--json").row["watches"]
    assert [watch["labels"]["keep"] for watch in watches] == [0, 7]


def test_suspects_of_a_rewritten_or_deleted_file_are_not_listed(
    two_tastes: tuple[Path, Path],
) -> None:
    _, memes = two_tastes
    (memes / "trash" / "sun-000.png").unlink()
    assert imgscore("scan").code == 0
    suspects = imgscore("suspects", "--taste", "memes", "--json").rows
    assert all(os.path.exists(row["path"]) for row in suspects)
    assert not [row for row in suspects if "sun-000" in row["path"]]
