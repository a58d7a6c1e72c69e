"""Stars that are given in a real darktable: they order a watched folder, and it reads ours."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support import needs
from tests.support.commands import Start, imgscore, newest_first

LUA = "local dt = require 'darktable'; {rate} dt.control.sleep(2000); os.exit(0)"
RATE = "local i = dt.database.import('{path}'); i.rating = {stars};"


@pytest.fixture(autouse=True)
def _darktable() -> None:
    if "IMGSCORE_TEST_DARKTABLE" not in os.environ:
        # darktable's window sometimes never answers on a busy machine without a graphics card.
        pytest.skip("cannot rely on darktable here; to run this: IMGSCORE_TEST_DARKTABLE=1")
    needs.program("darktable", "darktable")
    needs.program("xvfb-run", "xvfb")
    needs.program("dbus-run-session", "dbus")


def rate(folder: Path, stars: dict[Path, int]) -> None:
    """Give stars to images in darktable's lighttable, until it has written its sidecars.

    darktable writes them in the background. On a busy machine, it can end before it has done so.
    """
    for _ in range(4):
        rate_once(folder, stars)
        if all(f'xmp:Rating="{number}"' in sidecar_text(path) for path, number in stars.items()):
            return
    raise AssertionError("darktable wrote no stars into its sidecars")


def sidecar_text(path: Path) -> str:
    sidecar = path.with_name(f"{path.name}.xmp")
    return sidecar.read_text() if sidecar.exists() else ""


def rate_once(folder: Path, stars: dict[Path, int]) -> None:
    script = LUA.format(rate=" ".join(RATE.format(path=p, stars=n) for p, n in stars.items()))
    folders = ["--configdir", folder / "config", "--library", folder / "library.db"]
    command = ["dbus-run-session", "--", "xvfb-run", "-a", "darktable", *folders]
    command += ["--conf", "write_sidecar_files=on import", "--luacmd", script]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        process.wait(120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def grade(path: Path) -> float | None:
    value = imgscore("score", path, "--json").row["grade"]
    return None if value is None else float(value)


def images(folder: Path) -> list[str]:
    return [name for name in newest_first(folder) if not name.endswith(".xmp")]


def test_stars_of_darktable_order_a_watched_folder(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    text = paths.config_file().read_text()
    paths.config_file().write_text(text.replace("[[watch]]\n", "[[watch]]\nratings = true\n"))
    suns, texts = put(inbox, "sun", 8), put(inbox, "text", 8)
    daemon = start()
    daemon.settle()
    rate(tmp_path, dict.fromkeys(suns[:5], 5) | dict.fromkeys(texts[:5], 1))
    eventually(lambda: grade(suns[4]) == 0.9 and grade(texts[4]) == 0.1)
    daemon.settle()
    assert {name[:3] for name in images(inbox)[:8]} == {"sun"}
    rate(tmp_path, {suns[0]: 2})
    eventually(lambda: grade(suns[0]) == 0.3)
    # Our own stars: darktable reads them, and a star that is changed there is the user's.
    assert imgscore("rate", "--sidecars").code == 0
    ours = suns[6].with_name(suns[6].name + ".xmp")
    assert "imgscore:Stars" in ours.read_text()
    rate(tmp_path, {suns[6]: 3})
    eventually(lambda: grade(suns[6]) == 0.5)
    assert imgscore("rate", "--undo").code == 0
    left = {path.name for path in inbox.glob("*.xmp")}
    assert left == {f"{path.name}.xmp" for path in (*suns[:5], *texts[:5], suns[6])}


def test_export_of_darktable_contains_the_stars_of_imgscore(inbox: Path, tmp_path: Path) -> None:
    needs.program("exiftool", "libimage-exiftool-perl")
    suns = put(inbox, "sun", 4)
    put(inbox / "trash", "text", 3)
    assert imgscore("scan").code == 0
    assert imgscore("label", "5", *suns[:2]).code == 0
    assert imgscore("rate", "--sidecars", "--from", "label").code == 0
    sidecar, export = suns[0].with_name(suns[0].name + ".xmp"), tmp_path / "export.jpg"
    options = ["--core", "--configdir", tmp_path / "config", "--library", ":memory:"]
    subprocess.run(
        ["darktable-cli", suns[0], sidecar, export, *options], capture_output=True, check=True
    )
    read = ["exiftool", "-s3", "-XMP-xmp:Rating", export]
    assert subprocess.run(read, capture_output=True, check=True).stdout.strip() == b"5"
