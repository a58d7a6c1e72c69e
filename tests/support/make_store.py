"""Makes a store with a released version of imgscore: the fixtures in tests/support/stores/.

`PYTHONPATH=CHECKOUT:CHECKOUT/daemon python tests/support/make_store.py OUTPUT.tar.xz`, where
CHECKOUT is a worktree of the version. The archive has the inbox with its dates, the data folder,
and what the version said about the files (expected.json).
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

COUNT = 6
"""pictures of each of the two kinds"""
FIRST = 1_500_000_000
"""the date of the first picture, in seconds since 1970"""


def draw(kind: str, number: int) -> Image.Image:
    """A picture of a bright disc, or of dark bars."""
    image = Image.new("RGB", (200 + 8 * number, 160), "orange" if kind == "sun" else "white")
    pen = ImageDraw.Draw(image)
    if kind == "sun":
        pen.ellipse((40 + 5 * number, 30, 130 + 5 * number, 120), fill=(255, 240, 20 * number))
    for line in range(0 if kind == "sun" else 10):
        pen.rectangle((10, 10 + 14 * line, 90 + 13 * (line + number) % 100, 15 + 14 * line), fill=0)
    return image


def run(*arguments: str) -> list[Any]:
    """The rows that a command prints as JSON; its exit code must be 0."""
    command = [sys.executable, "-P", "-m", "imgscore.cli.main", *arguments, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def make(home: Path) -> None:
    """Label, train and order an inbox in a home folder."""
    inbox = home / "inbox"
    run("init", os.fspath(inbox))
    for index, kind in enumerate(("sun", "bars")):
        for number in range(COUNT):
            file = inbox / f"{kind}-{number}.png"
            draw(kind, number).save(file)
            os.utime(file, (FIRST + 100 * index + number,) * 2)
    files = sorted(inbox.glob("*.png"))
    original = {file.name: int(file.stat().st_mtime) for file in files}
    for name, folder in (("sun-0", "keep"), ("sun-1", "keep"), ("bars-0", "trash")):
        (inbox / f"{name}.png").rename(inbox / folder / f"{name}.png")
    run("scan")
    run("label", "trash", os.fspath(inbox / "bars-1.png"))
    run("scan")
    ordered = sorted(inbox.glob("*.png"), key=lambda file: -file.stat().st_mtime)
    rows = {}
    for row in run("score", *(os.fspath(file) for file in sorted(inbox.rglob("*.png")))):
        rows[Path(row["path"]).name] = {
            "sha256": row["sha256"], "label": row["label"], "score": row["score"]
        }  # fmt: skip
    expected = {
        "original": original,
        "order": [file.name for file in ordered],
        "rows": rows,
        "touches": len(run("history")),
    }
    (home / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True))


def without_locks(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """An entry of the archive without its owner; None for a lock."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if Path(entry.name).name in ("lock", "lock.mdb") else entry


def main() -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "run").mkdir(mode=0o700)
        names = {f"XDG_{kind}_HOME": home / kind.lower() for kind in ("CONFIG", "DATA", "CACHE")}
        paths = {**names, "HOME": home, "XDG_RUNTIME_DIR": home / "run"}
        os.environ.update({name: os.fspath(path) for name, path in paths.items()})
        make(home)
        with tarfile.open(sys.argv[1], "w:xz") as archive:
            for name in ("expected.json", "inbox", "data"):
                archive.add(home / name, name, filter=without_locks)


if __name__ == "__main__":
    main()
