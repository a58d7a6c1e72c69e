"""Dates under a daemon: dry runs, undo, siblings, links, crashes, other file systems."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import draw, put
from tests.support.commands import FAST_TOML, Start, imgscore, newest_first
from tests.support.disks import mounted

pytestmark = pytest.mark.core


def dates(folder: Path) -> dict[str, int]:
    """Dates of the files under a folder; of a link, the date of the link itself."""
    return {
        path.name: path.lstat().st_mtime_ns for path in folder.rglob("*.*") if not path.is_dir()
    }


def teach(inbox: Path, suns: list[Path], texts: list[Path]) -> None:
    for path, place in [(sun, "keep") for sun in suns] + [(text, "trash") for text in texts]:
        path.rename(inbox / place / path.name)


def test_order_verbs_from_the_shell_change_and_restore_dates(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 7), put(inbox, "text", 7)
    config = paths.config_file().read_text()
    paths.config_file().write_text("dry_run = true\n" + config)
    originals = dates(inbox)
    daemon = start()
    teach(inbox, suns[:2], texts[:2])
    planned = daemon.settle()["watches"][0]["planned"]
    assert planned["touches"] > 0 and len(planned["examples"]) == min(5, planned["touches"])
    text = imgscore("status").out
    assert "dry run" in text and f"would change {planned['touches']} dates" in text
    assert "→" in text and dates(inbox) == originals
    rows = imgscore("order", inbox, "--json").rows
    assert len(rows) == planned["touches"] and dates(inbox) == originals
    daemon.stop()

    paths.config_file().write_text(config)
    daemon = start()
    assert daemon.settle()["watches"][0]["planned"] is None
    ordered = dates(inbox)
    changed = {name for name, date in ordered.items() if date != originals[name]}
    assert changed == {Path(row["path"]).name for row in rows}
    history = imgscore("history", "--json").rows
    assert {Path(row["path"]).name for row in history if row["what"] == "order"} == changed

    dry = imgscore("undo", "order", "--dry-run", "--json").rows
    assert {row["path"] for row in dry} == {row["path"] for row in rows}
    assert dates(inbox) == ordered
    assert imgscore("undo", "order").code == 0
    assert dates(inbox) == originals
    assert "imgscore order" in daemon.settle()["watches"][0]["state"]
    assert daemon.stop() == 0

    # The same without a daemon.
    again = imgscore("order", inbox, "--json").rows
    assert {row["path"] for row in again} == {row["path"] for row in rows}
    assert imgscore("order", inbox, "--json").rows == []
    assert len(imgscore("restore-times", "--dry-run", "--json").rows) == len(rows)
    assert dates(inbox) != originals
    assert imgscore("restore-times").code == 0
    assert dates(inbox) == originals


def test_order_siblings_get_one_date_and_links_none(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    suns, texts = put(inbox, "sun", 6), put(inbox, "text", 6)
    family = [inbox / "sun-005.NEF", inbox / "sun-005.jpg", inbox / "sun-005.xmp"]
    draw("sun", 99).save(family[0], format="jpeg")
    family[2].write_text("<x:xmpmeta/>")
    os.link(suns[4], inbox / "second-name.png")
    outside = tmp_path / "outside.png"
    draw("sun", 77).save(outside)
    (inbox / "link.png").symlink_to(outside)
    originals = dates(inbox) | {outside.name: outside.stat().st_mtime_ns}
    daemon = start()
    teach(inbox, suns[:2], texts[:2])
    daemon.settle()
    now = dates(inbox) | {outside.name: outside.stat().st_mtime_ns}
    # Files of one second may keep their dates: viewers sort by seconds, and then by names.
    assert len({now[path.name] // 10**9 for path in family}) == 1
    assert now["second-name.png"] == now[suns[4].name]
    assert {name for name in (outside.name, "link.png") if now[name] != originals[name]} == set()

    family[1].rename(inbox / "keep" / family[1].name)
    status = daemon.settle()
    assert status["watches"][0]["labels"] == {"keep": 4, "trash": 2}, "the raw's label came along"
    family[0].rename(inbox / "keep" / family[0].name)
    family[2].rename(inbox / "keep" / family[2].name)
    daemon.settle()
    now = dates(inbox)
    assert [now[path.name] for path in family] == [originals[path.name] for path in family]
    daemon.ask("restore-times")
    assert dates(inbox) | {outside.name: outside.stat().st_mtime_ns} == originals


def test_daemon_killed_while_it_orders_ends_in_order(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 4), put(inbox, "text", 4)
    for number in range(300):  # so many touches that the daemon is killed between two
        shutil.copyfile(suns[3] if number % 2 else texts[3], inbox / f"{number}.png")
        with (inbox / f"{number}.png").open("ab") as file:
            file.write(b"%d" % number)
    originals = dates(inbox)
    daemon = start()
    daemon.settle()
    teach(inbox, suns[:2], texts[:2])
    eventually(lambda: dates(inbox) != originals, pause=0.001)
    daemon.kill()
    daemon = start()
    daemon.settle()
    (inbox / "keep" / suns[0].name).rename(inbox / "trash" / suns[0].name)
    daemon.settle()
    assert imgscore("order", inbox, "--json").rows == []
    assert not any(row["error"] for row in daemon.ask("restore-times"))
    assert dates(inbox) == originals


def test_daemon_notices_dates_that_other_programs_set(inbox: Path, start: Start) -> None:
    """Such a program only calls utime: it neither writes nor renames a file."""
    suns, texts = put(inbox, "sun", 8), put(inbox, "text", 8)
    daemon = start()
    teach(inbox, suns[:4], texts[:4])
    daemon.settle()
    ordered = newest_first(inbox)
    files = [inbox / name for name in ordered]
    for number, path in enumerate(files):  # the best is the oldest
        os.utime(path, ns=(0, 1_500_000_000_123_456_789 + number * 10**12))
    wished = dates(inbox)
    # Images whose scores differ by less than their noise count as equal, so only kinds are sure.
    kinds = [name[:3] for name in ordered]
    eventually(lambda: [name[:3] for name in newest_first(inbox)] == kinds)
    daemon.settle()
    touched = {name for name, date in dates(inbox).items() if date != wished[name]}
    assert len(touched) >= 4
    for path in files:  # a change of the time zone on a FAT disk
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 3_600 * 10**9))
    daemon.settle()
    daemon.ask("restore-times")
    restored = dates(inbox)
    assert {name: restored[name] for name in touched} == {name: wished[name] for name in touched}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The mount point of a new ext4 file system."""
    with mounted(tmp_path, "mkfs.ext4", "-q") as point:
        yield point


