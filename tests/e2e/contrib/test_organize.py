"""The filter for organize, with the real organize in an environment of its own."""

import json
from pathlib import Path

import pytest

from imgscore.testing import Completed, run
from tests.conftest import put
from tests.support.commands import Start, imgscore

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-organize/bin/python"
FILTER = ROOT / "contrib/organize/organize_imgscore.py"


@pytest.fixture
def taught(inbox: Path, start: Start) -> Path:
    """A folder outside the inbox, with three pictures of each kind and a text file."""
    if not PYTHON.exists():
        pytest.skip("make .venv-organize/installed")
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 4):
            path.rename(inbox / folder / path.name)
    start().settle()
    folder = inbox.parent / "downloads"
    folder.mkdir()
    put(folder, "sun", 3, first=30)
    put(folder, "text", 3, first=30)
    (folder / "notes.txt").write_text("no image")
    return folder


def organize(folder: Path, filters: str, command: str = "run") -> Completed:
    """Run organize with one rule, which moves the files that match into best/."""
    config = folder.parent / "organize.yaml"
    config.write_text(
        f"rules:\n  - locations: {json.dumps(str(folder))}\n    filters:\n{filters}"
        '    actions:\n      - move: "{location}/best/{imgscore.percent}-{path.name}"\n'
    )
    return run([PYTHON, FILTER, command, config])


def test_filter_moves_the_images_with_high_scores(taught: Path) -> None:
    filters = "      - imgscore:\n          min: 0.5\n"
    done = organize(taught, filters, "sim")
    assert done.code == 0 and not (taught / "best").exists(), done.out + done.err
    done = organize(taught, filters)
    assert done.code == 0, done.out + done.err
    moved = sorted(path.name.split("-", 1) for path in (taught / "best").iterdir())
    assert sorted(name for _, name in moved) == ["sun-030.png", "sun-031.jpg", "sun-032.png"]
    assert all(50 <= int(percent) <= 100 for percent, _ in moved)


def test_filter_selects_labels_and_can_be_negated(taught: Path) -> None:
    assert imgscore("label", "keep", taught / "text-030.png").code == 0
    done = organize(taught, "      - imgscore:\n          label: keep\n")
    assert done.code == 0, done.out + done.err
    assert [path.name.split("-", 1)[1] for path in (taught / "best").iterdir()] == ["text-030.png"]
    done = organize(
        taught, "      - extension: [png, jpg]\n      - not imgscore:\n          min: 0.5\n"
    )
    left = {path.name for path in taught.iterdir() if path.is_file()}
    assert {"sun-030.png", "notes.txt"} <= left and "text-031.jpg" not in left


def test_filter_with_a_wrong_setting_is_refused(taught: Path) -> None:
    done = organize(taught, "      - imgscore:\n          min: 7\n", "check")
    assert done.code != 0 and "less than or equal to 1" in done.out + done.err
