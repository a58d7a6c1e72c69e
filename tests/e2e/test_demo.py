"""`imgscore demo`, run to its end or interrupted."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imgscore.demo.folder import DemoFolder
from imgscore.demo.pictures import COUNT, draw_all, kind_of
from imgscore.errors import UsageError
from imgscore.testing import eventually
from tests.support.processes import processes

IMGSCORE = [sys.executable, "-m", "imgscore.cli.main"]
MAX_SECONDS = 300


def test_demo_new_folder_is_sorted_and_loses_nothing(tmp_path: Path, environment: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [*IMGSCORE, "demo", str(folder), "--json"],
        capture_output=True, text=True,
        timeout=MAX_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert processes("imgscore", os.fspath(tmp_path / "demo")) == []
    own = [file for file in environment.rglob("*") if file.is_file()]
    assert own == [], "the user's own state is left alone"

    demo = DemoFolder(folder)
    order = [name for name, _ in demo.by_date()]
    assert order == row["after"]
    places = {kind: [i for i, name in enumerate(order) if kind_of(name) == kind]
              for kind in ("landscape", "screen")}  # fmt: skip
    pairs = [
        (landscape, screen) for landscape in places["landscape"] for screen in places["screen"]
    ]
    right = sum(landscape < screen for landscape, screen in pairs) / len(pairs)
    assert len(pairs) > 100
    assert right > 0.95, "landscapes come before text screens"

    made = demo.manifest()
    files = [file for file in demo.inbox.rglob("*") if file.is_file()]
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert len(digests) == len(files) == COUNT
    assert digests == {name: digest for name, digest in made.items() if name != demo.sheet.name}
    assert sorted(row["before"]) == sorted(digests)
    assert sorted(os.listdir(demo.keep)) == sorted(row["kept"])
    assert sorted(os.listdir(demo.trash)) == sorted(row["trashed"])
    assert demo.sheet.is_file()


def test_demo_interrupted_ends_its_daemon_and_can_be_repeated(tmp_path: Path) -> None:
    demo = DemoFolder(tmp_path / "demo")
    process = subprocess.Popen(
        [*IMGSCORE, "demo", str(demo.folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    eventually(
        lambda: any(demo.inbox.glob("*-*")) or process.poll() is not None, seconds=MAX_SECONDS
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=MAX_SECONDS)
    assert process.returncode == 130
    assert processes("imgscore", os.fspath(tmp_path / "demo")) == []

    theirs = demo.keep / "mine.jpg"
    theirs.write_bytes(b"the user's")
    with pytest.raises(UsageError, match=r"mine\.jpg"):
        demo.prepare()
    assert any(demo.inbox.glob("*-*")), "refused before anything was deleted"
    theirs.unlink()
    demo.prepare()
    assert not any(file.is_file() for file in demo.inbox.rglob("*"))


def test_demo_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    done = subprocess.run(
        [*IMGSCORE, "demo", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "what to do" in done.stderr
    assert (tmp_path / "letter.txt").read_text() == "dear"
    assert not (tmp_path / "inbox").exists()


def test_draw_all_same_seed_gives_same_pictures() -> None:
    first, second = (
        [(name, image.tobytes()) for name, image in draw_all(4, seed=3)] for _ in range(2)
    )
    assert first == second
    assert first != [(name, image.tobytes()) for name, image in draw_all(4, seed=4)]