def test_order_immutable_file_is_reported_and_not_retried(
    disk: Path, start: Start, tmp_path: Path
) -> None:
    inbox, keep, trash = disk / "inbox", tmp_path / "keep", tmp_path / "trash"
    for folder in (inbox, keep, trash):
        folder.mkdir()
    paths.config_file().parent.mkdir(parents=True, exist_ok=True)
    paths.config_file().write_text(
        f'[[watch]]\ninbox = "{inbox}"\nkeep = "{keep}"\ntrash = "{trash}"\n{FAST_TOML}'
    )
    texts, suns = put(inbox, "text", 6), put(inbox, "sun", 6)
    for number, path in enumerate([*suns, *texts]):  # the best is the oldest: all wrong
        os.utime(path, ns=(0, 1_500_000_000_123_456_789 + number * 10**12))
    originals = dates(inbox)
    subprocess.run(["chattr", "+i", suns[5]], check=True)
    daemon = start()
    try:
        for folder, kind in ((keep, suns), (trash, texts)):
            for path in kind[:2]:
                shutil.copy2(path, folder)
        status = daemon.settle()
        assert [Path(row["path"]).name for row in status["failed"]] == [suns[5].name]
        assert "chown" in status["failed"][0]["remedy"]
        tries = [row for row in daemon.ask("history", limit=999) if row["path"] == str(suns[5])]
        put(inbox, "sun", 1, first=50)
        daemon.settle()
        again = [row for row in daemon.ask("history", limit=999) if row["path"] == str(suns[5])]
        assert tries == again and len(tries) == 1
    finally:
        subprocess.run(["chattr", "-i", suns[5]], check=True)
    assert daemon.settle()["failed"] == []
    assert newest_first(inbox).index(suns[5].name) < 7

    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    answer = imgscore("restore-times", "--json")
    assert answer.code == 1
    assert all("for writing" in row["error"] for row in answer.rows)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert imgscore("restore-times").code == 0
    assert {name: date for name, date in dates(inbox).items() if name in originals} == originals
    assert daemon.stop() == 0


def test_status_after_restore_times_before_the_first_order_asks_for_labels(inbox: Path) -> None:
    put(inbox, "sun", 2)
    assert imgscore("scan").code == 0
    assert imgscore("restore-times").code == 0
    state = imgscore("status", "--json").row["watches"][0]["state"]
    assert state == "needs 2 more keep and 2 more trash"
