"""imgscore rate: stars for other programs, written, updated, read by them, and removed."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.store import labels, sightings
from imgscore.store.store import Store
from imgscore.testing import Row, eventually
from tests.conftest import put
from tests.support import needs
from tests.support.commands import BIN, Start, imgscore
from tests.support.raters import darktable_sidecar, exiftool

State = dict[str, tuple[str, int, int]]


@pytest.fixture
def scored(inbox: Path) -> Path:
    """An inbox of images with scores, some of them labelled."""
    put(inbox / "keep", "sun", 6)
    put(inbox / "trash", "text", 6)
    put(inbox, "sun", 6, first=20)
    put(inbox, "text", 6, first=20)
    assert imgscore("scan").code == 0
    return inbox


def images(folder: Path) -> State:
    """The bytes, the date and the permissions of each image."""
    return {
        os.fspath(path): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".png", ".jpg")
    }


def suns(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("sun*")) if path.suffix != ".xmp"]


def sidecars(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.xmp"))


def stars_in(path: Path) -> str:
    """The stars of a file, as exiftool reads them."""
    needs.program("exiftool", "libimage-exiftool-perl")
    done = subprocess.run(
        ["exiftool", "-s3", "-XMP-xmp:Rating", path], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def split(rows: list[Row]) -> tuple[list[Row], Row]:
    return rows[:-1], rows[-1]


def events(folder: Path) -> int:
    """The number of label events in the store."""
    return len([row for row in imgscore("history", "--json").rows if row["what"] == "label"])


@pytest.mark.core
def test_rate_writes_sidecars_that_other_programs_read_and_undo_removes_them(scored: Path) -> None:
    before = images(scored)
    done = imgscore("rate", "--sidecars", "--dry-run", "--json")
    assert done.code == 0 and not sidecars(scored)
    rows, counts = split(done.rows)
    assert len(rows) == counts["written"] == 12 and all(row["dry_run"] for row in rows)
    done = imgscore("rate", "--sidecars", "--json")
    rows, counts = split(done.rows)
    assert done.code == 0 and counts["written"] == 12 and images(scored) == before
    for row in rows:
        name = Path(row["path"]).name
        assert row["sidecar"] == row["path"] + ".xmp" and row["result"] == "written"
        assert row["stars"] in ((4, 5) if name.startswith("sun") else (1, 2))
    assert [stars_in(Path(row["sidecar"])) for row in rows[:3]] == [
        str(row["stars"]) for row in rows[:3]
    ]
    again, counts = split(imgscore("rate", "--sidecars", "--json").rows)
    assert again == [] and counts["unchanged"] == 12
    assert imgscore("order", "--json").rows == []  # The sidecars disturb no order.
    done = imgscore("rate", "--undo", "--json")
    assert done.code == 0 and split(done.rows)[1]["written"] == 12
    assert not sidecars(scored) and images(scored) == before


def test_rate_leaves_ratings_of_other_programs_alone(scored: Path) -> None:
    first, second, third, fourth = suns(scored)[:4]
    mine = darktable_sidecar(first, 2).read_bytes()
    (scored / f"{second.stem}.xmp").write_text("written by hand")
    exiftool("-XMP-xmp:Rating=1", third)
    link = fourth.with_name(fourth.name + ".xmp")
    link.symlink_to("/nowhere")
    assert imgscore("scan").code == 0
    _, counts = split(imgscore("rate", "--sidecars", "--json").rows)
    assert counts["written"] == 8 and counts["foreign"] + counts["failed"] == 4
    assert first.with_name(first.name + ".xmp").read_bytes() == mine
    assert (scored / f"{second.stem}.xmp").read_text() == "written by hand"
    assert not second.with_name(second.name + ".xmp").exists()
    assert link.is_symlink() and not third.with_name(third.name + ".xmp").exists()
    # Another program changes one of our sidecars: it is no longer ours.
    taken = sorted(scored.glob("text*.xmp"))[0]
    exiftool("-XMP-xmp:Rating=5", taken)
    changed = taken.read_bytes()
    _, counts = split(imgscore("rate", "--sidecars", "--json").rows)
    assert counts["unchanged"] == 7 and taken.read_bytes() == changed
    done = imgscore("rate", "--undo", "--json")
    assert split(done.rows)[1]["written"] == 7
    assert taken.read_bytes() == changed and len(sidecars(scored)) == 4


def test_rate_from_labels_writes_what_the_user_said(scored: Path) -> None:
    (four,) = put(scored, "sun", 1, first=40)
    assert imgscore("scan").code == 0
    assert imgscore("label", "4", four).code == 0
    rows, counts = split(imgscore("rate", scored, "--sidecars", "--from", "label", "--json").rows)
    stars = {Path(row["path"]).name: row["stars"] for row in rows}
    assert stars["sun-000.png"] == 5 and stars["text-000.png"] == -1 and stars[four.name] == 4
    assert counts["written"] == 13 and counts["without"] == 12
    assert stars_in(scored / "trash" / "text-000.png.xmp") == "-1"


def test_rate_updates_its_own_stars_and_follows_moved_images(scored: Path) -> None:
    imgscore("rate", "--sidecars")
    image = suns(scored)[0]
    sidecar = image.with_name(image.name + ".xmp")
    assert imgscore("label", "2", image).code == 0
    rows, _ = split(imgscore("rate", scored, "--sidecars", "--from", "label", "--json").rows)
    assert {Path(row["path"]): row["result"] for row in rows}[image] == "updated"
    assert stars_in(sidecar) == "2"
    moved = image.rename(scored / "keep" / "new name.png")
    sidecar.rename(moved.with_name("new name.png.xmp"))
    assert imgscore("scan").code == 0
    assert split(imgscore("rate", "--undo", "--json").rows)[1]["failed"] == 0
    assert not sidecars(scored)


def test_own_stars_never_become_labels(scored: Path, start: Start) -> None:
    text = paths.config_file().read_text()
    paths.config_file().write_text(text.replace("[[watch]]\n", "[[watch]]\nratings = true\n"))
    daemon = start()
    daemon.settle()
    before = events(scored)
    assert imgscore("rate", "--sidecars", "--json").code == 0
    daemon.settle()
    assert events(scored) == before
    # darktable writes our stars into a sidecar of its own, without our mark.
    image = suns(scored)[0]
    stars = int(stars_in(image.with_name(image.name + ".xmp")))
    darktable_sidecar(image, stars)
    daemon.settle()
    assert events(scored) == before
    darktable_sidecar(image, 2)
    eventually(lambda: grade(image) == 0.3, what=lambda: grade(image))
    darktable_sidecar(image, stars)
    eventually(lambda: grade(image) not in (None, 0.3), what=lambda: grade(image))
    assert imgscore("rate", "--undo").code == 0
    daemon.settle()
    assert events(scored) == before + 2


def grade(path: Path) -> float | None:
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        sighting = sightings.find(txn, os.fsencode(path))
        label = sighting and labels.current(txn, "default", sighting.digest)
    return label.grade if label else None


def test_rate_writes_attributes_with_a_daemon_and_they_are_no_labels(
    scored: Path, start: Start
) -> None:
    first, second = suns(scored)[:2]
    try:
        os.setxattr(first, "user.baloo.rating", b"2")
    except OSError:
        pytest.skip("cannot set extended attributes in the temporary folder")
    text = paths.config_file().read_text()
    paths.config_file().write_text(text.replace("[[watch]]\n", "[[watch]]\nratings = true\n"))
    daemon = start()
    daemon.settle()
    before, count = images(scored), events(scored)
    done = imgscore("rate", "--xattr", "--json")
    _, counts = split(done.rows)
    assert done.code == 0 and counts["written"] == 11 and counts["foreign"] == 1
    assert os.getxattr(first, "user.baloo.rating") == b"2"
    assert os.getxattr(second, "user.baloo.rating") in (b"8", b"10")
    daemon.settle()
    assert events(scored) == count and images(scored) == before
    os.setxattr(second, "user.baloo.rating", b"4")  # Dolphin
    eventually(lambda: grade(second) == 0.3, what=lambda: grade(second))
    assert split(imgscore("rate", "--undo", "--xattr", "--json").rows)[1]["written"] == 10
    assert os.getxattr(second, "user.baloo.rating") == b"4"
    left = [path for path in suns(scored) if "user.imgscore.rating" in os.listxattr(path)]
    assert left == []


def test_rate_names_what_prevents_it(scored: Path, tmp_path: Path) -> None:
    assert imgscore("rate").code == 2 and imgscore("rate", "--sidecars", "--xattr").code == 2
    assert imgscore("rate", tmp_path / "elsewhere", "--sidecars").code == 2
    keep = scored / "keep"
    if os.geteuid() == 0:
        needs.mount("--bind", keep, keep)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", keep], check=True)
            done = imgscore("rate", "--sidecars", "--from", "label", "--json")
        finally:
            subprocess.run(["umount", keep], check=True)
    else:
        keep.chmod(0o500)
        done = imgscore("rate", "--sidecars", "--from", "label", "--json")
        keep.chmod(0o700)
    rows, counts = split(done.rows)
    failed = [row for row in rows if row["error"]]
    assert done.code == 1 and counts["failed"] == len(failed) == 6 and counts["written"] == 6
    assert all(row["path"].startswith(f"{keep}/") for row in failed)
    assert not [name for name in os.listdir(keep) if name.endswith((".xmp", ".part"))]


def test_rate_on_a_full_disk_leaves_whole_sidecars(scored: Path, tmp_path: Path) -> None:
    needs.root("to mount a file system")
    disk = scored / "disk"
    disk.mkdir()
    needs.mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", disk)
    try:
        for path in suns(scored):
            shutil.copy(path, disk / f"copy {path.name}")
        assert imgscore("scan").code == 0
        with (disk / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        done = imgscore("rate", disk, "--sidecars", "--json")
        rows, counts = split(done.rows)
        assert done.code == 1 and counts["failed"] == 6
        assert all("free some disk space" in row["error"] for row in rows)
        assert not [name for name in os.listdir(disk) if name.endswith((".xmp", ".part"))]
        (disk / "filler").unlink()
        assert imgscore("rate", disk, "--sidecars").code == 0
        assert len(sidecars(disk)) == 6
    finally:
        subprocess.run(["umount", disk], check=True)


def test_rate_of_odd_names_is_undone(scored: Path) -> None:
    odd = [b"a\nb.png", b"bad\xff.png", b"x" * 251 + b".png", b'-n %s "q".png']
    for path, name in zip(suns(scored), odd, strict=False):
        os.rename(path, os.fsencode(scored) + b"/" + name)
    assert imgscore("scan").code == 0
    done = imgscore("rate", "--sidecars", "--json")
    rows, counts = split(done.rows)
    assert done.code == 1 and counts["written"] == 11 and counts["failed"] == 1
    (error,) = [row["error"] for row in rows if row["error"]]
    assert "use --xattr" in error
    done = imgscore("rate", "--undo", "--json")
    assert done.code == 0 and split(done.rows)[1]["written"] == 11 and not sidecars(scored)


def test_rate_that_is_killed_is_completed_and_undone(scored: Path) -> None:
    before = images(scored)
    for delay in (0.5, 0.8, 1.1, 1.4, 1.7):
        process = subprocess.Popen(
            [BIN / "imgscore", "rate", "--sidecars"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = imgscore("rate", "--sidecars", "--json")
    _, counts = split(done.rows)
    assert done.code == 0 and counts["written"] + counts["unchanged"] == 12
    assert counts["foreign"] == 0 and images(scored) == before
    assert imgscore("rate", "--undo").code == 0
    assert not sidecars(scored)
    assert not list(scored.rglob(".imgscore-*"))


def test_rate_after_a_kill_during_a_write_removes_the_unfinished_sidecar(scored: Path) -> None:
    assert imgscore("rate", "--sidecars").code == 0
    whole = sidecars(scored)[0].read_bytes()
    begun = [scored / ".imgscore-0123456789ab.part", scored / ".imgscore-ba9876543210.part"]
    users = scored / ".imgscore-0123456789ac.part"
    for again in (["--sidecars"], ["--undo"]):
        for path, content in zip(begun, (b"", whole[:100]), strict=True):
            path.write_bytes(content)
        users.write_bytes(b"of the user")
        assert imgscore("rate", *again, "--dry-run").code == 0
        assert all(path.exists() for path in begun)
        with begun[0].open("rb") as file:  # Another process is writing this file.
            fcntl.flock(file, fcntl.LOCK_EX)
            assert imgscore("rate", *again).code == 0
            assert begun[0].exists() and not begun[1].exists() and users.exists()


def test_rate_of_scored_images_that_were_moved_into_keep_writes_no_stars(scored: Path) -> None:
    suns(scored)[0].rename(scored / "keep" / "moved.png")
    assert imgscore("scan").code == 0
    rows, counts = split(imgscore("rate", "--sidecars", "--json").rows)
    assert counts["written"] == 11 and counts["without"] == 13
    assert not [row["path"] for row in rows if "/keep/" in row["path"]]


def test_rate_of_an_image_with_a_damaged_sidecar_names_the_sidecar(scored: Path) -> None:
    image = suns(scored)[0]
    image.with_name(f"{image.name}.xmp").write_bytes(b"")
    done = imgscore("rate", "--sidecars", "--json")
    (error,) = [row["error"] for row in done.rows if row["error"]]
    assert done.code == 1 and error.startswith(f"{image.name}.xmp: its XMP is not valid XML")
