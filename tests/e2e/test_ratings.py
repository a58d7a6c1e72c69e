"""Ratings of other programs, followed by a real daemon: the order comes from stars."""

import os
import signal
import time
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.grades import OF_STARS
from imgscore.store import labels, sightings
from imgscore.store.store import Store
from imgscore.testing import Sandbox, eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore, newest_first
from tests.support.raters import darktable_sidecar, exiftool, exiv2


@pytest.fixture
def rated(inbox: Path) -> Path:
    """An inbox whose ratings are followed."""
    text = paths.config_file().read_text()
    assert "[[watch]]\n" in text
    paths.config_file().write_text(text.replace("[[watch]]\n", "[[watch]]\nratings = true\n"))
    return inbox


def grade(path: Path) -> float | None:
    """The grade of an image, from the store."""
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        sighting = sightings.find(txn, os.fsencode(path))
        label = sighting and labels.current(txn, "default", sighting.digest)
    return label.grade if label else None


def until_grade(path: Path, expected: float | None) -> None:
    eventually(lambda: grade(path) == expected, what=lambda: f"{path.name}: {grade(path)}")


def digikam_sidecar(path: Path, stars: int) -> Path:
    """Rate an image by a sidecar with real programs, with the properties of digiKam."""
    sidecar = path.with_name(path.name + ".xmp")
    percent = {-1: 0, 0: 0, 1: 1, 2: 25, 3: 50, 4: 75, 5: 99}[stars]
    properties = [f"-XMP-xmp:Rating={stars}", f"-XMP-microsoft:RatingPercent={percent}"]
    if sidecar.exists():
        exiftool(*properties, "-XMP-digiKam:PickLabel=0", sidecar)
    else:
        exiftool(*properties, "-XMP-digiKam:PickLabel=0", "-o", sidecar, path)
    return sidecar


@pytest.mark.core
def test_daemon_orders_by_the_stars_of_sidecars_and_follows_a_change(
    rated: Path, start: Start
) -> None:
    suns, texts = put(rated, "sun", 12), put(rated, "text", 12)
    for number in range(6):
        darktable_sidecar(suns[number], 5)
        darktable_sidecar(texts[number], 1)
    daemon = start()
    daemon.settle()
    best = [name for name in newest_first(rated) if not name.endswith(".xmp")][:12]
    assert {name[:3] for name in best} == {"sun"}
    assert [grade(suns[0]), grade(texts[0]), grade(suns[11])] == [0.9, 0.1, None]
    darktable_sidecar(suns[0], 2)
    until_grade(suns[0], 0.3)
    suns[1].with_name(suns[1].name + ".xmp").unlink()
    until_grade(suns[1], None)
    rows = imgscore("history", rated, "--json").rows
    assert [
        (row["label"], row["source"])
        for row in rows
        if row["what"] == "label" and row["path"] == os.fspath(suns[0])
    ] == [("trash", "rating"), ("keep", "rating")]


def test_daemon_follows_a_folder_that_is_rated_in_the_way_of_digikam(
    rated: Path, start: Start
) -> None:
    suns, texts = put(rated, "sun", 8), put(rated, "text", 8)
    daemon = start()
    daemon.settle()
    for path in suns[:4]:
        digikam_sidecar(path, 5)
    for path in texts[:4]:
        digikam_sidecar(path, -1)
    until_grade(suns[3], 0.9)
    until_grade(texts[3], 0.0)
    daemon.settle()
    best = [name for name in newest_first(rated) if not name.endswith(".xmp")][:8]
    assert {name[:3] for name in best} == {"sun"}
    digikam_sidecar(suns[0], 2)
    until_grade(suns[0], 0.3)
    exiv2(
        "-M", "reg digiKam http://www.digikam.org/ns/1.0/",
        "-M", "set Xmp.digiKam.PickLabel 1",
        suns[1].with_name(suns[1].name + ".xmp"),
    )  # fmt: skip
    until_grade(suns[1], 0.0)


