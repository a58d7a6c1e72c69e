"""`imgscore apply` of many files, killed at random, and undone: nothing is lost."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.store import labels
from imgscore.store.store import Store
from imgscore.testing import IMGSCORE, eventually
from tests.conftest import draw
from tests.support.commands import Start, imgscore

COUNT = 1000
KILLS = 10
ORIGINAL = 1_100_000_000


def tree(folder: Path) -> dict[bytes, bytes]:
    """The bytes of all files below a folder, by relative path."""
    return {
        os.fsencode(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def files_of(trees: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The same files without the folders keep and trash of their paths."""
    plain = {
        path.removeprefix(b"keep/").removeprefix(b"trash/"): data for path, data in trees.items()
    }
    assert len(plain) == len(trees), "a file has two names"
    return plain


def run_killed(random_: random.Random, *options: str) -> None:
    """Run `imgscore apply`, and kill it when it has moved a random number of files."""
    command = [*IMGSCORE, "apply", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        for _ in range(random_.randrange(1, COUNT // KILLS)):
            if not process.stdout.readline():
                break
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode in (-signal.SIGKILL, 0)


@pytest.mark.parametrize("with_daemon", [False, True], ids=["no daemon", "daemon"])
def test_apply_killed_ten_times_loses_nothing_and_undo_restores_all(
    inbox: Path, start: Start, with_daemon: bool
) -> None:
    rng = random.Random(17)
    for number in range(8):  # so that there is a head, and the inbox is ordered
        folder, kind = (inbox / "keep", "sun") if number % 2 else (inbox / "trash", "text")
        draw(kind, 9000 + number).save(folder / f"teacher-{number}.jpg")
    expected: dict[str, str] = {}
    base = draw("sun", 1).resize((64, 64))
    for number in range(COUNT):
        image, sub = base.copy(), inbox / ("holiday" if number % 3 else ".") / "x"
        image.putpixel((number % 64, number // 64), (number % 251, 7, 9))
        sub.mkdir(parents=True, exist_ok=True)
        path = sub / f"image-{number:04d}.png"
        image.save(path)
        if number % 10 == 0:  # a group: the RAW and the sidecars move with the JPEG
            path = path.rename(path.with_suffix(".jpg"))
            path.with_suffix(".nef").write_bytes(b"raw %d" % number)
            path.with_suffix(".jpg.xmp").write_bytes(b"sidecar %d" % number)
        os.utime(path, (ORIGINAL, ORIGINAL))
        expected[str(path)] = "keep" if number % 2 else "trash"
    sandbox = start()
    sandbox.settle()
    if not with_daemon:
        assert sandbox.stop() == 0
    for label in ("keep", "trash"):
        chosen = [path for path, wanted in expected.items() if wanted == label]
        for first in range(0, len(chosen), 250):
            assert imgscore("label", label, *chosen[first : first + 250]).code == 0
    before = tree(inbox)

    for _ in range(KILLS):
        run_killed(rng)
        assert files_of(tree(inbox)) == files_of(before)
    done = imgscore("apply", "--json")
    assert done.code == 0, done.err
    assert files_of(tree(inbox)) == files_of(before)
    for name, wanted in expected.items():
        moved = inbox / wanted / Path(name).relative_to(inbox)
        assert moved.exists(), moved
        assert not moved.name.endswith(".jpg") or moved.with_suffix(".nef").exists()
    if not with_daemon:
        sandbox.start()
    sandbox.settle()
    moved_files = [
        inbox / label / Path(name).relative_to(inbox) for name, label in expected.items()
    ]
    eventually(lambda: all(path.stat().st_mtime == ORIGINAL for path in moved_files))
    if not with_daemon:
        assert sandbox.stop() == 0

    for _ in range(3):
        run_killed(rng, "--undo")
        assert files_of(tree(inbox)) == files_of(before)
    for _ in range(KILLS + 4):  # each run is undone by its own call
        undone = imgscore("apply", "--undo", "--json")
        assert undone.code == 0, undone.err
        if not undone.rows:
            break
    assert tree(inbox) == before
    if sandbox.running:
        sandbox.settle()
        assert sandbox.stop() == 0
    else:
        assert imgscore("scan").code in (0, 1)
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        found = dict(labels.iter_all(txn, "default"))
    assert len([label for label in found.values() if label.label == "keep"]) >= COUNT // 2
    assert imgscore("restore-times").code in (0, 1)
    for name in expected:
        assert Path(name).stat().st_mtime == ORIGINAL
    rows = imgscore("score", *expected, "--json").rows
    assert {row["path"]: row["label"] for row in rows} == expected
