"""Groups in the order, with a real daemon: copies, bursts, and the explanation of a place."""

import os
import shutil
import signal
from pathlib import Path

from PIL import Image, ImageFilter

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.e2e.test_groups import scenery
from tests.support.commands import Start, imgscore, newest_first


def taught(inbox: Path) -> list[Path]:
    """Put 2 × 8 images into the inbox, of which 2 × 3 are labelled. Return the others.

    The kept images show different things, so they are in no group.
    """
    views, texts = [inbox / f"view-{number}.png" for number in range(8)], put(inbox, "text", 8)
    for number, path in enumerate(views):
        scenery(number).save(path)
    for number, path in enumerate(views + texts):  # Between the dates there is room for others.
        os.utime(path, (1_400_000_000 + 86_400 * number,) * 2)
    for files, folder in ((views, "keep"), (texts, "trash")):
        for path in files[:3]:
            path.rename(inbox / folder / path.name)
    return views[3:] + texts[3:]


def test_copies_stand_together_and_explain_names_the_place(inbox: Path, start: Start) -> None:
    files = taught(inbox)
    daemon = start()
    daemon.settle()
    best = files[0]
    copies = [best.with_name(f"{best.stem} ({number}){best.suffix}") for number in (1, 2)]
    for path in copies:
        shutil.copyfile(best, path)
    daemon.settle()
    order = newest_first(inbox)
    at = order.index(best.name)
    assert order[at : at + 3] == [best.name, *(path.name for path in copies)]
    row = imgscore("explain", copies[0], "--json").row
    assert row["group"] == {
        "kind": "copies",
        "why": "The bytes of these files are equal.",
        "place": 2,
        "size": 3,
        "best": str(best),
        "order": "together",
    }
    printed = imgscore("explain", copies[0]).out
    assert "no. 2 of 3 copies. The bytes of these files are equal." in printed
    assert "In the order, the group stands together" in printed
    assert imgscore("explain", files[1], "--json").row["group"] is None
    assert imgscore("order", "--dry-run", "--json").rows == []


def test_changed_setting_groups_reorders_at_a_reload(inbox: Path, start: Start) -> None:
    taught(inbox)
    daemon = start()
    daemon.settle()
    best = newest_first(inbox)[0]
    copies = [f"Copy of {number} {best}" for number in range(3)]
    for name in copies:
        shutil.copyfile(inbox / best, inbox / name)
    daemon.settle()
    order = newest_first(inbox)
    at = order.index(best)
    assert order[at : at + 4] == [best, *copies], order
    scored = imgscore("score", *inbox.glob("*.*"), "--json").rows
    kept = {os.path.basename(row["path"]) for row in scored if row["score"] > 0.6}
    others = len(kept.difference(copies))
    assert others > 2
    config = paths.config_file()
    config.write_text(
        config.read_text().replace("[[watch]]", '[[watch]]\ngroups = "best-on-top"', 1)
    )
    os.kill(daemon.pid, signal.SIGHUP)
    eventually(lambda: kept.difference(copies) == set(newest_first(inbox)[:others]))
    daemon.settle()
    assert imgscore("order", "--dry-run", "--json").rows == []


def test_burst_dropped_into_an_order_stands_together_best_first(inbox: Path, start: Start) -> None:
    files = taught(inbox)
    daemon = start()
    daemon.settle()
    before = {path: path.stat().st_mtime_ns for path in files}
    picture = scenery(50)
    sharpest = shoot(inbox, 0, picture)
    others = [
        shoot(inbox, number, picture.filter(ImageFilter.GaussianBlur(1.5 + number)))
        for number in (1, 2)
    ]
    names = {path.name for path in (sharpest, *others)}

    def stands() -> bool:
        order = newest_first(inbox)
        at = order.index(sharpest.name)
        return set(order[at : at + 3]) == names

    eventually(stands, what=lambda: f"the burst stands together: {newest_first(inbox)}")
    daemon.settle()
    assert stands()
    (row,) = imgscore("groups", "--kind", "bursts", "--json").rows
    assert os.path.basename(row["files"][0]) == sharpest.name
    assert {path for path in before if path.stat().st_mtime_ns != before[path]} == set()
    assert imgscore("order", "--dry-run", "--json").rows == []


def shoot(inbox: Path, number: int, picture: Image.Image) -> Path:
    """Save a picture as the photograph number `number` of a burst."""
    exif = Image.Exif()
    exif[0x0110] = "Camera"
    exif.get_ifd(0x8769).update({0x9003: f"2024:05:06 12:34:0{number}"})
    path = inbox / f"shot-{number}.jpg"
    picture.save(path, exif=exif, quality=92)
    return path