def test_daemon_follows_ratings_in_files(rated: Path, start: Start) -> None:
    suns = put(rated, "sun", 4)
    daemon = start()
    daemon.settle()
    exiftool("-XMP-xmp:Rating=4", *suns[:2])
    until_grade(suns[0], 0.7)
    exiftool("-XMP-xmp:Rating=1", suns[0])
    until_grade(suns[0], 0.1)
    exiftool("-XMP-xmp:Rating=", suns[0])
    until_grade(suns[0], None)
    kept = suns[1].rename(rated / "keep" / suns[1].name)
    daemon.settle()
    until_grade(kept, 1.0)
    exiftool("-XMP-dc:Title=sun", kept)  # Other bytes, the same rating.
    daemon.settle()
    until_grade(kept, 1.0)
    exiftool("-XMP-xmp:Rating=2", kept)
    until_grade(kept, 0.3)


def test_daemon_follows_extended_attributes_and_rests(rated: Path, start: Start) -> None:
    (path,) = put(rated, "sun", 1)
    try:
        os.setxattr(path, "user.baloo.rating", b"8")
    except OSError:
        pytest.skip("cannot set extended attributes in the temporary folder")
    daemon = start()
    daemon.settle()
    assert grade(path) == 0.7
    os.setxattr(path, "user.baloo.rating", b"2")
    until_grade(path, 0.1)
    os.removexattr(path, "user.baloo.rating")
    until_grade(path, None)
    assert daemon.settle()["pending"] == 0


def test_changes_while_no_daemon_runs_are_followed(rated: Path, sandbox: Sandbox) -> None:
    suns = put(rated, "sun", 3)
    sidecars = [darktable_sidecar(path, 4) for path in suns]
    assert imgscore("scan").code == 0
    darktable_sidecar(suns[0], 1)
    sidecars[1].unlink()
    moved = suns[2].rename(rated / "keep" / "other name.png")
    sidecars[2].rename(rated / "keep" / "other name.png.xmp")
    assert imgscore("scan").code == 0
    assert [grade(suns[0]), grade(suns[1]), grade(moved)] == [0.1, None, 1.0]


def test_setting_switched_on_while_the_daemon_runs_reads_the_ratings(
    inbox: Path, start: Start
) -> None:
    suns = put(inbox, "sun", 3)
    darktable_sidecar(suns[0], 4)
    exiftool("-XMP-xmp:Rating=5", suns[1])
    daemon = start()
    daemon.settle()
    assert grade(suns[0]) is None
    text = paths.config_file().read_text()
    paths.config_file().write_text(text.replace("[[watch]]\n", "[[watch]]\nratings = true\n"))
    os.kill(daemon.pid, signal.SIGHUP)
    until_grade(suns[0], 0.7)
    until_grade(suns[1], 0.9)
    assert daemon.settle()["pending"] == 0


def test_import_labels_reads_ratings_without_and_with_a_daemon(
    inbox: Path, tmp_path: Path, start: Start
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    suns, texts = put(archive, "sun", 4), put(archive, "text", 4)
    exiftool("-XMP-xmp:Rating=5", *suns[:3])
    for path in texts[:3]:
        darktable_sidecar(path, 1)
    before = {path: path.stat().st_mtime_ns for path in archive.iterdir()}
    done = imgscore("import-labels", "--ratings", archive, "--json")
    assert (
        done.code == 0 and done.row["keep"] == done.row["trash"] == 3 and done.row["unrated"] == 2
    )
    assert {path: path.stat().st_mtime_ns for path in archive.iterdir()} == before
    start()
    done = imgscore("import-labels", "--ratings", archive)
    assert done.out == "3 keep, 3 trash, 0 failed, 2 without a rating\n"


def test_daemon_that_is_killed_while_it_reads_ratings_loses_none(
    rated: Path, sandbox: Sandbox
) -> None:
    suns = put(rated, "sun", 40)
    for number, path in enumerate(suns):
        if number % 2:
            darktable_sidecar(path, 1 + number % 5)
        else:
            os.setxattr(path, "user.baloo.rating", b"%d" % (2 + number % 8))
    wanted = [OF_STARS[1 + n % 5] if n % 2 else OF_STARS[1 + n % 8 // 2] for n in range(40)]
    with sandbox:
        for delay in (0.6, 0.8, 1.0, 1.3, 1.6):
            sandbox.start()
            time.sleep(delay)
            sandbox.kill()
        sandbox.start()
        sandbox.settle()
        assert [grade(path) for path in suns] == wanted
        for path in suns[1::2]:
            darktable_sidecar(path, 5)
        sandbox.kill()
        sandbox.start()
        sandbox.settle()
        assert {grade(path) for path in suns[1::2]} == {0.9}
